"""A run that goes on: with its own config, on its own data."""

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from lungseg.core.config.compose import changed
from lungseg.core.errors import UsageError, UserError
from lungseg.core.file_hashes import require_as_written
from lungseg.core.manifest import data_fingerprint
from lungseg.core.run_directory import Run
from lungseg.core.security.saved_config import tell_paths
from lungseg.core.shell_commands import evaluate_command

MAY_CHANGE = ("data.root", "data.workers", "data.pack")  # where data lies and how it is loaded


def with_settable_keys(words: Sequence[str]) -> list[str]:
    """Returns a command line whose words for the data of a run that goes on are taken as typed.

    Hydra composes the default data, which may lack a key that the run's own data have.
    """
    resumes = any(word.lstrip("+").startswith("resume=") for word in words)
    return [f"++{word}" if resumes and word.partition("=")[0] in MAY_CHANGE else word for word in words]


def saved_config(run: Run, overrides: Sequence[str]) -> DictConfig:
    """The run's own config; of ``overrides`` only those of ``MAY_CHANGE`` are taken, others refused."""
    cfg = run.config()
    require_as_written(run.path)
    if run.manifest().get("status") == "finished":
        raise UserError(
            f"resume={run.path}: this run is finished; start a new run to train longer, or judge it again by: "
            f"{evaluate_command(run.path)}"
        )
    given = [override.lstrip("+").partition("=")[0] for override in overrides]
    tell_paths(cfg, [key for key in ("data.root", "model.weights") if key not in given], run.config_file)
    changes = {}
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key in MAY_CHANGE:
            changes[key] = OmegaConf.create(f"value: {value}").value
        elif key not in ("resume", "trust", "traceback"):
            raise UsageError(
                f"{key}: a resumed run keeps its own config; with resume= only {', '.join(MAY_CHANGE)} may be given; "
                "start a new run to change anything else"
            )
    return changed(cfg, changes)


def require_same_data(run: Run, found: str) -> None:
    """``found`` is the fingerprint of the data as it is now."""
    saved = data_fingerprint(run.manifest(), run.manifest_file)
    if found != saved:
        raise UserError(
            f"resume={run.path}: the data is not what the run began with (fingerprint {found}, expected {saved}); "
            "bring back the files as they were, or start a new run"
        )
