"""``lungseg data audit``: copies across the split, and classes that can be told without looking at a chest."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from PIL import Image

from lungseg.commands.tables import path_of, write_table
from lungseg.contact_sheet import draw_contacts
from lungseg.data.check import shrunk
from lungseg.data.leaks import Pair, across, find_pairs
from lungseg.data.read import read_image
from lungseg.files import replaced
from lungseg.source import build_cases, build_splits

log = logging.getLogger("lungseg")

TOLD = 5  # pairs that are named on the screen; twins.csv has all
DRAWN = 200  # pairs of twins that get a picture


def audit(data: DictConfig, out: Path) -> int:
    """Pairs of twins with a picture each, and shortcuts; 1 if a twin is on another side of the split."""
    cases = build_cases(data)
    splits = build_splits(cases, data)
    pairs = find_pairs(cases)
    leaks = across(pairs, splits)
    same = sum(pair.first.patient == pair.second.patient for pair in pairs)
    log.info("%s: %d cases, %d pairs of twins, %d of one patient", data.name, len(cases), len(pairs), same)
    log.info("%d of the pairs stand across the split\n", len(leaks))
    out.mkdir(parents=True, exist_ok=True)
    side = {case.id: name for name, group in splits.items() for case in group}
    rows = [_twin_row(number, pair, side) for number, pair in enumerate(_sorted(pairs, leaks), start=1)]
    write_table(rows, out / "twins.csv", ("pair", "first", "second"))
    _draw_pairs(_sorted(pairs, leaks), side, out / "twins")
    sides = Counter(" and ".join(sorted((one, other))) for _, one, other in leaks)
    for names, number in sorted(sides.items()):
        log.info("twins in %s: %d pairs", names, number)
    for pair, one, other in leaks[:TOLD]:
        log.info("  %s, likeness %.3f: %s: %s", pair.kind, pair.likeness, one, path_of(pair.first))
        log.info("    and %s: %s", other, path_of(pair.second))
    if leaks:
        log.info("  data.drop_leaks=true leaves them out of training")
    log.info("\ntwins     %s", out / "twins.csv")
    return int(bool(leaks))


def _sorted(pairs: Sequence[Pair], leaks: Sequence[tuple[Pair, str, str]]) -> list[Pair]:
    """Those across the split first."""
    first = [pair for pair, _, _ in leaks]
    return first + [pair for pair in pairs if pair not in first]


def _twin_row(number: int, pair: Pair, side: Mapping[str, str]) -> dict[str, Any]:
    one, other = pair.first, pair.second
    return {
        "pair": number,
        "first": path_of(one),
        "second": path_of(other),
        "first_split": side.get(one.id, ""),
        "second_split": side.get(other.id, ""),
        "kind": pair.kind,
        "likeness": pair.likeness,
        "same_patient": one.patient == other.patient,
        "same_class": one.label == other.label,
    }


def _draw_pairs(pairs: Sequence[Pair], side: Mapping[str, str], folder: Path) -> None:
    for number, pair in enumerate(pairs[:DRAWN], start=1):
        tiles = []
        for case in (pair.first, pair.second):
            image, _ = shrunk(read_image(case.image), {}, 320)
            tiles.append((image, None, f"{side.get(case.id, '')} · {case.label} · {case.id}"))
        title = f"{number}: {pair.kind}, likeness {pair.likeness:.3f}"
        with replaced(folder / f"{number:04d}.png") as partial:
            Image.fromarray(draw_contacts(tiles, title, columns=2, side=320)).save(partial)
    if len(pairs) > DRAWN:
        log.info("pictures of the first %d of %d pairs", DRAWN, len(pairs))
