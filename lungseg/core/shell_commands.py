"""Prints commands that can be pasted into a shell, whatever their paths are called."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lungseg.core.programs import program
from lungseg.core.security.trusted_code import trust_words

Value = str | Path | int | float | bool | None | Sequence["Value"]

PLAIN = re.compile(r"[\w./@%*?+:-]+", re.ASCII)  # what Hydra takes without quotes
NO_TEXT = re.compile(r"(?i)null|true|false|[+-]?(inf|nan|[\d_]+(\.[\d_]*)?(e[+-]?[\d_]+)?|\.[\d_]+(e[+-]?[\d_]+)?)")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # the last: bytes of a name that is no UTF-8

TRUSTING = (  # which take trust=
    *(["python", "train.py"], ["python", "evaluate.py"]),
    *(["lungseg", "train"], ["lungseg", "evaluate"], ["lungseg", "sweep"]),
)


def resume_command(run: Path | str) -> str:
    """Returns the command that goes on with a run."""
    return shell_command(*program("train"), settings={"resume": run})


def evaluate_command(run: Path | str, split: str | None = None) -> str:
    """Returns the command that judges a run again, on its test cases or on another side of its split."""
    return shell_command(*program("evaluate"), settings={"run": run, **({"split": split} if split else {})})


def shell_command(
    *words: str | Path, settings: Mapping[str, Value] | None = None, plain: Mapping[str, str | Path] | None = None
) -> str:
    """Returns a command line; ``settings`` are KEY=VALUE in Hydra's grammar, ``plain`` those taken as they are."""
    parts = [str(word) if not str(word).startswith("-") or isinstance(word, str) else f"./{word}" for word in words]
    parts += [f"{key}={hydra_value(value)}" for key, value in (settings or {}).items()]
    parts += [f"{key}={value}" for key, value in (plain or {}).items()]
    if parts[:2] in TRUSTING:
        parts += [word for word in trust_words() if word not in parts]
    return shell_line(parts)


def shell_line(words: Iterable[str]) -> str:
    """Returns just these words as one line for a shell."""
    return " ".join(map(shell_word, words))


def setting(key: str, value: Value) -> str:
    """Returns KEY=VALUE for a command line of train.py or evaluate.py."""
    return shell_word(f"{key}={hydra_value(value)}")


def shell_word(word: str) -> str:
    """Quotes a word for the shell; line breaks and other control characters stay on the line, and out of terminals."""
    if not CONTROL.search(word):
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return (
        "$'"
        + CONTROL.sub(
            lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode(errors="surrogateescape")), escaped
        )
        + "'"
    )


def hydra_value(value: Value) -> str:
    """Returns a value as Hydra reads it on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str | Path):
        text = str(value)
        return text if PLAIN.fullmatch(text) and not NO_TEXT.fullmatch(text) else hydra_quoted(_escaped(text))
    return "[" + ",".join(map(hydra_value, value)) + "]"


def hydra_quoted(text: str) -> str:
    """Puts a text in Hydra's quotes; in these a backslash is one unless quotes follow."""
    return '"' + re.sub(r'(\\*)("|\Z)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), text) + '"'


def _escaped(text: str) -> str:
    """Writes ``${`` so that it is no interpolation."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)
