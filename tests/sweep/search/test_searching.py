"""Searches with a program that only pretends: its score is best at optim.lr=0.01."""

import json
import math
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lungseg.cli.main import main
from lungseg.core.config.compose import compose
from lungseg.sweep.search.results import front, write_experiment
from lungseg.sweep.search.samplers import make_sampler
from lungseg.sweep.state.study_record import recorded
from lungseg.sweep.state.trial_queue import TrialQueue
from tests.helpers import ROOT

SEARCH = "search: {optim.lr: {low: 1e-4, high: 1e-1, log: true}, loss: [bce_dice, dice]}\nbase: {model: unet_classic}\n"


def ran(*words):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *words])
    return ended.value.code


def study(content):
    Path("mine.yaml").write_text(content)
    return Path("studies/mine-full")


def rows(folder):
    return TrialQueue(recorded(folder)[0]).rows()


@pytest.mark.parametrize(
    "sampler", ["tpe", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cmaes", "random"))]
)
def test_a_search_finds_what_is_good(pretended, compared, capsys, sampler):
    folder = study(SEARCH + f"budget: {{trials: 24}}\nsampler: {sampler}\n")
    assert ran("mine.yaml", "slots=2") == 0
    found = json.loads((folder / "search.json").read_text())
    values = {one["number"]: one["values"][0] for one in found["trials"]}
    rates = {one["number"]: one["params"]["optim.lr"] for one in found["trials"]}
    assert len(values) == 24
    best = found["best"][0]
    assert values[best] == max(values.values())
    assert all(math.isclose(values[n], -((math.log10(rates[n]) + 2) ** 2), abs_tol=1e-9) for n in values)
    assert values[best] > -0.15
    assert found["importances"]["optim.lr"] > found["importances"]["loss"]
    assert compared == [([folder / f"trial-{best:04d}"], folder / "comparison", folder / "search.json")]
    said = capsys.readouterr().out
    assert f"trial-{best:04d}: val/dice" in said
    assert "train it  python train.py --config-dir studies/mine-full experiment=best" in said


def test_what_does_badly_is_pruned_and_costs_less(pretended, compared, monkeypatch):
    monkeypatch.setattr(
        "lungseg.sweep.state.trial_store.make_sampler", lambda settings, worker: make_sampler(settings, "a")
    )
    long = SEARCH.replace("base: {", "base: {trainer.max_epochs: 8, ")
    folder = study(long + "budget: {trials: 9}\nsampler: random\npruner: median\n")
    assert ran("mine.yaml", "slots=1") == 0
    found = rows(folder)
    pruned = [row for row in found if row.state == "pruned"]
    assert pruned
    assert {row.state for row in found} == {"pruned", "finished"}
    assert all(2 <= row.curve[-1][0] < 8 for row in pruned)
    assert all(len(row.curve) == 8 for row in found if row.state == "finished")
    done = [len((folder / row.name / "epochs").read_text().splitlines()) for row in pruned]
    assert done == [row.curve[-1][0] for row in pruned]
    best = max((row for row in found if row.values), key=lambda row: row.values)
    assert all(row.curve[-1][1] < best.curve[row.curve[-1][0] - 1][1] for row in pruned)


def test_a_search_goes_on_and_does_not_repeat_itself(pretended, compared):
    folder = study(SEARCH + "budget: {trials: 3}\n")
    assert ran("mine.yaml") == 0
    assert ran("mine.yaml", "budget.trials=6") == 0
    rates = [row.params["optim.lr"] for row in rows(folder)]
    assert len(rates) == len(set(rates)) == 6
    assert all(len((folder / row.name / "epochs").read_text().splitlines()) == 1 for row in rows(folder))


def test_another_search_does_not_go_on_in_the_same_folder(pretended, compared, capsys):
    study(SEARCH + "budget: {trials: 2}\n")
    assert ran("mine.yaml") == 0
    capsys.readouterr()
    study(SEARCH.replace("1e-1", "1e-2") + "budget: {trials: 2}\n")
    assert ran("mine.yaml") == 1
    assert "studies/mine-full: was begun with another search" in capsys.readouterr().err
    study(SEARCH + "budget: {trials: 2}\n")
    assert ran("mine.yaml", "ema=0.9") == 1
    assert "was begun with another base" in capsys.readouterr().err


def test_a_trial_with_seeds_is_the_mean_of_them(pretended, compared):
    folder = study(SEARCH + "budget: {trials: 2}\nseeds: [0, 1, 2]\n")
    assert ran("mine.yaml", "slots=1") == 0
    for row in rows(folder):
        assert all((folder / f"{row.name}-seed{n}" / "manifest.json").exists() for n in range(3))
        assert math.isclose(row.values[0], -((math.log10(row.params["optim.lr"]) + 2) ** 2))


def test_two_objectives_end_in_a_front(pretended, compared):
    folder = study(SEARCH + "budget: {trials: 12}\nobjective: [val/dice, milliseconds_per_image]\nsampler: random\n")
    assert ran("mine.yaml", "slots=1") == 0
    found = json.loads((folder / "search.json").read_text())
    values = {one["number"]: one["values"] for one in found["trials"]}
    better = {
        n for n, (a, b) in values.items()
        if not any(x >= a and y <= b and (x, y) != (a, b) for x, y in values.values())
    }  # fmt: skip
    assert set(found["best"]) == better
    assert found["best"][0] == max(better, key=lambda n: values[n][0])
    assert front(rows(folder), recorded(folder)[0].objectives)[0].number == found["best"][0]
    for one in found["trials"]:  # each can be run by hand
        line = (folder / "logs" / f"{one['name']}.log").read_text().splitlines()[0]
        assert line.startswith("$ python train.py ")
        words = dict(word.split("=", 1) for word in shlex.split(line)[3:])
        assert float(words["optim.lr"]) == one["params"]["optim.lr"]
        assert words["run_dir"] == one["where"]


def test_the_best_is_trained_again_with_new_seeds(pretended, compared, capsys):
    folder = study(SEARCH + "budget: {trials: 4}\nretrain: 3\n")
    assert ran("mine.yaml", "slots=1") == 0
    found = json.loads((folder / "search.json").read_text())
    again = found["retrained"]
    assert (again["of"], again["seeds"]) == (found["best"][0], [1000, 1001, 1002])
    assert again["values"] == [again["found"]] * 3  # which here knows no luck
    place = folder / "retrained" / f"trial-{again['of']:04d}"
    rate = next(one["params"]["optim.lr"] for one in found["trials"] if one["number"] == again["of"])
    words = json.loads((place / "seed1001" / "words.json").read_text())
    assert math.isclose(float(words["optim.lr"]), rate)
    assert words["seed"] == "1001"
    capsys.readouterr()
    assert ran("retrain", str(folder), "seeds=4") == 0
    assert len(json.loads((folder / "search.json").read_text())["retrained"]["values"]) == 4
    assert len((place / "seed1000" / "epochs").read_text().splitlines()) == 1


def test_a_failed_trial_of_a_search_is_told_and_no_reason_to_stop(pretended, compared, capsys):
    study(SEARCH.replace("{low: 1e-4, high: 1e-1, log: true}", "[8, 0.01]") + "budget: {trials: 8}\nsampler: random\n")
    assert ran("mine.yaml", "slots=1") == 0
    said = capsys.readouterr().out
    assert "RuntimeError: a bug" in said
    assert " failed" in said


def test_what_failed_in_a_search_is_tried_again_as_it_was_chosen(pretended, compared, capsys):
    folder = study(SEARCH.replace("{low: 1e-4, high: 1e-1, log: true}", "[7]") + "budget: {trials: 3}\n")
    assert ran("mine.yaml", "slots=1") == 1
    said, error = capsys.readouterr()
    assert "3 of the trials failed, as said above: trial-0000, trial-0001, trial-0002; to try them again" in error
    assert "page" not in said
    assert not compared
    assert ran("retrain", str(folder)) == 1
    assert "none of its trials is finished, so there is no best yet; go on by: lungseg" in capsys.readouterr().err
    pretended.write_text(pretended.read_text().replace("rate == 7", "rate == 70"))
    assert ran("mine.yaml", "slots=1") == 0
    assert [(row.name, row.state) for row in rows(folder)] == [(f"trial-{n:04d}", "finished") for n in range(3)]


def test_a_step_before_is_not_the_best_of_a_search(pretended, compared, capsys):
    """It has a score of its own, and a better one."""
    search = "before: {cropper: {optim.lr: 0.01}}\nbase: {data.crop: <cropper>}\nsearch: {optim.lr: [1, 2]}\n"
    folder = study(search + "budget: {trials: 2}\n")
    assert ran("mine.yaml", "slots=1") == 0
    assert "best      trial-000" in capsys.readouterr().out
    assert all("cropper" not in str(place) for place in compared[0][0])
    with pytest.raises(SystemExit):
        main(["sweep", "status", str(folder)])
    assert "best      trial-000" in capsys.readouterr().out


def test_the_best_is_not_tested_against_its_own_repetition(pretended, compared):
    folder = study(SEARCH + "budget: {trials: 4}\nretrain: 2\n")
    assert ran("mine.yaml", "slots=1") == 0
    (place,) = compared[0][0]
    assert place.parent == folder / "retrained"


def test_an_experiment_is_what_train_takes(tmp_path):
    words = {"model": "unet_classic", "loss": "tversky", "loss.alpha": "0.3", "data.mix": "{Normal:0.5,COVID-19:0.5}",
             "label": '"a b"', "ema": "null", "optim.lr": "1e-05", "run_dir": "x", "data.root": '"a, b"'}  # fmt: skip
    path = write_experiment(tmp_path, "best", words, "said")
    content = yaml.safe_load(path.read_text())
    assert content["defaults"] == [{"override /model": "unet_classic"}, {"override /loss": "tversky"}]
    assert content["data"] == {"mix": {"Normal": 0.5, "COVID-19": 0.5}, "root": "a, b"}
    assert content["optim"] == {"lr": 1e-05}
    assert "run_dir" not in content
    program = [sys.executable, str(ROOT / "train.py"), "--config-dir", str(tmp_path), "experiment=best", "--cfg", "job"]
    words.pop("data.root")
    write_experiment(tmp_path, "best", words, "said")
    said = subprocess.run(program, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    composed = yaml.safe_load(said)
    assert (composed["model"]["name"], composed["loss"]["alpha"], composed["optim"]["lr"]) == (
        "unet_classic",
        0.3,
        1e-5,
    )
    assert composed["loss"]["_target_"] == compose(["loss=tversky"]).loss._target_
