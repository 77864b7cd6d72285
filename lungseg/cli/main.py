"""``lungseg data``, ``lungseg sweep``, ``lungseg compare``: everything beside training and judging one run."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lungseg.core.config.compose import compose, options, plain, studies, suggestion
from lungseg.core.config.usage_errors import explain
from lungseg.core.config.validation import require_data
from lungseg.core.errors import UsageError, UserError
from lungseg.core.security.printable_text import SafeFormatter, print_error
from lungseg.core.security.trusted_code import trusting

HELP = """\
  lungseg data get <name> into=FOLDER             licence, download, checks; or the steps by hand
  lungseg data check <name> root=FOLDER           what it holds, and what of it would harm a training
  lungseg data audit <name> root=FOLDER           twins across splits, classes that are told by the frame or the file
  lungseg data split <name> root=FOLDER folds=5   splits without a patient on two sides, as files
  lungseg compare <runs or folders of runs>       which is better, and how surely: tables, figures and a page
  lungseg sweep sweeps/<study>.yaml               the trials of a study, what was stopped goes on; then the comparison
  lungseg sweep status|join|retrain <study>       how far it is; help it, from any machine; its best with new seeds

data: names: {names}.  Any key of conf/data/<name>.yaml and of data in conf/train.yaml can follow as key=value,
task=... too; out=FOLDER says where tables and pictures go (checks/<name>, audits/<name>, splits/<name>).
compare: out=FOLDER (comparison), evaluation=NAME of the judgement (the own test), threshold=chosen|tuned,
weight=images|patients (the mean over all images, or over the patients' own means), common=true (only the cases that all
have), title=..., pictures=MB|all in the page; --wandb sends the table.
sweep: studies: {studies}.  size=small runs on built-in data in minutes. Any key of python train.py can follow, for all
trials; <axis>=<option>,<option> runs a part of the grid; out=FOLDER says where (studies/<study>-<size>)."""

SWEEP = """\
  lungseg sweep STUDY.yaml [size=SIZE] [out=FOLDER] [KEY=VALUE ...]   its trials, then the page that compares them
  lungseg sweep status [FOLDER ...]                                   how far studies are, from any shell
  lungseg sweep join FOLDER [slots=N]                                 help one, from any machine
  lungseg sweep retrain FOLDER [seeds=3]                              the best of a search, with new seeds

studies here: {studies}
KEY is an axis of a grid, of which a part is run (arm=scratch,frozen seed=0); a key of python train.py, for all trials;
or how the study is worked through: executor=local|slurm|ray, slots, workers, resources.gpus, resources.cpus, slurm.KEY,
ray.address, retries, shrink, storage, heartbeat, objective; of a search: budget.trials, budget.hours, sampler,
sampler_seed, pruner, seeds, folds, retrain. All of them, and what a study's YAML holds: docs/studies.md;
clusters: docs/cluster.md. trust=my_package.module: where the study names code of your own (or LUNGSEG_TRUST)."""

OUT = {"check": "checks", "audit": "audits", "split": "splits"}


def main(words: Sequence[str] | None = None) -> None:
    """The console script; errors are one line, exit code 1 (2 for usage)."""
    given = _parser().parse_args(_flags_last(sys.argv[1:] if words is None else words))
    _to_screen()
    try:
        code = given.run(given)
    except UserError as error:
        print_error(error)
        code = error.exit_code
    except (HydraException, OmegaConfBaseException) as error:
        chosen = [f"data={given.name}"] if given.group == "data" else []
        print_error(explain(error, "train", chosen))
        code = 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    raise SystemExit(code)


def _flags_last(words: Sequence[str]) -> list[str]:
    """So that a flag may stand between a command's words."""
    return sorted(words, key=lambda word: word == "--wandb")


def _parser() -> argparse.ArgumentParser:
    """One subparser for each group; what it parsed is handed to its ``run``."""
    there = ", ".join(studies()) or "your own YAML"
    about = HELP.format(names=", ".join(options("data")), studies=there)
    how: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "description": about}
    parser = argparse.ArgumentParser(prog="lungseg", usage="lungseg GROUP ... [KEY=VALUE ...]", **how)
    groups = parser.add_subparsers(dest="group", required=True, metavar="GROUP", help=argparse.SUPPRESS)
    data = groups.add_parser("data", usage="lungseg data COMMAND NAME [KEY=VALUE ...]", **how)
    data.add_argument("command", choices=["get", *OUT], metavar="COMMAND")
    data.add_argument("name", metavar="NAME")
    data.set_defaults(run=lambda given: _data(given.command, given.name, given.keys))
    how["description"] = SWEEP.format(studies=there)
    sweep = groups.add_parser("sweep", usage="lungseg sweep STUDY [size=SIZE] [KEY=VALUE ...]", **how)
    sweep.add_argument("study", metavar="STUDY", nargs="?")
    sweep.set_defaults(run=lambda given: _sweep(given.study, given.keys))
    how["description"] = about
    for group in (data, sweep):
        group.add_argument("keys", nargs="*", metavar="KEY=VALUE")
    compare = groups.add_parser("compare", usage="lungseg compare RUN [RUN ...] [KEY=VALUE ...] [--wandb]", **how)
    compare.add_argument("words", nargs="*", metavar="RUN")
    compare.add_argument("--wandb", action="store_true", help=argparse.SUPPRESS)
    compare.set_defaults(run=lambda given: _compare(given.words, given.wandb))
    return parser


def _data(command: str, name: str, keys: Sequence[str]) -> int:
    known = options("data")
    if name not in known:
        raise UsageError(f"{name}: no such data set; there are {', '.join(known)}{suggestion(name, known)}")
    values = _values(keys, "root=FOLDER")
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
    config = compose([f"data={name}", *overrides])
    for key in sorted(OmegaConf.missing_keys(config.data)):
        raise UsageError(f"{key}: a value is needed; add {key}=...")
    data = OmegaConf.create(require_data(plain(config)["data"]))
    if command == "check":
        from lungseg.cli.data_check import check

        return check(data, out, list(config.task.regions) if "task" in values else None)
    if command == "audit":
        from lungseg.cli.data_audit import audit

        return audit(data, out)
    from lungseg.cli.data_split import split

    return split(data, out)


def _sweep(study: str | None, words: Sequence[str]) -> int:
    """Works through a study, or does something with one that was begun, trusting what trust= names."""
    trusted = [word.removeprefix("trust=") for word in words if word.startswith("trust=")]
    with trusting(",".join(word.strip("[]") for word in trusted)):
        return _sweep_trusted(study, [word for word in words if not word.startswith("trust=")])


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
        values = _values(words[1:], example)
        count = _whole(key, values.pop(key, "auto" if study == "join" else "3"), 1 if study == "join" else 2)
        settings = {} if study == "join" else {key: value for key, value in values.items() if _is_setting(key)}
        for other in values.keys() - settings.keys():
            raise UsageError(f"{other}: sweep {study} takes only {key}=")
        if study == "join":
            return join(Path(words[0]), count)
        return retrain(Path(words[0]), int(count), settings)
    values = _values(words, "size=small")
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


def _values(words: Sequence[str], example: str) -> dict[str, str]:
    """KEY=VALUE, each key once."""
    values: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise UsageError(f"{word}: expected KEY=VALUE, for example {example}")
        if key in values:
            raise UsageError(f"{key}: given twice, {values[key]} and {value}; leave one out")
        if not value:
            raise UsageError(f"{key}=: a value is needed, or leave it out (nothing at all is {key}=null)")
        values[key] = value
    return values


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
