"""Whether trials can be: that they compose, that their data and executor are there. Before anything is written."""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import compose, suggestion
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.config.usage_errors import explain
from lungseg.core.errors import MissingValueError, UnknownKeyError, UsageError, UserError
from lungseg.core.run_directory import open_run
from lungseg.core.shell_commands import shell_command
from lungseg.data.build import build_cases, build_splits
from lungseg.models.hub import locate
from lungseg.sweep.spec.settings import SMALLER, Objective
from lungseg.sweep.spec.trial import Trial

log = logging.getLogger("lungseg")

NEEDS = {"slurm": "submitit", "ray": "ray"}


def require_executor(kind: str) -> None:
    """What it needs is looked for and not imported."""
    module = NEEDS.get(kind)
    if module is not None and find_spec(module) is None:
        raise UserError(f"executor={kind}: needs {module}; install it: uv pip install 'lungseg[{kind}]'")
    if kind == "slurm" and shutil.which("sbatch") is None:
        raise UserError("executor=slurm: there is no sbatch here; run it where SLURM's commands are")


class Checker:
    """Of the trials of one study; each data set is looked at once."""

    def __init__(self, file: Path, size: str, executor: str) -> None:
        self.file, self.size, self.executor = file, size, executor
        self._seen: set[str] = set()

    def encoder_of(self, trial: Trial, objectives: Sequence[Objective] = ()) -> str | None:
        """The encoder whose published weights the trial starts from, None where it needs none.

        What does not compose, or can never be trained with, is refused with the trial's name and the key; so is an
        objective that nothing measures.
        """
        GlobalHydra.instance().clear()
        words = trial.parts[0].words
        try:
            config = train_config(words)
            for one in objectives:
                _require_measured(one.name, config)
            self._require_trainable(config)
            weights, how = config.model.weights, config.data.preprocessing
            if weights is not None and not _is_of_a_step(weights, trial):
                locate(weights)
            for key, lungs in (("data.crop", how.crop), ("data.gate", how.gate)):
                if lungs is not None and not _is_of_a_step(lungs, trial):
                    self._require_run(key, lungs)
        except MissingValueError as error:
            raise UsageError(_needed(error, words, self.file, self.size)) from None
        except (HydraException, OmegaConfBaseException) as error:
            told = explain(error, "train", words, several="make them an axis of grid")
            said = f"{self.file}: trial {trial.name}: {told}"
            raise (UnknownKeyError(said, told.key) if isinstance(told, UnknownKeyError) else UsageError(said)) from None
        except UsageError as error:
            raise UsageError(f"{self.file}: trial {trial.name}: {error}") from None
        except UserError as error:
            raise UserError(f"{self.file}: trial {trial.name}: {error}") from None
        return config.model.encoder if config.pretrained and weights is None else None

    def _require_run(self, key: str, path: str) -> None:
        """Looks for a run directory here; where trials run on other machines those alone may see it."""
        if self.executor == "local" or Path(path).exists():
            open_run(path, key)

    def _require_trainable(self, config: TrainConfig) -> None:
        """As far as that is known without a net and without reading an image."""
        source = config.data.source
        name = json.dumps([asdict(source), asdict(config.data.split)], sort_keys=True, default=str)
        if name in self._seen:
            return
        self._seen.add(name)
        if self.executor != "local" and source.root is not None and not Path(source.root).exists():
            log.info("data.root=%s: there is no such folder here; all is well if the machines of %s see it",
                     source.root, self.executor)  # fmt: skip
        else:
            build_splits(build_cases(source), config.data.without_leak_search())


def _is_of_a_step(path: str, trial: Trial) -> bool:
    """Tells the run directory of a step before, which may not be there yet."""
    return any(Path(path) == part.run_dir.parent / need for part in trial.parts for need in trial.needs)


def _require_measured(name: str, config: TrainConfig) -> None:
    if name in SMALLER or name == config.monitor:
        return
    from lungseg.tasks.build import build_task

    known = [f"val/{one}" for one in build_task(config.task).measured()]
    if name not in known:
        listed = ", ".join([*known, *SMALLER[:2]])
        raise UserError(
            f"objective={name}: nothing of that name is measured{suggestion(name, known)}; there are {listed}"
        )


def _needed(missing: MissingValueError, words: Sequence[str], file: Path, size: str) -> str:
    """What to say of a key that has no value; of the data's place, how to come by the data or do without."""
    if missing.key != "data.root":
        return str(missing)
    name = compose(list(words)).data.name
    command = shell_command("lungseg", "sweep", file, plain={"size": "small"})
    small = "" if size == "small" else f"; or try the study on built-in data: {command}"
    return (
        f"data.root: a value is needed, the folder of {name}; add data.root=FOLDER "
        f"(how to get it: lungseg data get {name} into=FOLDER){small}"
    )
