"""Makes the trials of a study: one for each choice of the grid, and the steps that they need before."""

import itertools
import math
import re
from collections.abc import Mapping

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.sweep.spec.schema import Overrides, Plan, text
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.trial import Part, Trial

WHERE = "out=FOLDER says where all runs lie"
KEPT_BACK = {
    "run_dir": WHERE,
    "hydra.run.dir": WHERE,
    "resume": "what was stopped goes on by itself",
    "trust": "it is said on the command line of lungseg sweep alone",
}
RESERVED = (  # what else lies in a study's folder
    *("logs", "comparison", "workers", "locks", "experiment", "retrained", "slurm", "stop"),
    *("study.json", "search.json", "journal.log", "wandb"),
)
MOST_TRIALS = 100_000


def trials_of_grid(plan: Plan, study: Study) -> list[Trial]:
    found: dict[str, Trial] = {}
    if math.prod(len(axis) for axis in plan.grid.values()) > MOST_TRIALS:
        raise UserError(f"{study.file}: grid: its axes make over {MOST_TRIALS:,} trials; leave some out, or search")
    for name in (name for name in plan.before if name in RESERVED):
        raise UserError(
            f"{study.file}: before.{name}: a study keeps something else of its own under that name; rename it"
        )
    for options in itertools.product(*(axis.items() for axis in plan.grid.values())):
        name = "-".join(name for name, _ in options)
        overrides = plan.base | {key: value for _, words in options for key, value in words.items()}
        if called := _label(dict(zip(plan.grid, (name for name, _ in options), strict=True))):
            overrides = overrides | {"label": overrides.get("label", text(called))}
        if name in found or name in plan.before or name in RESERVED:
            raise UserError(
                f"{study.file}: two things are called {name}; give the options of grid (or the step) other names"
            )
        found[name] = _trial(name, overrides, plan.before, study)
    needed = {need for trial in found.values() for need in trial.needs}
    before = [
        _before(name, plan.base | plan.before[name], plan.before, study) for name in plan.before if name in needed
    ]
    return [*before, *found.values()]


def steps_of_search(plan: Plan, study: Study) -> list[Trial]:
    """Only the steps before; ``<step>`` in base is made theirs by whoever asks for a trial."""
    needed = _trial("", plan.base, plan.before, study).needs
    own = {key: value for key, value in plan.base.items() if not _step(value)}
    for key, value in plan.base.items():
        if step := _step(value):
            study.base[key] = text(str(study.folder / step))
    return [_before(name, own | plan.before[name], plan.before, study) for name in plan.before if name in needed]


def _label(options: Mapping[str, str]) -> str:
    """Returns what comparisons call a trial: its options of the axes that make it another model."""
    return " ".join(name for axis, name in options.items() if axis not in ("seed", "task"))


def _step(value: str) -> str | None:
    match = re.fullmatch(r'"?<([^<>]+)>"?', value)
    return match[1] if match else None


def _cycle(name: str, before: Mapping[str, Overrides]) -> list[str]:
    """Returns the first circle of steps that ``name`` leads to, with its first step again at its end."""
    paths, seen = [[name]], set[str]()
    while paths:
        path = paths.pop()
        if path[-1] in seen:
            continue
        seen.add(path[-1])
        for step in (_step(value) for value in before.get(path[-1], {}).values()):
            if step in path:
                return [*path[path.index(step) :], step]
            if step is not None:
                paths.append([*path, step])
    return []


def _before(name: str, overrides: Overrides, before: Mapping[str, Overrides], study: Study) -> Trial:
    """Makes a step, which uses no other: steps that wait for each other would never begin."""
    for key, value in overrides.items():
        step = _step(value)
        if step is None or step not in before:
            continue
        waits = any(_step(other) == name for other in before[step].values())
        which = "itself" if step == name else "one that waits for it in turn" if waits else "another step"
        cycle = [] if step == name else _cycle(name, before)
        which += f" ({' waits for '.join(cycle)})" if cycle else ""
        raise UserError(
            f"{study.file}: before.{name}: {key}: <{step}> is a step of before, and a step cannot use {which}; "
            f"set {key} there to null, or to the folder of a run that is finished"
        )
    return _trial(name, overrides, {}, study)


def _trial(name: str, overrides: Overrides, before: Mapping[str, Overrides], study: Study) -> Trial:
    """``<step>`` as a value becomes that step's run directory."""
    for key in (key.lstrip("+~") for key in overrides if key.lstrip("+~") in KEPT_BACK):
        raise UsageError(f"{key}: is the study's own business; leave it out: {KEPT_BACK[key]}")
    named = {key: step for key, value in overrides.items() if (step := _step(value))}
    for key, step in named.items():
        if step not in before:
            known = list(before)
            listed = f"there are {', '.join(known)}" if known else "there is none"
            raise UserError(f"{study.file}: {key}: <{step}> is no step of before; {listed}{suggestion(step, known)}")
    places = {key: text(str(study.folder / step)) for key, step in named.items()}
    part = Part(name, overrides | places, study.folder / name)
    return Trial(name, [part], tuple(dict.fromkeys(named.values())))
