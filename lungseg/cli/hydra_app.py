"""A program from its command line to its exit code: 1 on a user's error, 2 on a command that cannot be understood."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lungseg.core import exit_codes, rank_environment
from lungseg.core.config.command_line import require_complete
from lungseg.core.config.compose import CONF, require_groups
from lungseg.core.config.usage_errors import explain
from lungseg.core.errors import Stopped, UsageError, UserError
from lungseg.core.parent_death import FAILURE_WANTED
from lungseg.core.security.printable_text import one_line, print_error
from lungseg.core.signals import CTRL_C

SUBMITIT = "SUBMITIT_EXECUTOR"  # in the environment of its jobs
HYDRAS_FOLDER = "hydra.run.dir"
HYDRAS_FOLDERS_OF_A_GRID = ("hydra.sweep.dir", "hydra.sweep.subdir")
NOT_OF_A_GRID = ("--cfg", "-c", "--run", "-r", "--info", "-i", "--shell-completion", "-sc")
FOLDER = {"train": "run_dir", "evaluate": "out"}  # the key that says where a program writes


def main(job: Callable[[DictConfig], Any], config_name: str) -> None:
    """Run ``job`` on the composed config; exit 1 on a user's error, 2 on a command that cannot be understood.

    In a grid (``-m``) a run that fails is reported and the next one starts; the exit code is 3 at the end, or 1 where
    none is done.
    """
    CTRL_C.install()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors over and does not print them itself
    arguments = _grid_first(sys.argv[1:])
    with _one_line_errors(config_name, arguments):
        _require_no_grid_of(arguments)
        sys.argv[1:] = arguments = _with_our_folder(arguments, FOLDER[config_name])
        require_groups([word for word in arguments if not word.startswith("-")], config_name)
    failures: list[str] = []
    done: list[str] = []

    def guarded(config: DictConfig) -> None:
        grid = HydraConfig.get().mode == RunMode.MULTIRUN
        words: Any = OmegaConf.to_container(
            HydraConfig.get().overrides.task
        )  # unresolved: what leads nowhere is told below
        name = " ".join(words)
        if SUBMITIT in os.environ:
            _elsewhere(job, config)
            return
        if grid:
            print(f"\n== run {HydraConfig.get().job.num + 1} of the grid: {one_line(name)}", flush=True)
        with _one_line_errors(config_name, arguments):
            require_complete(config)
            try:
                job(config)
            except UserError as error:
                if not grid or error.exit_code != exit_codes.MENDABLE:
                    raise
                print_error(error)
                failures.append(name)
                return
        done.append(name)

    with _one_line_errors(config_name, arguments):
        hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")(guarded)()
    if failures:
        print_error(f"{len(failures)} of the runs failed, as said above: {'; '.join(failures)}")
        raise SystemExit(exit_codes.PARTLY_DONE if done else exit_codes.MENDABLE)


def _elsewhere(job: Callable[[DictConfig], Any], config: DictConfig) -> None:
    """In a job that submitit has started: only an exception finds its way back to the one who waits for the grid."""
    try:
        job(config)
    except Stopped as error:
        print_error(error)
        raise SystemExit(error.exit_code) from None
    except UserError as error:
        print_error(error)
        raise UserError(str(error)) from None  # Hydra says which run it was
    except SystemExit as error:  # a rank that is not the first: rank zero says what failed
        if int(error.code or 0) > 128:
            raise


def _grid_first(arguments: Sequence[str]) -> list[str]:
    """``-m`` before the overrides, where Hydra wants it, wherever it was written."""
    grid = [word for word in arguments if word in ("-m", "--multirun")]
    return grid[:1] + [word for word in arguments if word not in ("-m", "--multirun")]


def _with_our_folder(arguments: Sequence[str], ours: str) -> list[str]:
    """Hydra's own key for a run's folder, which its users type, becomes the key that means it here."""
    keys = [word.lstrip("+").partition("=")[0] for word in arguments]
    if HYDRAS_FOLDER in keys and ours in keys:
        raise UsageError(f"{HYDRAS_FOLDER}: means the same as {ours}=, which is given, too; leave one out")
    return [
        f"{ours}={word.partition('=')[2]}" if key == HYDRAS_FOLDER and "=" in word else word
        for word, key in zip(arguments, keys, strict=True)
    ]


def _require_no_grid_of(arguments: Sequence[str]) -> None:
    """Refuses what means nothing with ``-m``."""
    if not {"-m", "--multirun"} & {*arguments}:
        return
    for word in arguments:
        flag = word.partition("=")[0]
        if flag in NOT_OF_A_GRID:
            raise UsageError(f"{flag} with -m: shows or does one thing alone; leave -m out, and choose one value a key")
        key = word.lstrip("+").partition("=")[0]
        if key in HYDRAS_FOLDERS_OF_A_GRID:
            raise UsageError(
                f"{key}: the runs of a grid each make a directory of their own in runs/; leave it out, or write the "
                "grid as a study: lungseg sweep STUDY.yaml out=FOLDER"
            )


@contextlib.contextmanager
def _one_line_errors(config_name: str, arguments: list[str]) -> Iterator[None]:
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException) as error:
        told = error if isinstance(error, UserError) else explain(error, config_name, arguments)
        _report(told)
        if "traceback=true" in [argument.lower() for argument in arguments]:
            raise
        if rank_environment.place().rank > 0 and not isinstance(error, Stopped):
            raise SystemExit(told.exit_code) from None  # rank zero says it: the command is the same
        print_error(told)
        raise SystemExit(told.exit_code) from None
    except Exception as error:
        _report(error)
        if not type(error).__module__.startswith("submitit") or "traceback=true" in arguments:
            raise
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        print_error(f"a job of the grid ended without a result: {lines[0]}")
        raise SystemExit(exit_codes.MENDABLE) from None
    except KeyboardInterrupt as error:
        _report(error)
        print("stopped", file=sys.stderr)
        raise SystemExit(exit_codes.of_signal(signal.SIGINT)) from None


def _report(error: BaseException) -> None:
    """To the program that started this one, if it wants to know."""
    if FAILURE_WANTED in os.environ:
        from lungseg.core.failure_file import report_failure

        report_failure(error)
