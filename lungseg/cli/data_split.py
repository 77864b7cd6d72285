"""``lungseg data split``: splits and folds without a patient on two sides, as files."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from lungseg.core.programs import program
from lungseg.core.shell_commands import shell_command
from lungseg.core.text_tables import aligned
from lungseg.data.build import build_cases
from lungseg.data.saved_splits import save_splits
from lungseg.data.splits import split_cases

log = logging.getLogger("lungseg")


def split(data: DictConfig, out: Path) -> int:
    """Write one file for each fold, or one: what ``data.splits=`` takes."""
    cases = build_cases(data)
    names: list[tuple[Path, int | None]] = [(out / "split.json", None)]
    if data.folds is not None:
        names = [(out / f"fold-{fold}.json", fold) for fold in range(data.folds)]
    out.mkdir(parents=True, exist_ok=True)
    rows = [["file", "split", "cases", "patients", *sorted({case.label for case in cases})]]
    for path, fold in names:
        shares = {"val": data.val, "test": data.test}
        splits = split_cases(cases, **shares, seed=data.split_seed, folds=data.folds, fold=fold)
        save_splits(splits, path)
        for name, side in splits.items():
            classes = [str(sum(case.label == label for case in side)) for label in rows[0][4:]]
            rows.append([str(path), name, str(len(side)), str(len({case.patient for case in side})), *classes])
    log.info("%s\n", "\n".join(aligned(rows)))
    settings = {"data": data.name, **({"data.root": data.root} if "root" in data else {}), "data.splits": names[0][0]}
    log.info("train on one: %s", shell_command(*program("train"), settings=settings))
    return 0
