"""``lungseg data split``: splits and folds without a patient on two sides, as files."""

import logging
from dataclasses import replace
from pathlib import Path

from lungseg.core.config.data_config import DataConfig
from lungseg.core.programs import program
from lungseg.core.shell_commands import shell_command
from lungseg.core.text_tables import aligned
from lungseg.data.build import build_cases, drawn_splits
from lungseg.data.saved_splits import save_splits

log = logging.getLogger("lungseg")


def split(data: DataConfig, out: Path) -> int:
    """Write one file for each fold, or one: what ``data.splits=`` takes."""
    cases = build_cases(data.source)
    names: list[tuple[Path, int | None]] = [(out / "split.json", None)]
    if data.split.folds is not None:
        names = [(out / f"fold-{fold}.json", fold) for fold in range(data.split.folds)]
    out.mkdir(parents=True, exist_ok=True)
    rows = [["file", "split", "cases", "patients", *sorted({case.label for case in cases})]]
    for path, fold in names:
        splits = drawn_splits(cases, replace(data.split, fold=fold))
        save_splits(splits, path)
        for name, side in splits.items():
            classes = [str(sum(case.label == label for case in side)) for label in rows[0][4:]]
            rows.append([str(path), name, str(len(side)), str(len({case.patient for case in side})), *classes])
    log.info("%s\n", "\n".join(aligned(rows)))
    source = data.source
    settings: dict[str, str | Path] = {"data": source.name}
    if source.root is not None:
        settings["data.root"] = source.root
    settings["data.splits"] = names[0][0]
    log.info("train on one: %s", shell_command(*program("train"), settings=settings))
    return 0
