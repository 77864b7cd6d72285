"""What is wrong with a command line, in one line, with the nearest right name."""

import contextlib
import difflib
import re
from collections.abc import Iterator, Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lungseg.core.config.compose import CONF, compose, options, suggestion
from lungseg.core.errors import UnknownKeyError, UsageError
from lungseg.core.shell_commands import hydra_quoted, setting, shell_word

SEVERAL = "add -m to run a grid of them"
EXPECTED = {  # what OmegaConf says -> what it means
    r"could not be converted to Float": "expected a number",
    r"could not be converted to Integer": "expected a whole number",
    r"is not a valid bool": "expected true or false",
    r"is not Optional|Incompatible value 'None'": "a value is needed",
}


def explain(error: Exception, config_name: str, arguments: Sequence[str], several: str = SEVERAL) -> UsageError:
    """Turns an error of Hydra or OmegaConf into one line, with the nearest right name where a name was mistyped.

    Hydra has one class for many mistakes, so that its text must be read; this is the only place that does so.
    ``several``: what to do where a key has several values.
    """
    text = str(error).strip()
    if match := re.search(r"(?:Could not (?:override|append to config)|Multiple values for) '([^']+)'", text):
        key = match[1].split("@")[0]
        return UnknownKeyError(f"{key}: no such key or group{_nearest(key, keys_of(config_name, arguments))}", key)
    return UsageError(_explained(error, text, config_name, several))


def _explained(error: Exception, text: str, config_name: str, several: str) -> str:
    if isinstance(override := getattr(error, "override", None), str):
        return _unreadable(override)
    if match := re.search(r"Could not (?:load|find) '([\w/]+)/([^'/]+)'", text):
        group, option = match.groups()
        return f"{group}={option}: no such option{_nearest(option, options(group))}"
    if match := re.search(r"Ambiguous value for argument '([^']+)'", text):
        if config_name == "evaluate" and match[1].startswith("run="):
            brackets = setting("run", match[1].removeprefix("run=").split(","))
            return f"{match[1]}: several runs are an ensemble in brackets: {brackets}"
        return f"{match[1]}: several values; {several}, or quote the comma"
    if match := re.search(r"Error merging override (\S+)", text):
        return f"{match[1]}: {_expected(str(error.__cause__).splitlines()[0])}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    full_key = re.search(r"full_key: (\S+)", text)
    first = lines[0] if lines else type(error).__name__
    return f"{full_key[1]}: {first}" if full_key else first


def _unreadable(override: str) -> str:
    """A word that is no KEY=VALUE, or whose value needs quotes."""
    key, sign, value = override.partition("=")
    if not sign:
        return f"{override}: expected KEY=VALUE, for example run=runs/my_run"
    quoted = shell_word(f"{key}={hydra_quoted(value)}")
    return f"{key}: the value {value} cannot be read; put it into two pairs of quotes: {quoted}"


def _expected(text: str) -> str:
    """In plain words, where they are known."""
    return next((f"{plain} ({text})" for pattern, plain in EXPECTED.items() if re.search(pattern, text)), text)


def _nearest(name: str, known: list[str]) -> str:
    """The nearest right name, of the same group where there is one; all of them where they are few."""
    listed = f" (there are: {', '.join(known)})" if known and len(known) <= 20 else ""
    group = name.rpartition(".")[0]
    siblings = [key for key in known if key.rpartition(".")[0] == group]
    lasts = {key.rpartition(".")[2]: key for key in siblings}
    near = difflib.get_close_matches(name.rpartition(".")[2], list(lasts), n=1, cutoff=0.5)
    return listed + (f"; did you mean {lasts[near[0]]}?" if near else suggestion(name, known))


def keys_of(config_name: str, arguments: Sequence[str]) -> list[str]:
    """Lists every key of the config as composed from the arguments that name a group, and every group."""
    groups = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")
    if config_name == "evaluate":
        groups = ["data"]  # the rest is the run's own
    chosen = [word for word in arguments if word.split("=")[0] in groups and "," not in word]
    GlobalHydra.instance().clear()
    config: DictConfig | None = None
    for overrides in (chosen, []):
        with contextlib.suppress(HydraException, OmegaConfBaseException):
            config = compose(overrides, config_name)
            break
    return sorted({*groups, *(_dotted(config) if config is not None else [])})


def _dotted(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in node:
        yield f"{prefix}{key!s}"
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not (child._is_none() or child._is_missing() or child._is_interpolation()):
            yield from _dotted(child, f"{prefix}{key!s}.")
