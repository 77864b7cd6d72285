"""Which cases a page shows as pictures, and their pictures as text within it."""

import base64
import contextlib
import logging
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lungseg.comparison.report import Report
from lungseg.core.errors import UserError
from lungseg.core.shell_commands import evaluate_command
from lungseg.core.text_tables import read_table
from lungseg.evaluation.thumbnails import Pictures

log = logging.getLogger("lungseg")

BUDGET = 24  # MB of pictures in a page; a browser opens it in a moment


def album(report: Report, budget: float, show: bool = True) -> dict[int, str]:
    """Row of the case -> its image and masks; those first that are worth a look, until ``budget`` MB are full."""
    archives = [entry.folder / "pictures.zip" for entry in report.group.entries]
    gone = [path for path in archives if not path.is_file()]
    if gone:
        log.info("no case is shown: %s is missing; judge the run again: %s", gone[0],
                 evaluate_command(gone[0].parents[2]))  # fmt: skip
        return {}
    rows = [_rows_in_file(entry.folder, report.group.table.id) for entry in report.group.entries]
    found: dict[int, str] = {}
    spent = 0
    order = list(worth_a_look(report))
    with contextlib.ExitStack() as stack:
        pictures = [Pictures(path) for path in archives]
        for one in pictures:
            stack.enter_context(one.archive)
        for case in tqdm(order, "pictures", leave=False, disable=None if show else True):
            if spent >= budget * 1e6:
                break
            found[case] = _one(pictures, [row[case] for row in rows], report.group.table.regions)
            spent += len(found[case])
    return found


def worth_a_look(report: Report) -> Iterator[int]:
    """Every case once: by turns those that differ most, fail most, are false alarms, succeed most, and any."""
    orders: list[list[int]] = [np.random.default_rng(0).permutation(len(report.group.table.id)).tolist()]
    for region in report.group.table.regions:
        for found in report.of_region(region):
            values = found.values * (1 if found.kind.higher else -1)
            mean = values.mean(axis=1)
            if found.kind.share:
                extent = next((one for one in report.analyses.values() if one.kind.region == region
                               and one.kind.role == "false_alarm_extent"), found)  # fmt: skip
                orders.append(_by(-extent.values.mean(axis=1)))
            elif found.kind.pictured:
                orders += [_by(-np.ptp(values, axis=1)), _by(mean), _by(-mean)]
                orders += [_by(values[:, place]) for place in found.ranking.order[:4]]
    seen: set[int] = set()
    for turn in zip_longest(*orders):
        for case in turn:
            if case is not None and case not in seen:
                seen.add(case)
                yield case


def _by(values: NDArray[np.float64]) -> list[int]:
    """The smallest first; what is undefined is left out."""
    order = np.argsort(values, kind="stable")
    return [int(case) for case in order if not np.isnan(values[case])]


def _rows_in_file(folder: Path, ids: Sequence[str]) -> list[int]:
    """Where each case stands in the judgement's own table, which counts its pictures."""
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
        place = {row["id"]: number for number, row in enumerate(read_table(file))}
    return [place[id] for id in ids]


def _one(pictures: Sequence[Pictures], rows: Sequence[int], regions: Sequence[str]) -> str:
    """Base 64 of the JPEG, a bar, base 64 of the deflated bits: the reference's regions, then each run's."""
    masks = [pictures[0].mask("reference", region, rows[0]) for region in regions]
    for archive, row in zip(pictures, rows, strict=True):
        if archive.shape(row) != pictures[0].shape(rows[0]):
            raise UserError(
                f"{archive.path} and {pictures[0].path} show the same case in different sizes; judge both runs again: "
                f"{archive.again} and {pictures[0].again}"
            )
        masks += [archive.mask("prediction", region, row) for region in regions]
    jpeg = pictures[0].jpeg(rows[0])
    bits = b"".join(np.packbits(mask).tobytes() for mask in masks)
    return f"{text(jpeg)}|{text(zlib.compress(bits, 6))}"


def text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
