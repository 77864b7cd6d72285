"""Kinds of the keys that nobody has declared, from the signature of what a ``_target_`` names.

The target is imported: a config that somebody else wrote must be known to be harmless before.
"""

import inspect
import pkgutil
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from lungseg.core.config.compound_types import NOTHING, Anything, ByName, Either, Row, Several, or_null
from lungseg.core.config.value_types import Choice, Flag, Kind, Number, Text, Whole

PLAIN: dict[Any, Kind] = {bool: Flag(), int: Whole(), float: Number(), str: Text(), type(None): NOTHING}
SET_HERE = {  # by lungseg itself, whatever the signature says
    "model": ("in_channels", "regions"),
    "optim": ("params",),
    "schedule": ("optimizer", "steps", "steps_per_epoch"),
    "trainer": (
        "plugins", "callbacks", "logger", "default_root_dir", "use_distributed_sampler", "enable_checkpointing",
        "enable_model_summary", "num_sanity_val_steps", "log_every_n_steps", "root", "place", "port",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Signature:
    """Holds the kinds of a target's parameters by name; ``open`` where it takes names that it does not list."""

    name: str
    kinds: Mapping[str, Kind]
    open: bool


def signature_of(target: str, part: str = "") -> Signature | None:
    """Returns what ``target`` takes, without what lungseg sets itself; None where that cannot be told."""
    try:
        called = pkgutil.resolve_name(target)
        parameters = inspect.signature(called).parameters
    except Exception:  # whatever an import may raise: building the component says it
        return None
    kinds = {
        name: _with_default(kind_of(_evaluated(parameter.annotation, called)), parameter.default)
        for name, parameter in parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in SET_HERE.get(part, ())
    }
    more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return Signature(target.rpartition(".")[2], kinds, more)


def kind_of(annotation: Any) -> Kind:
    """Returns the kind of what an annotation says; anything where it says what no YAML can hold."""
    return _kind(annotation) or Anything()


def _kind(annotation: Any) -> Kind | None:
    if annotation in PLAIN:
        return PLAIN[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return Choice(inner)
    if origin in (Union, types.UnionType):
        known = [kind for kind in map(_kind, inner) if kind is not None]
        return Either(tuple(known), known[0].example) if known and known != [NOTHING] else None
    container = origin or annotation
    if not isinstance(container, type) or container is object:
        return None
    if container is tuple and inner and inner[-1] is not Ellipsis:
        row = tuple(map(kind_of, inner))
        return Row(row, f"[{','.join(kind.example for kind in row)}]")
    if issubclass(container, Mapping):
        return ByName(kind_of(inner[1]) if len(inner) == 2 else Anything())
    if container in (list, tuple, set) or _is_iterable(container):
        of = kind_of(inner[0]) if inner else Anything()
        return Several(of, f"[{of.example}]", least=0)
    return None


def _is_iterable(container: type) -> bool:
    """Sequence, Iterable and their like; not a class that happens to be one."""
    return container.__module__ == "collections.abc" and issubclass(container, Iterable)


def _with_default(kind: Kind, default: Any) -> Kind:
    """Lets a parameter that is null by default take null, whatever its annotation says."""
    if default is not None or isinstance(kind, Anything) or (isinstance(kind, Either) and NOTHING in kind.kinds):
        return kind
    return or_null(kind)


def _evaluated(annotation: Any, called: Callable[..., Any]) -> Any:
    """Resolves an annotation that is text, as its module means it."""
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    names = vars(sys.modules.get(called.__module__, types))
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__={"it": annotation}), names)["it"]
    except Exception:  # a name that is there for type checkers alone
        return Any
