"""Says with what smaller batch a trial that ran out of memory is tried again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.core.security.safe_yaml import shown
from lungseg.sweep.spec.schema import Overrides


def shrunk_words(noted: Mapping[str, Any]) -> Overrides | None:
    """Returns what a smaller batch set in an earlier attempt, as the storage has it; anything else there is refused."""
    words = noted.get("shrunk")
    if words is None:
        return None
    known = {"data.batch_size", "trainer.accumulate_grad_batches"}
    if (
        not isinstance(words, dict)
        or set(words) != known
        or not all(str(value).isdecimal() for value in words.values())
    ):
        raise UserError(f"the study's storage says shrunk={shown(words)}, which no sweep has written; do not use it")
    return {key: str(value) for key, value in words.items()}


def smaller(run_dir: Path, noted: Mapping[str, Any]) -> Overrides | None:
    """Half the batch, with twice the gradients added up; None where that was done before, or the batch is one."""
    run = Run(run_dir)
    if noted.get("shrunk") or not run.config_file.is_file():
        return None
    config = run.saved_values()
    batch = config.get("data", {}).get("batch_size")
    added = config.get("trainer", {}).get("accumulate_grad_batches", 1)
    if not isinstance(batch, int) or not isinstance(added, int) or batch < 2:
        return None
    return {"data.batch_size": str(batch // 2), "trainer.accumulate_grad_batches": str(added * 2)}
