"""An arm: runs that differ by their seed alone. What it is called, shortly, among others."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lungseg.comparison.judged_run import SEEDLESS, JudgedRun
from lungseg.core.security.printable_text import one_line

MOST_KEYS = 3  # settings in a name
UNTOLD = (".name", "._target_", "pretrained", "freeze_encoder", "model.freeze")


@dataclass(frozen=True, eq=False)
class Configuration:
    """``columns`` are its runs' places among the group's entries, by seed."""

    name: str
    columns: list[int]
    entries: list[JudgedRun]


def arms(entries: Sequence[JudgedRun]) -> list[Configuration]:
    """In the order of their first runs; no two have the same name."""
    members: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for column, entry in enumerate(entries):
        members[entry.arm].append(column)
    parted = _parted(entries, members.values())
    groups = [sorted(columns, key=lambda column: entries[column].seed) for columns in parted]
    firsts = [entries[columns[0]] for columns in groups]
    names = _unique([_named(first, firsts) for first in firsts], firsts)
    return [
        Configuration(one_line(name), columns, [entries[column] for column in columns])
        for name, columns in zip(names, groups, strict=True)
    ]


def _parted(entries: Sequence[JudgedRun], members: Iterable[list[int]]) -> list[list[int]]:
    """Two runs of one seed are no seeds of one arm: each is then an arm of its own."""
    found = []
    for columns in members:
        seeds = [entries[column].seed for column in columns]
        found += [columns] if len(set(seeds)) == len(seeds) else [[column] for column in columns]
    return sorted(found)


def _named(one: JudgedRun, others: Sequence[JudgedRun]) -> str:
    """What tells it from the others: model, transfer, settings; what all or most have in common is not said."""
    if one.label:
        return ", ".join([one.label, *([one.judged] if one.judged else [])])
    alike = [other for other in others if (other.model, other.transfer) == (one.model, one.transfer)]
    told = ([one.judged] if one.judged else []) + _settings(one, alike)[:MOST_KEYS]
    models, transfers = {other.model for other in others}, {other.transfer for other in others}
    base = [*([one.model] if len(models) > 1 or not told else []), *([one.transfer] if len(transfers) > 1 else [])]
    return ", ".join([*([" ".join(base)] if base else []), *told])


def _settings(one: JudgedRun, alike: Sequence[JudgedRun]) -> list[str]:
    """What most of those that are alike otherwise do not have; another kind of a part says more than its keys."""
    keys = sorted(set().union(*(other.config for other in alike)))
    differ = [key for key in keys if not key.startswith(SEEDLESS) and _unusual(one, key, alike)]
    kinds = {key.removesuffix("._target_") for key in keys if key.endswith("._target_") and _values(key, alike) > 1}
    told = [
        str(one.config[f"{kind}._target_"]).rpartition(".")[2] for kind in sorted(kinds) if f"{kind}._target_" in differ
    ]
    rest = [
        key for key in differ if not key.startswith(tuple(f"{kind}." for kind in kinds)) and not key.endswith(UNTOLD)
    ]
    return told + [f"{_short(key)}={one.config.get(key)}" for key in rest]


def _values(key: str, alike: Sequence[JudgedRun]) -> int:
    return len({repr(other.config.get(key)) for other in alike})


def _unusual(one: JudgedRun, key: str, alike: Sequence[JudgedRun]) -> bool:
    same = sum(repr(other.config.get(key)) == repr(one.config.get(key)) for other in alike)
    return same <= len(alike) / 2


def _short(key: str) -> str:
    """``data.clahe`` -> ``clahe``; a key whose last word says little keeps its group."""
    last = key.rpartition(".")[2]
    return key if len(last) < 4 else last


def _unique(names: Sequence[str], entries: Sequence[JudgedRun]) -> list[str]:
    """On one line; those that are there more than once get their directory's, as much of it as tells them apart."""
    names = [" ".join(name.split()) for name in names]
    counts, runs = Counter(names), Counter(entry.run.path.resolve() for entry in entries)
    paths = [entry.run.path.resolve() for entry in entries]
    paths = [entry.folder.resolve() if runs[path] > 1 else path for entry, path in zip(entries, paths, strict=True)]
    made = names
    for parts in range(1, max((len(path.parts) for path in paths), default=0)):
        if len(set(made)) == len(made):
            break
        ends = ["/".join(path.parts[-parts:]) for path in paths]
        made = [f"{name} ({end})" if counts[name] > 1 else name for name, end in zip(names, ends, strict=True)]
    return made
