"""Checks the words of a command line that choose an option of a group, before Hydra composes them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from lungseg.core.config.value_types import is_list, shown
from lungseg.core.errors import UsageError

OPTIONAL = ("experiment",)  # groups that need no option
SEVERAL = ("logger", "experiment")  # groups that take a list of options
Groups = Mapping[str, Sequence[str]]  # group -> its options


def require_options_of_groups(words: Sequence[str], program: str, groups: Groups) -> None:
    """Refuses what Hydra has no sentence for: null or a number as an option, a list where one is taken."""
    for override in _of_groups(words, groups):
        group = override.key_or_group
        if program == "evaluate" and group != "data":
            if not override.is_delete() and not all(isinstance(_text(value), str) for value in _values(override)):
                raise UsageError(f"{group}: no such key or group of evaluate.py: it is the run's own; leave it out")
            continue  # Hydra says the same of a name
        if not override.is_delete():
            for value in _values(override):
                _require_option(group, value, groups[group], group in OPTIONAL or program == "evaluate")
        elif group not in OPTIONAL:
            raise UsageError(
                f"~{group}: takes the group {group} away, which is needed; leave it out, or choose one of its "
                f"options by {group}=: {', '.join(groups[group])}"
            )


def _of_groups(words: Sequence[str], groups: Groups) -> Iterator[Override]:
    for word in words:
        if word.lstrip("+~").partition("=")[0].partition("@")[0] in groups:
            with contextlib.suppress(HydraException):  # Hydra says what cannot be read
                yield OverridesParser.create().parse_override(word)


def _values(override: Override) -> list[Any]:
    """Returns each value of a grid, else the only one."""
    if override.is_sweep_override():
        return list(override.sweep_iterator()) if override.is_discrete_sweep() else []
    return [override.value()]


def _require_option(group: str, value: Any, known: Sequence[str], optional: bool) -> None:
    listed = ", ".join(known)
    if is_list(value) and group not in SEVERAL:
        names = ",".join(shown(_text(name)) for name in value)
        raise UsageError(
            f"{group}=[{names}]: several options; expected one of {listed}; to train with each: -m {group}={names}"
        )
    for name in value if is_list(value) else [value]:
        if not isinstance(_text(name), str) or not _text(name):
            without = ", or leave it out" if optional else ""
            raise UsageError(f"{group}={shown(_text(name))}: no such option; expected one of {listed}{without}")


def _text(value: Any) -> Any:
    return value.text if isinstance(value, QuotedString) else value
