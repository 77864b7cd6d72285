"""Runs the command ``lungseg``."""

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lungseg import __version__
from lungseg.cli.completion import candidates, script
from lungseg.cli.help_text import COMMANDS, help_of
from lungseg.cli.key_value import values_of, with_out_as
from lungseg.core import exit_codes
from lungseg.core.config.command_line import data_config, task_config
from lungseg.core.config.compose import options, suggestion
from lungseg.core.config.usage_errors import explain
from lungseg.core.errors import UsageError, UserError
from lungseg.core.programs import called_as
from lungseg.core.security.printable_text import SafeFormatter, print_error
from lungseg.core.security.trusted_code import trusting
from lungseg.core.shell_commands import hydra_value

HELP = {"-h", "--help"}
OUT = {"check": "checks", "audit": "audits", "split": "splits"}


def main(words: Sequence[str] | None = None) -> None:
    """The console script; errors are one line, exit code 1 (2 for usage)."""
    given = list(sys.argv[1:] if words is None else words)
    if given[:1] in (["train"], ["evaluate"]):
        _program(given[0], given[1:])
        return
    _to_screen()
    try:
        code = _run(given)
    except UserError as error:
        print_error(error)
        code = error.exit_code
    except (HydraException, OmegaConfBaseException) as error:
        chosen = [f"data={given[2]}"] if given[0] == "data" else []
        print_error(explain(error, "train", chosen))
        code = exit_codes.USAGE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = exit_codes.of_signal(signal.SIGINT)
    raise SystemExit(code)


def _run(words: Sequence[str]) -> int:
    """Does what the words say; each command imports what it needs."""
    if words[:1] == ["complete"]:
        print("\n".join(candidates(" ".join(words[1:]))))
        return exit_codes.DONE
    if not words or HELP & {*words}:
        print(help_of(list(words)))
        return exit_codes.DONE if words else exit_codes.USAGE
    if words[0] == "--version":
        print(f"lungseg {__version__}")
        return exit_codes.DONE
    group, rest = words[0], list(words[1:])
    if group == "data":
        return _data(rest)
    if group == "sweep":
        return _sweep(with_out_as("out", rest))
    if group == "compare":
        plain = [word for word in rest if word != "--wandb"]
        return _compare(_no_flags(with_out_as("out", plain)), "--wandb" in rest)
    if group == "completion":
        print(script(rest[0] if rest else ""), end="")
        return exit_codes.DONE
    known = list(dict.fromkeys(one.name.split()[0] for one in COMMANDS))
    raise UsageError(f"{group}: no such command; there are {', '.join(known)}{suggestion(group, known)}")


def _program(name: str, words: Sequence[str]) -> None:
    """Runs ``train.py`` or ``evaluate.py``, and has it named by the command that was typed."""
    try:
        sys.argv[1:] = with_out_as("run_dir" if name == "train" else "out", words, hydra_value)
    except UsageError as error:
        print_error(error)
        raise SystemExit(error.exit_code) from None
    called_as(["lungseg", name])
    if name == "train":
        from lungseg.cli import train as program
    else:
        from lungseg.cli import evaluate as program  # type: ignore[no-redef]
    program.main()


def _no_flags(words: Sequence[str]) -> Sequence[str]:
    for word in (word for word in words if word.startswith("-")):
        raise UsageError(f"{word}: no such flag; keys are KEY=VALUE, and --help lists them")
    return words


def _data(words: Sequence[str]) -> int:
    command, name = [*words, "", ""][:2]
    commands = ["get", *OUT]
    if command not in commands:
        found = f"data: invalid choice: {command!r}" if command else "data: a command is needed"
        raise UsageError(f"{found}; expected one of {', '.join(commands)}{suggestion(command, commands)}")
    known = options("data")
    if not name:
        raise UsageError(f"data {command}: which data set? one of {', '.join(known)}")
    if name not in known:
        raise UsageError(f"{name}: no such data set; there are {', '.join(known)}{suggestion(name, known)}")
    values = values_of(with_out_as("into" if command == "get" else "out", words[2:]), "root=FOLDER")
    if command == "get":
        from lungseg.data.download.kaggle import get

        into = Path(values.pop("into", name))
        if values:
            raise UsageError(f"{next(iter(values))}: data get takes only into=FOLDER")
        differences = get(name, into)
        return int(bool(differences))
    out = Path(values.pop("hydra.run.dir", values.pop("out", f"{OUT[command]}/{name}")))
    GlobalHydra.instance().clear()
    overrides = [f"{_full(key)}={value}" for key, value in values.items()]
    words = [f"data={name}", *overrides]
    data = data_config(words)
    if command == "check":
        from lungseg.cli.data_check import check
        from lungseg.tasks.regions import regions_of

        return check(data, out, list(regions_of(task_config(words).options).names) if "task" in values else None)
    if command == "audit":
        from lungseg.cli.data_audit import audit

        return audit(data, out)
    from lungseg.cli.data_split import split

    return split(data, out)


def _sweep(words: Sequence[str]) -> int:
    """Works through a study, or does something with one that was begun, trusting what trust= names."""
    trusted = [word.removeprefix("trust=") for word in words if word.startswith("trust=")]
    rest = _no_flags([word for word in words if not word.startswith("trust=")])
    with trusting(",".join(word.strip("[]") for word in trusted)):
        return _sweep_trusted(rest[0] if rest else None, rest[1:])


def _sweep_trusted(study: str | None, words: Sequence[str]) -> int:
    from lungseg.cli.sweep import join, retrain, status, sweep

    if study is None:
        raise UsageError("sweep: which study? for example lungseg sweep sweeps/losses.yaml size=small")
    if study == "status":
        return status([Path(word) for word in words])
    if study in ("join", "retrain"):
        key, example = ("slots", "slots=2") if study == "join" else ("seeds", "seeds=3")
        if not words or ("=" in words[0] and not Path(words[0]).exists()):
            raise UsageError(
                f"{study}: the folder of a study is needed, for example lungseg sweep {study} studies/mine"
            )
        values = values_of(words[1:], example)
        count = _whole(key, values.pop(key, "auto" if study == "join" else "3"), 1 if study == "join" else 2)
        settings = {} if study == "join" else {key: value for key, value in values.items() if _is_setting(key)}
        for other in values.keys() - settings.keys():
            raise UsageError(f"{other}: sweep {study} takes only {key}=")
        if study == "join":
            return join(Path(words[0]), count)
        return retrain(Path(words[0]), int(count), settings)
    values = values_of(words, "size=small")
    out = values.pop("out", None)
    return sweep(Path(study), values.pop("size", "full"), values, Path(out) if out else None)


def _is_setting(key: str) -> bool:
    """Returns whether a key says where trials run, which a retraining may be told anew."""
    return key.split(".")[0] in ("executor", "slots", "workers", "slurm", "ray", "resources")


def _whole(key: str, value: str, least: int) -> int | str:
    if not (value == "auto" and least == 1) and not (value.isdigit() and int(value) >= least):
        raise UsageError(f"{key}={value}: expected a whole number, at least {least}")
    return value if value == "auto" else int(value)


def _compare(words: Sequence[str], wandb: bool) -> int:
    from lungseg.cli.compare import compare_words

    return compare_words(words, wandb)


def _full(key: str) -> str:
    """A key of the data set in full; a task and Hydra's own as they are."""
    return key if key == "task" or key.startswith(("data.", "hydra.")) else f"data.{key}"


def _to_screen() -> None:
    log = logging.getLogger("lungseg")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(SafeFormatter("%(message)s"))
    log.handlers = [handler]


if __name__ == "__main__":
    main()
