"""Writes what a person reads at the end of a run: what was judged, then each part of the task."""

from collections.abc import Mapping
from typing import Any

from lungseg.core.plural import plural
from lungseg.core.security.printable_text import one_line
from lungseg.tasks.base import Task


def render(task: Task, summary: Mapping[str, Any]) -> str:
    """Returns a block of lines per part: the net, and what needs none; then what else was measured."""
    lines = [
        f"{one_line(summary['split'])} of {one_line(summary['data'])}: {plural(summary['cases'], 'case')} of "
        f"{plural(summary['patients'], 'patient')}, "
        f"threshold {summary['threshold']:g}"
        + (f", tta {summary['tta']}" if summary["tta"] != "none" else "")
        + (f", ensemble of {summary['members']}" if summary.get("members", 1) > 1 else "")
        + (", means over patients" if summary.get("weight") == "patients" else "")
    ]
    for part in task.parts:
        lines += ["", *task.report(summary, part)]
    return "\n".join(lines)
