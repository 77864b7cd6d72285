"""A data set's config -> its cases and their split. Nothing heavy is imported here."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.utils import get_method

from lungseg.core.config.compose import suggestion
from lungseg.core.config.data_config import DataConfig, SourceConfig, SplitConfig
from lungseg.core.errors import DataError, UsageError
from lungseg.data.attributes import completed
from lungseg.data.case import Case
from lungseg.data.saved_splits import load_splits
from lungseg.data.sources.issues import Problem
from lungseg.data.splits import Splits, limit, split_cases


def build_cases(source: SourceConfig, problems: list[Problem] | None = None) -> list[Case]:
    """Call the source with its own options; ``problems`` collects what would otherwise be an error."""
    function = get_method(source.cases.target)
    options = dict(source.cases.options)
    known = [name for name in inspect.signature(function).parameters if name != "problems"]
    for key in options:
        if key not in known:
            raise UsageError(f"data.{key}: {source.name} has no such option{suggestion(key, known)}")
    if "problems" in inspect.signature(function).parameters:
        options["problems"] = problems
    return _with_all_attributes(limit(function(**options), source.limit))


def _with_all_attributes(cases: list[Case]) -> list[Case]:
    """Gives every case what any has, so that the columns of their tables have one order."""
    if not any(case.attributes for case in cases):
        return cases
    found = completed([case.attributes for case in cases])
    return [replace(case, attributes=attributes) for case, attributes in zip(cases, found, strict=True)]


def build_splits(cases: list[Case], data: DataConfig) -> Splits:
    """From the file ``data.splits`` (as ``lungseg data split`` writes it), else drawn; without leaks if so asked.

    The test is the same for whatever hospitals ``data.train_domains`` names: runs that differ in them can be compared.
    """
    how = data.split
    splits = load_splits(cases, Path(how.splits)) if how.splits is not None else drawn_splits(cases, how)
    if how.train_domains is not None:
        given = how.train_domains
        splits = _trained_on(splits, (given,) if isinstance(given, str) else given, data.source.name)
    if not how.drop_leaks:
        return splits
    from lungseg.data.audit.split_leakage import find_pairs, without_leaks

    return without_leaks(splits, find_pairs(cases))


def drawn_splits(cases: list[Case], how: SplitConfig) -> Splits:
    """Draws the split where the publisher made none."""
    return split_cases(cases, val=how.val, test=how.test, seed=how.split_seed, folds=how.folds, fold=how.fold)


def _trained_on(splits: Splits, wanted: Sequence[str], data_set: str) -> Splits:
    """Train and val without the cases of other hospitals; the test whole."""
    key = f"data.train_domains=[{','.join(map(str, wanted))}]"
    there = sorted({case.domain for side in splits.values() for case in side if case.domain is not None})
    if not there:
        raise DataError(f"{key}: {data_set} names no hospitals; leave it out, or choose another data=...")
    unknown = [str(name) for name in wanted if name not in there]
    if unknown or not wanted:
        hint = suggestion(unknown[0], there) if unknown else ""
        raise DataError(f"{key}: expected some of the hospitals of {data_set}: {', '.join(there)}{hint}")
    chosen = splits | {name: [case for case in splits[name] if case.domain in wanted] for name in ("train", "val")}
    for name, side in chosen.items():
        if not side:
            numbers = ", ".join(f"{one} {sum(case.domain == one for case in splits[name])}" for one in there)
            raise DataError(f"{key}: no {name} case is of these ({numbers}); name others, or change data.split_seed")
    return chosen
