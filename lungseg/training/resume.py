"""A run that goes on: with its own config, on its own data."""

from collections.abc import Sequence
from dataclasses import replace

from lungseg.core.config.data_config import DataConfig
from lungseg.core.config.train_config import TrainConfig
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


def saved_config(run: Run, given: TrainConfig, words: Sequence[str]) -> TrainConfig:
    """The run's own config; ``given`` was parsed from the ``words``, of which only ``MAY_CHANGE`` is taken."""
    cfg = run.config()
    require_as_written(run.path)
    if run.manifest().get("status") == "finished":
        raise UserError(
            f"resume={run.path}: this run is finished; start a new run to train longer, or judge it again by: "
            f"{evaluate_command(run.path)}"
        )
    keys = [word.lstrip("+").partition("=")[0] for word in words]
    for key in keys:
        if key not in (*MAY_CHANGE, "resume", "trust", "traceback"):
            raise UsageError(
                f"{key}: a resumed run keeps its own config; with resume= only {', '.join(MAY_CHANGE)} may be given; "
                "start a new run to change anything else"
            )
    saved = {"data.root": cfg.data.source.root, "model.weights": cfg.model.weights}
    tell_paths({key: path for key, path in saved.items() if key not in keys}, run.config_file)
    new = given.data.to_dict()
    changes = {name: new[name] for key in keys if key in MAY_CHANGE for name in [key.removeprefix("data.")]}
    return replace(cfg, data=DataConfig.of({**cfg.data.to_dict(), **changes}))


def require_same_data(run: Run, found: str) -> None:
    """``found`` is the fingerprint of the data as it is now."""
    saved = data_fingerprint(run.manifest(), run.manifest_file)
    if found != saved:
        raise UserError(
            f"resume={run.path}: the data is not what the run began with (fingerprint {found}, expected {saved}); "
            "bring back the files as they were, or start a new run"
        )
