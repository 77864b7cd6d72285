"""Completes what is typed in a shell: commands, data sets, studies, keys and their options."""

from collections.abc import Sequence

from lungseg.cli.help_text import COMMANDS
from lungseg.core.config.compose import options, studies
from lungseg.core.config.usage_errors import keys_of
from lungseg.core.errors import UsageError
from lungseg.core.shell_commands import shell_word

SHELLS = ("bash", "zsh", "fish")
BOOLEANS = ("pretrained", "freeze_encoder", "legacy", "traceback", "data.pack", "data.clahe", "data.drop_leaks")
KEYS = {  # of the commands that are not Hydra's
    "data get": ("into",),
    "data check": ("root", "out", "task", "part", "columns", "unknown_patients"),
    "data audit": ("root", "out", "task", "part"),
    "data split": ("root", "out", "folds", "val", "test", "split_seed"),
    "sweep": ("size", "out", "executor", "slots", "workers", "retries", "shrink", "storage", "objective", "data.root"),
    "sweep join": ("slots",),
    "sweep retrain": ("seeds", "executor", "slots", "workers"),
    "compare": ("out", "evaluation", "threshold", "weight", "by", "common", "title", "pictures"),
}
CHOICES = {"executor": ("local", "slurm", "ray"), "threshold": ("chosen", "tuned"), "weight": ("images", "patients"),
           "common": ("true", "false"), "size": ("small", "quick", "full")}  # fmt: skip

BASH = """\
_lungseg() {
  local line="${COMP_LINE:0:COMP_POINT}" current
  current="${line##*[[:space:]]}"
  local IFS=$'\\n'
  COMPREPLY=($(lungseg complete "$line" 2>/dev/null))
  if [[ "$current" == *=* && "$COMP_WORDBREAKS" == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*=}"}"}")
  fi
  [[ "${COMPREPLY[*]}" == *= ]] && compopt -o nospace
}
complete -o default -F _lungseg lungseg
"""
ZSH = """\
#compdef lungseg
_lungseg() {
  local -a found
  found=(${(f)"$(lungseg complete "${BUFFER[1,CURSOR]}" 2>/dev/null)"})
  if (( ${#found} )); then compadd -S '' -- $found; else _files; fi
}
compdef _lungseg lungseg
"""
FISH = """\
complete -c lungseg -a '(lungseg complete (commandline -cp) 2>/dev/null)'
"""


def script(shell: str) -> str:
    """Returns what a shell has to read once."""
    if shell not in SHELLS:
        raise UsageError(f"completion {shell_word(shell)}: expected one of {', '.join(SHELLS)}")
    return {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]


def candidates(line: str) -> list[str]:
    """Returns what the last word of a command line that is being typed may become; nothing: a file, for the shell."""
    words = line.split()[1:]
    current = "" if line[-1:].isspace() or not words else words.pop()
    return sorted(one for one in _possible(words, current) if one.startswith(current))


def _possible(words: Sequence[str], current: str) -> list[str]:
    names = [one.name.split() for one in COMMANDS]
    if not words:
        return [*dict.fromkeys(name[0] for name in names), "--help", "--version"]
    inner = [name[1] for name in names if name[:1] == [words[0]] and len(name) == 2]
    if len(words) == 1 and inner and words[0] == "data":
        return inner
    if words[0] == "completion":
        return list(SHELLS)
    command = " ".join(words[:2]) if len(words) > 1 and words[1] in inner else words[0]
    key, sign, _ = current.partition("=")
    if words[0] in ("train", "evaluate"):
        return _values(key) if sign else [f"{one}=" for one in keys_of(words[0], list(words[1:]))]
    if sign:
        return _values(key)
    first = {"data": options("data"), "sweep": [*inner, *studies()]}.get(words[0], [])
    typed = len(words) - len(command.split())
    return [*(first if typed == 0 and command != "sweep join" else []), *(f"{one}=" for one in KEYS.get(command, ()))]


def _values(key: str) -> list[str]:
    """Returns KEY=VALUE for every value that is known."""
    bare = key.lstrip("+")
    known = CHOICES.get(bare) or (("true", "false") if bare in BOOLEANS else options(bare))
    return [f"{key}={one}" for one in known]
