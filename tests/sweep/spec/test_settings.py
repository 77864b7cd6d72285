"""Every error in a study is found before its first trial, and is one line that names the file or the key."""

from pathlib import Path

import optuna
import pytest

from lungseg.core.errors import UserError
from lungseg.sweep.spec.settings import Objective
from lungseg.sweep.spec.study_file import read_study

SEARCH = "search: {optim.lr: {low: 1e-4, high: 1e-1, log: true}, loss: [bce_dice, tversky], loss.alpha: "
SEARCH += "{low: 0.2, high: 0.8, when: {loss: tversky}}, data.batch_size: {low: 2, high: 8, step: 2}}\n"
BUDGET = "budget: {trials: 3}\n"
WHEN = "search: {{seed: [0], ema: {{low: 0.9, high: 0.99, when: {{{}}}}}}}\nbudget: {{trials: 3}}\n"


def read(content, **given):
    path = Path("mine.yaml")
    path.write_text(content)
    return read_study(path, given=given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SEARCH, "a search needs an end; say budget"),
        (SEARCH + BUDGET + "grid: {seed: [0]}", "grid and search: a study is either"),
        (SEARCH + BUDGET + "base: {optim.lr: 1}", r"optim\.lr: base sets it and search seeks it"),
        (SEARCH + "budget: {trails: 3}", r"mine\.yaml: budget\.trails: no such key; .* did you mean budget\.trials\?"),
        (SEARCH + "budget: {trials: many}", r"budget\.trials: found many, expected a whole number"),
        (SEARCH + "budget: {trials: 0}", r"budget\.trials=0: expected at least 1"),
        (SEARCH + "budget: {hours: -1}", r"budget\.hours=-1.*above 0"),
        (SEARCH + BUDGET + "sampler: tpee", r"sampler=tpee: expected one of tpe, cmaes, random; did you mean tpe\?"),
        (SEARCH + BUDGET + "pruner: asah", "pruner=asah: expected one of none, median, asha, hyperband"),
        (SEARCH + BUDGET + "executor: slrum", r"executor=slrum: .* did you mean slurm\?"),
        (SEARCH + BUDGET + "objective: test/dice", "objective=test/dice: .*nothing is chosen by test cases"),
        (SEARCH + BUDGET + "objective: val/lung/dicee", r"objective=val/lung/dicee: nothing .* mean val/lung/dice\?"),
        (SEARCH + BUDGET + "objective: [val/dice, val/dice]", "objective: val/dice is there twice"),
        (SEARCH + BUDGET + "objective: {name: val/dice, direction: up}", "direction=up: expected maximize or minimize"),
        (SEARCH + BUDGET + "objective: [val/dice, milliseconds_per_image]\npruner: asha", "two objectives nothing can"),
        (SEARCH + BUDGET + "objective: [val/dice, val/loss]\nsampler: cmaes", "sampler=cmaes: takes one objective"),
        (SEARCH + BUDGET + "seeds: [0, 1]\nfolds: 5", "seeds and folds: .*leave one out"),
        (SEARCH + BUDGET + "seeds: [1, 1]", r"seeds=\[1, 1\]: one is there twice"),
        (SEARCH + BUDGET + "resources: {gpus: 1.5}", r"resources\.gpus=1\.5: expected a share up to 1, or a whole"),
        (SEARCH + BUDGET + "slots: none", "slots=none: expected a whole number, at least 1, or auto"),
        ("search: {optim.lr: 3}\n" + BUDGET, r"search\.optim\.lr is 3; expected a list of choices, or"),
        ("search: {optim.lr: []}\n" + BUDGET, r"search\.optim\.lr\.choices is \[\]"),
        ("search: {optim.lr: [1, 1]}\n" + BUDGET, "one of the choices is there twice"),
        ("search: {optim.lr: {low: 1}}\n" + BUDGET, r"search\.optim\.lr\.high is None; expected a number"),
        ("search: {optim.lr: {low: 1, hihg: 2}}\n" + BUDGET, r"hihg: no such key; .* did you mean high\?"),
        ("search: {optim.lr: {low: 2, high: 1}}\n" + BUDGET, "low 2 to high 1; expected low below high"),
        ("search: {optim.lr: {low: 0, high: 1, log: true}}\n" + BUDGET, "expected low below high, above 0"),
        ("search: {optim.lr: {low: 1, high: 9, log: true, step: 2}}\n" + BUDGET, "log and step"),
        ("search: {optim.lrr: {low: 1, high: 2}}\n" + BUDGET, r"trial of the search: optim\.lrr: no such key"),
        ("search: {model: [unet, unnet]}\n" + BUDGET, r"model=unnet: no such option.*did you mean unet\?"),
        ("search: {loss.alpha: {low: 0.2, high: 0.8}}\n" + BUDGET, r"loss\.alpha: no such key"),
        (WHEN.format("sead: 0"), r"sead is no choice.*mean seed\?"),
        (WHEN.format("seed: 1"), "seed is never 1; its choices are 0"),
        ("grid: {seed: [0]}\nseeds: [1]", "only a search has seeds; in a grid they are an axis"),
    ],
)  # fmt: skip
def test_a_bad_study_is_one_line(content, message):
    with pytest.raises(UserError, match=message) as refused:
        read(content)
    assert "\n" not in str(refused.value)


