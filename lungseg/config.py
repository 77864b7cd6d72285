"""From the command line to a config that is known to be right. Nothing heavy is imported here."""

import contextlib
import difflib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lungseg.errors import UsageError, UserError

CONF = Path(__file__).resolve().parents[1] / "conf"


@dataclass
class TrainConfig:
    """The top-level keys of train.py. A group's own keys are in its YAML."""

    task: Any = MISSING
    data: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    optim: Any = MISSING
    schedule: Any = MISSING
    augment: Any = MISSING
    trainer: Any = MISSING
    logger: Any = MISSING
    pretrained: bool = False  # the encoder starts from published weights
    freeze_encoder: bool = False  # the encoder, its batch norms too, stays as it is
    seed: int = 0
    monitor: str = "val/dice"  # picks the best weights; larger is better
    ema: float | None = None  # decay of a running average of the weights, e.g. 0.999
    patience: int | None = None  # stop after so many epochs without a better monitor
    resume: str | None = None  # go on with this run directory
    run_dir: str | None = None  # default: runs/<time>-<task>-<model>-<arm>
    traceback: bool = False  # show where in the code an error arose


@dataclass
class EvaluateConfig:
    """The top-level keys of evaluate.py."""

    run: str = MISSING
    data: Any = None
    split: str | None = None  # default: test, or all cases of another data set
    threshold: float = 0.5
    tta: str = "none"
    batch_size: int | None = None  # default: the run's
    accelerator: str = "auto"
    out: str | None = None  # default: <run>/evaluation/<data>-<split>
    traceback: bool = False


ConfigStore.instance().store("train_schema", TrainConfig)
ConfigStore.instance().store("evaluate_schema", EvaluateConfig)
OmegaConf.register_new_resolver("options", lambda group: ", ".join(options(group)), replace=True)


def compose(overrides: list[str], config_name: str = "train") -> DictConfig:
    """Compose as the programs do, for notebooks and tests."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(config_name, overrides)


def main(job: Callable[[DictConfig], Any], config_name: str) -> None:
    """Run ``job`` on the composed config; exit 1 on a user's error, 2 on a command that cannot be understood.

    In a grid (``-m``) a run that fails is reported and the next one starts; the exit code is 1 at the end.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors over and does not print them itself
    sys.argv[1:] = arguments = _grid_first(sys.argv[1:])
    failures: list[str] = []

    def guarded(config: DictConfig) -> None:
        grid = HydraConfig.get().mode == RunMode.MULTIRUN
        name = " ".join(HydraConfig.get().overrides.task)
        if grid:
            print(f"\n== run {HydraConfig.get().job.num + 1} of the grid: {name}", flush=True)
        with _one_line_errors(config_name, arguments):
            for key in sorted(OmegaConf.missing_keys(config)):
                raise UsageError(f"{key}: a value is needed; add {key}=...")
            try:
                job(config)
            except UserError as error:
                if not grid or error.exit_code != 1:
                    raise
                print(f"error: {error}", file=sys.stderr, flush=True)
                failures.append(name)

    with _one_line_errors(config_name, arguments):
        hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")(guarded)()
    if failures:
        print(f"error: {len(failures)} of the runs failed, as said above: {'; '.join(failures)}", file=sys.stderr)
        raise SystemExit(1)


def _grid_first(arguments: Sequence[str]) -> list[str]:
    """``-m`` before the overrides, where Hydra wants it, wherever it was written."""
    grid = [word for word in arguments if word in ("-m", "--multirun")]
    return grid[:1] + [word for word in arguments if word not in ("-m", "--multirun")]


@contextlib.contextmanager
def _one_line_errors(config_name: str, arguments: list[str]) -> Iterator[None]:
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if "traceback=true" in [argument.lower() for argument in arguments]:
            raise
        usage = not isinstance(error, UserError)
        from lungseg.usage import explain

        print(f"error: {explain(error, config_name, arguments) if usage else error}", file=sys.stderr)
        raise SystemExit(getattr(error, "exit_code", 2)) from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


def options(group: str) -> list[str]:
    """The names that ``group=`` takes."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def suggestion(name: str, known: list[str]) -> str:
    """The nearest known name, as a question to append to an error; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
