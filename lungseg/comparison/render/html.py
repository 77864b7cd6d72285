"""One HTML file with everything in it: it opens from disk, asks no network, and runs nothing but its own script."""

import base64
import hashlib
import html
import json
import shlex
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata, resources

import numpy as np
from numpy.typing import NDArray

from lungseg.comparison.render.page_data import amounts, group_data, plain, run_data
from lungseg.comparison.render.thumbnails import text
from lungseg.comparison.report import Report
from lungseg.comparison.search_report import search_data
from lungseg.comparison.search_results import Search

SCRIPTS = ("result", "strip", "scatter", "gallery", "case", "groups", "probabilities", "runs", "choices")
SEARCH_SCRIPTS = ("search", "search_trial", "search_course", "search_curves", "search_space")
DIALOG = '<dialog id="case" aria-labelledby="case-name"><div id="case-inside"></div></dialog>'
STEPS = 65534  # of 16 bits, without the one that says NaN
CITE = """@software{lungseg,
  title = {lungseg: experiments in segmenting lungs and COVID-19 infection, judged honestly},
  version = {%s},
}"""


def page(
    reports: Sequence[Report],
    albums: Sequence[Mapping[int, str]],
    title: str,
    command: Sequence[str],
    search: Search | None = None,
) -> str:
    """The whole file. Names are data in it, never markup: what they hold is shown, not run.

    Without reports it is of the search alone.
    """
    entries = [entry for report in reports for entry in report.group.entries]
    places = {id(entry): place for place, entry in enumerate(entries)}
    data = {
        "made": f"{datetime.now():%Y-%m-%d %H:%M}, lungseg {metadata.version('lungseg')}",
        "command": shlex.join(command),
        "cite": CITE % metadata.version("lungseg"),
        "runs": [run_data(entry) for entry in entries],
        "groups": [
            group_data(report, [places[id(entry)] for entry in report.group.entries], album)
            for report, album in zip(reports, albums, strict=True)
        ],
        "search": None if search is None else search_data(search),
    }
    blocks = [f'<script type="application/json" id="data">{_inert(json.dumps(plain(data), allow_nan=False))}</script>']
    for number, (report, album) in enumerate(zip(reports, albums, strict=True)):
        for name, digits in _columns(report).items():
            blocks.append(_block(f"scores-{number}-{name}", _packed(report.group.scores[name].T, digits)))
        blocks += [_block(f"picture-{number}-{case}", content) for case, content in album.items()]
    return _filled(
        _parts(bool(reports), search is not None) | {"title": html.escape(title), "blocks": "\n".join(blocks)}
    )


def _parts(compared: bool, searched: bool) -> dict[str, str]:
    """Of the page's frame: only what it needs."""
    sections = [
        *(["verdict"] if compared else []),
        *(["search"] if searched else []),
        *(["comparison"] if compared else []),
    ]
    scripts = ["core", *(SCRIPTS if compared else ()), *(SEARCH_SCRIPTS if searched else ()), "start"]
    style = _asset("style.css") + (_asset("search.css") if searched else "")
    script = "".join(_asset(f"{name}.js") for name in scripts)
    return {
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "first": sections[0],
        "sections": "".join(_asset(f"{name}.html") for name in sections),
        "choices": _asset("choices.html") if compared else "",
        "dialog": DIALOG if compared else "",
        "instead": "comparison.md beside it has the same table as text." if compared else "see the figures beside it.",
    }


def _asset(name: str) -> str:
    return (resources.files("lungseg.comparison.render") / "assets" / name).read_text(encoding="utf-8")


def _filled(parts: Mapping[str, str]) -> str:
    pieces = _asset("page.html").split("{{")
    return pieces[0] + "".join(parts[name] + rest for name, rest in (piece.split("}}", 1) for piece in pieces[1:]))


def _hash(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")


def _block(name: str, content: str) -> str:
    return f'<script type="text/plain" id="{html.escape(name)}">{content}</script>'


def _inert(content: str) -> str:
    """JSON that cannot end the block it stands in."""
    return content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(values: NDArray[np.float64], digits: int) -> str:
    """The greatest value and whole numbers of 16 bits up to it, the last one NaN; 0 and floats where not fine enough.

    Fine enough: wrong by less than a twentieth of the last digit shown.
    """
    known = values[~np.isnan(values)]
    most = float(known.max(initial=0))
    if not len(known) or known.min() < 0 or most == 0 or most / (2 * STEPS) > 10**-digits / 20:
        return f"0|{text(zlib.compress(np.ascontiguousarray(values, '<f4').tobytes(), 6))}"
    steps = np.where(np.isnan(values), STEPS + 1, np.round(np.nan_to_num(values) * (STEPS / most)))
    return f"{most!r}|{text(zlib.compress(np.ascontiguousarray(steps, '<u2').tobytes(), 6))}"


def _columns(report: Report) -> dict[str, int]:
    """Scores, and what other views are drawn from, with the digits that are shown."""
    table = report.group.table
    more = [key for region in table.regions for key in amounts(table, region)]
    shown = {id: found.kind.digits for id, found in report.analyses.items()}
    return shown | {name: 3 for name in more if name in report.group.scores}
