"""Refuses what a study's file may not say: code to run, the reader's environment, commands for a cluster's shell."""

import contextlib
import re
import sqlite3
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lungseg.core.config.compose import CONF, options, suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.core.security.safe_yaml import shown
from lungseg.core.security.saved_config import own_modules, require_known_code, require_plain
from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.settings import KEYS as SETTINGS

KEY = re.compile(r"[+~]{0,2}[A-Za-z_]\w*(\.\w+)*", re.ASCII)
COMMAND_LINE = "say it on the command line, if you mean it"
SLURM = (  # sbatch's options that choose machines, time and names, and nothing that a shell would run
    *("mode", "name", "partition", "time", "timeout_min", "mem", "mem_gb", "mem_per_cpu", "mem_per_gpu", "account"),
    *("cpus_per_task", "cpus_per_gpu", "gpus_per_node", "gpus_per_task", "gres", "gpus", "qos", "constraint"),
    *("reservation", "nodelist", "exclude", "nodes", "ntasks_per_node", "exclusive", "comment", "nice", "licenses"),
    *("array_parallelism", "signal_delay_s", "stderr_to_stdout", "begin", "deadline", "clusters", "requeue", "cluster"),
)
PLAIN = re.compile(r"[\w.,:@%+=/*() -]*")  # of a value for sbatch: one line, nothing that a shell takes apart
RAY = ("auto", "local")  # any other cluster sends objects that are unpickled here
OF_COMMANDS = ("trust", "out", "size", "run_dir", "resume")  # said to lungseg sweep or by it, never by a file
DATABASES = re.compile(r"(sqlite|postgresql(\+\w+)?|mysql(\+\w+)?)://")


def require_safe_words(words: Overrides, typed: Collection[str], said: str, trial: str = "") -> None:
    """Refuses overrides for train.py that a stranger may have written; the keys of ``typed`` were said by the user."""
    for key, value in words.items():
        if key in typed:
            continue
        name = key.lstrip("+~")
        if name.isidentifier() and (CONF / name).is_dir() and name != "hydra":
            _require_option(name, value, f"{said}: trial {trial}" if trial else said)
        else:
            _require_safe_word(key, value, said)


@cache
def _require_safe_word(key: str, value: str, said: str) -> None:
    """Checks each word once: the trials of a grid share most of them."""
    if not KEY.fullmatch(key):
        raise UserError(f"{said}: {shown(key)} is no key of train.py; take it out")
    place = tuple(key.lstrip("+~").split("."))
    if place[0] == "hydra":
        raise UserError(f"{said}: {key}: a study's file does not configure Hydra; {COMMAND_LINE}")
    if place[0] in OF_COMMANDS:
        raise UserError(f"{said}: {key}: is not said by a study's file; take it out")
    content = word_value(key, value, said)
    require_plain(content, said, place)
    require_known_code(content, said, place)


def _require_option(group: str, value: str, said: str) -> None:
    """Refuses what conf/ does not hold: Hydra would read any YAML file of this machine by its path."""
    known = options(group)
    for name in (name.strip("\"' ") for name in value.strip("[]").split(",")):
        if name not in known and not (name == "null" and group == "experiment"):
            hint = suggestion(name, known)
            raise UsageError(f"{said}: {group}={shown(name)}: no such option; expected one of {', '.join(known)}{hint}")


def require_axes(axes: Collection[str], file: Path) -> None:
    """Refuses axes of a grid whose choice on the command line would be read as something else."""
    for axis in axes:
        if axis.lstrip("+~").split(".")[0] in ("trust", "run_dir", "resume", "hydra"):
            raise UserError(f"{file}: grid.{shown(axis)}: an axis cannot be called so; rename it")


def word_value(key: str, value: str, said: str) -> Any:
    """Returns the plain value of an override, as Hydra's own parser reads it."""
    try:
        override = OverridesParser.create().parse_override(f"{key.lstrip('+~')}={value}")
    except HydraException:
        raise UserError(f"{said}: {key}: the value {shown(value)} cannot be read; put it into quotes") from None
    if override.is_sweep_override():
        raise UserError(f"{said}: {key}={shown(value)}: several values; make them an axis of grid")
    return plain_value(override.value())


def plain_value(value: Any) -> Any:
    """Returns Hydra's quoted strings as strings."""
    if isinstance(value, list):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        return {str(plain_value(key)): plain_value(item) for key, item in value.items()}
    return getattr(value, "text", value)


def typed_modules(given: Overrides) -> list[str]:
    """Returns the modules of the user's own code that a command line names."""
    modules: list[str] = []
    for key, value in given.items():
        if "_target_" in key or "arch" in key or "_target_" in value:
            modules += own_modules(word_value(key, value, "the command line"), tuple(key.lstrip("+~").split(".")))
    return list(dict.fromkeys(modules))


def require_safe_settings(settings: Mapping[str, Any], typed: Collection[str], said: str) -> None:
    """Refuses what would run commands on a cluster, or take objects from a place that the file chooses."""
    for key, value in _mapping(settings.get("slurm")).items():
        if f"slurm.{key}" in typed or "slurm" in typed:
            continue
        if key not in SLURM:
            hint = suggestion(str(key), list(SLURM))
            raise UserError(f"{said}slurm.{shown(key)}: is not taken from a study's file; {COMMAND_LINE}{hint}")
        if not isinstance(value, str | int | float | bool | None) or not PLAIN.fullmatch(str(value)):
            raise UserError(f"{said}slurm.{key} is {shown(value)}; expected one plain word; {COMMAND_LINE}")
    for key, value in _mapping(settings.get("ray")).items():
        if f"ray.{key}" not in typed and "ray" not in typed and value not in RAY:
            raise UserError(f"{said}ray.{shown(key)} is {shown(value)}; expected {' or '.join(RAY)}; {COMMAND_LINE}")


def require_safe_storage(url: str, said: str, study: str | None = None) -> None:
    """Refuses a database that a file names and that would be made elsewhere, or take options from it.

    SQLite's file lies below the folder of now, or holds ``study`` already; the others are servers, which are named.
    """
    if not DATABASES.match(url) or "?" in url:
        raise UserError(f"{said}storage is {shown(url)}; expected sqlite, postgresql or mysql; {COMMAND_LINE}")
    if not url.startswith("sqlite"):
        return
    path = Path(url.partition("://")[2].removeprefix("/"))
    if not path.resolve().is_relative_to(Path.cwd().resolve()) and not (study and _holds_study(path, study)):
        raise UserError(f"{said}storage is {shown(url)}, a file elsewhere; expected sqlite:///FILE; {COMMAND_LINE}")


def _holds_study(path: Path, study: str) -> bool:
    """Returns whether a database is there and has the study; it is opened for reading alone."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return bool(database.execute("select 1 from studies where study_name = ?", (study,)).fetchone())
    except sqlite3.Error:
        return False


def require_safe_given(given: Overrides, typed: frozenset[str], file: Path) -> None:
    """Checks settings that a study's record calls typed, and that were not typed here."""
    nested: dict[str, Any] = {}
    for key, value in ((key, value) for key, value in given.items() if key not in typed):
        first, _, rest = key.partition(".")
        if first not in SETTINGS:
            continue
        content = word_value(key, value, str(file))
        if rest:
            nested.setdefault(first, {})[rest] = content
        else:
            nested[first] = content
    require_safe_settings(nested, typed, f"{file}: ")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
