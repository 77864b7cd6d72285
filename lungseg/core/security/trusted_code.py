"""Keeps the modules of their own that users trust: by trust=, by LUNGSEG_TRUST, or because they typed them."""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from lungseg.core.errors import UsageError, UserError

ENV = "LUNGSEG_TRUST"  # module names with commas between; processes that this one starts inherit it
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def trusted_modules() -> tuple[str, ...]:
    """Returns the modules that this process may load code from for a config that it reads back."""
    return tuple(_require_modules(os.environ.get(ENV, ""), ENV))


@contextlib.contextmanager
def trusting(modules: Any, key: str = "trust") -> Iterator[None]:
    """Trusts further modules while the block runs: a name, several with commas between, a list, or None."""
    before = os.environ.get(ENV)
    named = list(dict.fromkeys([*trusted_modules(), *_require_modules(modules, key)]))
    if named:
        os.environ[ENV] = ",".join(named)
    try:
        yield
    finally:
        if before is not None:
            os.environ[ENV] = before
        else:
            os.environ.pop(ENV, None)


def trust_words() -> list[str]:
    """Returns what a printed command needs, so that it reads back what this process reads."""
    modules = trusted_modules()
    if not modules:
        return []
    return [f"trust={modules[0]}" if len(modules) == 1 else f"trust=[{','.join(modules)}]"]


def is_trusted(target: str) -> bool:
    """Returns whether a trusted module, or one below it, holds ``target`` and defines it; that module is imported.

    A name that a trusted module only imports (``mine.os.system``) is not its own.
    """
    modules = trusted_modules()
    if not any(target.startswith(f"{module}.") for module in modules):
        return False
    home = getattr(_resolved(target), "__module__", None)
    return isinstance(home, str) and any(home == module or home.startswith(f"{module}.") for module in modules)


def modules_of(target: str) -> list[str]:
    """Returns the modules to trust for ``target``: the one that it was named by and the one that defines it."""
    named, defined = target.rpartition(".")[0], getattr(_resolved(target), "__module__", None)
    while named and not _is_module(named):
        named = named.rpartition(".")[0]
    homes = [named, *([defined] if isinstance(defined, str) else [])]
    return [home for home in dict.fromkeys(homes) if home and not is_standard(home)]


def is_standard(module: str) -> bool:
    """Returns whether a module comes with Python, so that it is nobody's own."""
    return module.partition(".")[0] in sys.stdlib_module_names


def _resolved(target: str) -> Any:
    """Imports and returns an object by its dotted name; None where there is none."""
    parts = target.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if not _is_module(".".join(parts[:end])):
            continue
        found: Any = sys.modules[".".join(parts[:end])]
        for name in parts[end:]:
            found = getattr(found, name, None)
        return found
    return None


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return False
        raise UserError(f"{name}: cannot be imported: there is no module {error.name}; install it") from error
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        raise UserError(f"{name}: cannot be imported ({type(error).__name__}: {reason}); mend it there") from error
    return True


def _require_modules(given: Any, key: str) -> list[str]:
    words = [] if given is None else given.strip("[]").split(",") if isinstance(given, str) else list(given)
    names = [str(word).strip() for word in words]
    for name in names:
        if not name and isinstance(given, str):
            continue
        if not MODULE.fullmatch(name):
            raise UsageError(f"{key}={name}: expected the name of a module, as {key}=my_package.module")
        if is_standard(name):
            raise UsageError(
                f"{key}={name}: is a part of Python, which no run needs to be trusted; name a module of your own"
            )
    return [name for name in names if name]