def test_the_command_line_is_over_the_file():
    found = read(
        SEARCH + BUDGET + "sampler: random", sampler="cmaes", **{"budget.trials": "7", "resources.gpus": "0.25"}
    )
    assert (found.settings.sampler, found.settings.budget.trials, found.settings.resources.gpus) == ("cmaes", 7, 0.25)
    with pytest.raises(UserError, match=r"optim\.lr: the search of mine\.yaml seeks it"):
        read(SEARCH + BUDGET, **{"optim.lr": "3"})
    sized = SEARCH + BUDGET + "sizes: {small: {budget: {trials: 2}, slurm: {partition: low}}}"
    Path("mine.yaml").write_text(sized)
    small = read_study(Path("mine.yaml"), "small")
    assert (small.settings.budget.trials, small.settings.slurm) == (2, {"partition": "low"})


def test_objectives_know_their_direction():
    found = read(SEARCH + BUDGET + "objective: [val/dice, milliseconds_per_image]")
    assert found.objectives == [Objective("val/dice", "maximize"), Objective("milliseconds_per_image", "minimize")]
    assert read(SEARCH + BUDGET + "objective: val/loss").objectives == [Objective("val/loss", "minimize")]


def test_a_condition_holds_and_corners_meet_every_choice_and_end():
    space = read(SEARCH + BUDGET).space
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [space.suggest(study.ask()) for _ in range(60)]
    assert {words["loss"] for words in found} == {"bce_dice", "tversky"}
    assert all(("loss.alpha" in words) == (words["loss"] == "tversky") for words in found)
    assert {words["data.batch_size"] for words in found} == {"2", "4", "6", "8"}
    assert all(1e-4 <= float(words["optim.lr"]) <= 1e-1 for words in found)
    corners = list(space.corners())
    assert {words["loss"] for words in corners} == {"bce_dice", "tversky"}
    for key, ends in {
        "optim.lr": {"0.0001", "0.1"},
        "loss.alpha": {"0.2", "0.8"},
        "data.batch_size": {"2", "8"},
    }.items():
        assert {words[key] for words in corners if key in words} == ends


def test_a_trial_of_a_search_is_once_with_each_seed_or_on_each_fold():
    seeds = read(SEARCH + BUDGET + "seeds: [3, 4]").sought("trial-0000", {"loss": "dice"})
    assert [part.overrides["seed"] for part in seeds.parts] == ["3", "4"]
    assert [part.run_dir.name for part in seeds.parts] == ["trial-0000-seed3", "trial-0000-seed4"]
    folds = read(SEARCH + BUDGET + "folds: 3").sought("trial-0000", {})
    assert [(part.overrides["data.folds"], part.overrides["data.fold"]) for part in folds.parts] == [
        ("3", "0"), ("3", "1"), ("3", "2"),
    ]  # fmt: skip
