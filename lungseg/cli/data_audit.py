"""``lungseg data audit``: copies across the split, and classes that can be told without looking at a chest."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from lungseg.core.atomic_io import replaced
from lungseg.core.config.data_config import DataConfig
from lungseg.core.plural import plural
from lungseg.core.text_tables import aligned, write_table
from lungseg.data.audit.inspect import shrunk
from lungseg.data.audit.shortcuts import Shortcut, find_shortcuts
from lungseg.data.audit.split_leakage import Pair, across, film, find_pairs, look_at
from lungseg.data.build import build_cases, build_splits
from lungseg.data.case import SPLITS, Case, place
from lungseg.data.splits import Splits
from lungseg.data.visualize.contact_sheet import draw_contacts

log = logging.getLogger("lungseg")

TOLD = 5  # pairs that are named on the screen; twins.csv has all
DRAWN = 200  # pairs of twins that get a picture


def audit(data: DataConfig, out: Path) -> int:
    """Pairs of twins with a picture each, shared patients, shortcuts; 1 if anything stands on two sides."""
    cases = build_cases(data.source)
    splits, shared = _sides(cases, data)
    looks = look_at(cases)
    pairs = find_pairs(cases, [look.descriptor for look in looks])
    out.mkdir(parents=True, exist_ok=True)
    leaks = across(pairs, splits)
    _tell_twins(data.source.name, cases, pairs, leaks)
    if shared:
        log.info("patients on two sides of the split: %d, first %s", len(shared), ", ".join(shared[:TOLD]))
    side = {case.id: name for name, group in splits.items() for case in group}
    ranked = _ranked(pairs, leaks)
    rows = [_twin_row(number, pair, side) for number, pair in enumerate(ranked, start=1)]
    write_table(rows, out / "twins.csv", ("pair", "first", "second"))
    _draw_pairs(ranked, side, out / "twins")
    shortcuts = find_shortcuts([look.traits for look in looks], [c.label for c in cases], [c.patient for c in cases])
    _tell_shortcuts(shortcuts, out)
    log.info("twins      %s", out / "twins.csv")
    return int(bool(leaks or shared))


def _sides(cases: list[Case], data: DataConfig) -> tuple[Splits, list[str]]:
    """The split that training would use, and the patients on two sides of the publisher's, which it would refuse."""
    owners: dict[str, set[str | None]] = defaultdict(set)
    for case in cases:
        owners[case.patient].add(case.split)
    shared = sorted(patient for patient, sides in owners.items() if len(sides) > 1)
    if shared:
        return {name: [case for case in cases if case.split == name] for name in SPLITS}, shared
    return build_splits(cases, data), []


def _tell_twins(
    name: str, cases: Sequence[Case], pairs: Sequence[Pair], leaks: Sequence[tuple[Pair, str, str]]
) -> None:
    same = sum(pair.first.patient == pair.second.patient for pair in pairs)
    twins = plural(len(pairs), "pair of twins", "pairs of twins")
    log.info("%s: %s, %s, %d of one patient", name, plural(len(cases), "case"), twins, same)
    log.info("%s across the split\n", plural(len(leaks), "of the pairs stands", "of the pairs stand"))
    sides = Counter(" and ".join(sorted((one, other))) for _, one, other in leaks)
    for names, number in sorted(sides.items()):
        log.info("twins in %s: %s", names, plural(number, "pair"))
    for pair, one, other in leaks[:TOLD]:
        log.info("  %s, likeness %.3f: %s: %s", pair.kind, pair.likeness, one, place(pair.first))
        log.info("    and %s: %s", other, place(pair.second))
    if leaks:
        log.info("  data.drop_leaks=true leaves them out of training\n")


def _tell_shortcuts(shortcuts: Sequence[Shortcut], out: Path) -> None:
    """How well the class is told without looking at a chest; a net may learn that in place of anatomy."""
    rows = [["the class is told by", "balanced accuracy", "chance", "p", ""]]
    for one in shortcuts:
        word = "a shortcut" if one.found else ""
        rows.append([one.family, f"{one.accuracy:.2f}", f"{one.chance:.2f}", f"{one.p:.3f}", word])
    log.info(
        "%s\n",
        "\n".join(aligned(rows)) if shortcuts else "one class, or too few patients of each, to look for shortcuts",
    )
    for one in shortcuts:
        if one.found:
            log.info("%s: %s", one.family, ", ".join(f"{label} {value}" for label, value in one.typical.items()))
    table = [
        {"family": s.family, "accuracy": s.accuracy, "chance": s.chance, "p": s.p, "found": s.found} for s in shortcuts
    ]
    write_table(table, out / "shortcuts.csv", ("family", "accuracy", "chance", "p", "found"))
    log.info("shortcuts  %s", out / "shortcuts.csv")


def _ranked(pairs: Sequence[Pair], leaks: Sequence[tuple[Pair, str, str]]) -> list[Pair]:
    """Those across the split first."""
    first = [pair for pair, _, _ in leaks]
    return first + [pair for pair in pairs if pair not in first]


def _twin_row(number: int, pair: Pair, side: Mapping[str, str]) -> dict[str, Any]:
    one, other = pair.first, pair.second
    return {
        "pair": number,
        "first": place(one),
        "second": place(other),
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
            image, _ = shrunk(film(case), {}, 320)
            tiles.append((image, None, f"{side.get(case.id, '')} · {case.label} · {case.id}"))
        title = f"{number}: {pair.kind}, likeness {pair.likeness:.3f}"
        with replaced(folder / f"{number:04d}.png", lasting=False) as partial:
            Image.fromarray(draw_contacts(tiles, title, columns=2, side=320)).save(partial)
    if len(pairs) > DRAWN:
        log.info("pictures of the first %d of %d pairs", DRAWN, len(pairs))
