"""``lungseg data ...``: everything beside training and judging."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lungseg.config import compose, options, suggestion
from lungseg.errors import UsageError, UserError
from lungseg.usage import explain

HELP = """\
  lungseg data get <name> into=FOLDER             licence, download, checks; or the steps by hand
  lungseg data check <name> root=FOLDER           what it holds, and what of it would harm a training
  lungseg data audit <name> root=FOLDER           twins across splits, classes that are told by the frame or the file
  lungseg data split <name> root=FOLDER folds=5   splits without a patient on two sides, as files

Names: {names}.  Any key of conf/data/<name>.yaml and of data in conf/train.yaml can follow as key=value, task=... too;
out=FOLDER says where tables and pictures go (checks/<name>, audits/<name>, splits/<name>)."""

OUT = {"check": "checks", "audit": "audits", "split": "splits"}


def main(words: Sequence[str] | None = None) -> None:
    """The console script; errors are one line, exit code 1 (2 for usage)."""
    words = list(sys.argv[1:] if words is None else words)
    names = ", ".join(options("data"))
    parser = argparse.ArgumentParser(
        prog="lungseg",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="lungseg data COMMAND NAME [KEY=VALUE ...]",
        description=HELP.format(names=names),
    )
    parser.add_argument("group", choices=["data"], metavar="data")
    parser.add_argument("command", choices=["get", *OUT], metavar="COMMAND")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("keys", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args(words)
    _to_screen()
    try:
        code = _run(given.command, given.name, given.keys)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {explain(error, 'train', [f'data={given.name}'])}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    raise SystemExit(code)


def _run(command: str, name: str, keys: Sequence[str]) -> int:
    known = options("data")
    if name not in known:
        raise UsageError(f"{name}: no such data set; there are {', '.join(known)}{suggestion(name, known)}")
    values = {}
    for word in keys:
        key, sign, value = word.partition("=")
        if not sign:
            raise UsageError(f"{word}: expected KEY=VALUE, for example root=FOLDER")
        values[key] = value
    if command == "get":
        from lungseg.data.download import get

        into = Path(values.pop("into", name))
        if values:
            raise UsageError(f"{next(iter(values))}: data get takes only into=FOLDER")
        differences = get(name, into)
        return int(bool(differences))
    out = Path(values.pop("out", f"{OUT[command]}/{name}"))
    GlobalHydra.instance().clear()
    overrides = [f"{_full(key)}={value}" for key, value in values.items()]
    config = compose([f"data={name}", *overrides])
    for key in sorted(OmegaConf.missing_keys(config.data)):
        raise UsageError(f"{key}: a value is needed; add {key}=...")
    if command == "check":
        from lungseg.commands.check import check

        return check(config.data, out)
    if command == "audit":
        from lungseg.commands.audit import audit

        return audit(config.data, out)
    from lungseg.commands.split import split

    return split(config.data, out)


def _full(key: str) -> str:
    """A key of the data set in full; a task and Hydra's own as they are."""
    return key if key == "task" or key.startswith(("data.", "hydra.")) else f"data.{key}"


def _to_screen() -> None:
    log = logging.getLogger("lungseg")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stdout)]


if __name__ == "__main__":
    main()
