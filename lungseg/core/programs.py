"""Says how the programs are called: by their files in a clone, by the installed command elsewhere."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of a clone; the folder above the package where lungseg is installed
IN_CLONE = (ROOT / "train.py").is_file() and (ROOT / "conf").is_dir()

_said: list[str] = []  # how this process was called, where its own name does not tell
_commands: list[list[str]] = []  # of what is being done, where the process was called for something else


def called_as(words: Sequence[str]) -> None:
    """Has this process, and the commands that it prints, called by ``words``, such as ``lungseg train``."""
    _said[:] = words


def program(name: str) -> list[str]:
    """Returns the words that begin a command of ``train`` or ``evaluate``, to be typed by a person."""
    by_name = not IN_CLONE or _said[:1] == ["lungseg"]
    return ["lungseg", name] if by_name else ["python", f"{name}.py"]


@contextlib.contextmanager
def repeated_by(words: Sequence[str]) -> Iterator[None]:
    """Has what the block does repeated by the command ``words``: a notebook's own command line says nothing of it."""
    _commands.append(list(words))
    try:
        yield
    finally:
        _commands.pop()


def command_line() -> list[str]:
    """Returns the words that this process was called by, as its user can repeat them."""
    if _commands:
        return _commands[-1]
    return [*_said, *sys.argv[1:]] if _said else ["python", *sys.argv]


def train_process() -> list[str]:
    """Returns the words that start a training as a process of its own."""
    return [sys.executable, str(ROOT / "train.py")] if IN_CLONE else [sys.executable, "-m", "lungseg.cli.train"]
