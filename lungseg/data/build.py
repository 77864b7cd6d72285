"""A data set's config -> its cases and their split. Nothing heavy is imported here."""

import inspect
from dataclasses import replace
from pathlib import Path

from hydra.utils import get_method
from omegaconf import DictConfig

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import DataError, UsageError
from lungseg.data.attributes import completed
from lungseg.data.case import Case
from lungseg.data.saved_splits import load_splits
from lungseg.data.sources.issues import Problem
from lungseg.data.splits import Splits, limit, split_cases

PREPROCESSING = ("size", "clahe", "aspect", "normalise", "crop")
SPLITTING = ("val", "test", "split_seed", "folds", "fold", "splits", "train_domains", "drop_leaks")
LOADING = ("batch_size", "workers", "pack", "overfit")
SHARED = ("name", "limit", *PREPROCESSING, *SPLITTING, *LOADING)  # the rest of ``data`` are the source's own options


def build_cases(data: DictConfig, problems: list[Problem] | None = None) -> list[Case]:
    """Call the source with its own options; ``problems`` collects what would otherwise be an error."""
    source = get_method(data["_target_"])
    options = {str(key): value for key, value in data.items() if key not in (*SHARED, "_target_")}
    known = [name for name in inspect.signature(source).parameters if name != "problems"]
    for key in options:
        if key not in known:
            raise UsageError(f"data.{key}: {data.name} has no such option{suggestion(key, known)}")
    if "problems" in inspect.signature(source).parameters:
        options["problems"] = problems
    return _with_all_attributes(limit(source(**options), data.get("limit")))


def _with_all_attributes(cases: list[Case]) -> list[Case]:
    """Gives every case what any has, so that the columns of their tables have one order."""
    if not any(case.attributes for case in cases):
        return cases
    found = completed([case.attributes for case in cases])
    return [replace(case, attributes=attributes) for case, attributes in zip(cases, found, strict=True)]


def build_splits(cases: list[Case], data: DictConfig) -> Splits:
    """From the file ``data.splits`` (as ``lungseg data split`` writes it), else drawn; without leaks if so asked.

    The test is the same for whatever hospitals ``data.train_domains`` names: runs that differ in them can be compared.
    """
    if data.splits is not None:
        splits = load_splits(cases, Path(data.splits))
    else:
        shares = {"val": data.val, "test": data.test}
        splits = split_cases(cases, **shares, seed=data.split_seed, folds=data.folds, fold=data.fold)
    if data.train_domains is not None:
        splits = _trained_on(splits, data)
    if not data.drop_leaks:
        return splits
    from lungseg.data.audit.split_leakage import find_pairs, without_leaks

    return without_leaks(splits, find_pairs(cases))


def _trained_on(splits: Splits, data: DictConfig) -> Splits:
    """Train and val without the cases of other hospitals; the test whole."""
    given = data.train_domains
    wanted = [given] if isinstance(given, str) else list(given)
    key = f"data.train_domains=[{','.join(map(str, wanted))}]"
    there = sorted({case.domain for side in splits.values() for case in side if case.domain is not None})
    if not there:
        raise DataError(f"{key}: {data.name} names no hospitals; leave it out, or choose another data=...")
    unknown = [str(name) for name in wanted if name not in there]
    if unknown or not wanted:
        hint = suggestion(unknown[0], there) if unknown else ""
        raise DataError(f"{key}: expected some of the hospitals of {data.name}: {', '.join(there)}{hint}")
    chosen = splits | {name: [case for case in splits[name] if case.domain in wanted] for name in ("train", "val")}
    for name, side in chosen.items():
        if not side:
            numbers = ", ".join(f"{one} {sum(case.domain == one for case in splits[name])}" for one in there)
            raise DataError(f"{key}: no {name} case is of these ({numbers}); name others, or change data.split_seed")
    return chosen
