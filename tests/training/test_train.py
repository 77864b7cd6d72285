"""Whole small runs in this process: what is written, what resumes, what stops, what is judged."""

import csv
import hashlib
import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import Stopped, UsageError, UserError
from lungseg.core.run_directory import Run
from lungseg.evaluation.evaluate import evaluate
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.tasks.segmentation.module import SegmentationModule
from lungseg.training.resume import with_settable_keys
from lungseg.training.train import train

SMALL = [
    "data.count=36",
    "data.pixels=64",
    "data.size=32",
    "data.batch_size=4",
    "data.workers=0",
    "model=unet_classic",
    "model.width=4",
    "model.depth=2",
    "optim.lr=0.01",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "logger=none",
]


def fit(path, *words):
    base = [word for word in SMALL if not (word.startswith("model") and words and words[0].startswith("model="))]
    if "data=folder" in words:
        base = [word for word in base if not word.startswith(("data.count", "data.pixels"))]
    return train(train_config([*base, *words, f"run_dir={path}"]))


def resume(path, *words):
    words = [f"resume={path}", *words]
    return train(train_config(with_settable_keys(words)), words)


def weights(run, name="last"):
    return load_checkpoint(getattr(run, name))["state_dict"]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def stop_at(monkeypatch):
    """Send this process a signal in the midst of the n-th training step from now."""

    def arm(step, number=signal.SIGTERM):
        steps, original = [0], SegmentationModule.training_step

        def training_step(self, batch, batch_idx):
            steps[0] += 1
            if steps[0] == step:
                os.kill(os.getpid(), number)
            return original(self, batch, batch_idx)

        monkeypatch.setattr(SegmentationModule, "training_step", training_step)

    yield arm
    monkeypatch.undo()


def test_a_run_directory_explains_itself(finished):
    names = {path.name for path in finished.path.iterdir()}
    assert {"config.yaml", "manifest.json", "splits.json", "metrics.csv", "curves.png", "train.log"} <= names
    manifest = finished.manifest()
    assert manifest["status"] == "finished"
    assert len(manifest["git"]["commit"]) == 40
    assert isinstance(manifest["git"]["dirty"], bool)
    assert manifest["packages"]["torch"] == torch.__version__.split("+")[0]
    assert manifest["seed"] == 0
    assert manifest["epochs"] == 3
    assert manifest["images_per_second"] > 0
    assert manifest["wall_seconds"] > manifest["training_seconds"] > 0
    assert manifest["peak_memory_mib"]["process"] > 100
    assert len(manifest["data_fingerprint"]) == 16
    assert sum(manifest["cases"].values()) == 36
    assert manifest["split"] == {
        "seed": 0,
        "sha256": hashlib.sha256(finished.splits_file.read_bytes()).hexdigest(),
    }
    config = finished.config()
    assert config.trainer.accelerator == "cpu"  # nothing is left as auto
    assert config.model.name == "unet_classic"
    assert sorted(path.name for path in finished.overlays.iterdir()) == [f"epoch-00{n}.png" for n in (1, 2, 3)]
    assert "epoch 3/3" in finished.log_file.read_text()


def test_metrics_have_a_row_for_each_epoch(finished):
    rows = list(csv.DictReader(finished.metrics_file.open()))
    by_epoch = {row["epoch"]: row for row in rows if row.get("val/dice")}
    assert sorted(by_epoch) == ["1", "2", "3"]
    assert all(0 <= float(row["val/dice"]) <= 1 for row in by_epoch.values())
    best = max((1, 2, 3), key=lambda n: float(by_epoch[str(n)]["val/dice"]))
    assert load_checkpoint(finished.best)["epoch"] + 1 == best


def test_the_test_is_on_patients_never_seen_and_each_case_once(finished):
    out = finished.path / "evaluation" / "phantom-test"
    rows = list(csv.DictReader((out / "cases.csv").open()))
    splits = json.loads(finished.splits_file.read_text())
    assert sorted(row["id"] for row in rows) == sorted(splits["test"])
    seen = {case.rsplit("-", 1)[0] for name in ("train", "val") for case in splits[name]}
    assert not seen & {row["patient"] for row in rows}
    summary = json.loads((out / "summary.json").read_text())
    dice = np.array([float(row["lung_dice"]) for row in rows])
    assert summary["results"]["model"]["lung"]["dice"] == pytest.approx(dice.mean(), abs=1e-5)
    assert summary["results"]["all_background"]["lung"]["dice"] == 0
    assert 0.3 < summary["results"]["mean_mask"]["lung"]["dice"] < 1
    for name in ("worst", "median", "best"):
        with Image.open(out / f"{name}.png") as picture:
            assert picture.size[0] > 900


def test_a_run_learns(tmp_path):
    run = fit(tmp_path / "run", "trainer.max_epochs=12")
    summary = json.loads((run.path / "evaluation" / "phantom-test" / "summary.json").read_text())
    results = summary["results"]
    assert results["model"]["lung"]["dice"] > results["mean_mask"]["lung"]["dice"]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(finished, tmp_path):
    again = fit(tmp_path / "again")
    assert equal(weights(finished), weights(again))
    assert not equal(weights(finished), weights(fit(tmp_path / "other", "seed=1")))


@pytest.mark.parametrize("step", [1, 8, 10, 12, 18])
def test_a_stopped_run_goes_on_to_bit_identical_weights(finished, tmp_path, stop_at, step):
    stop_at(step)
    with pytest.raises(Stopped, match=r"python train\.py resume=") as caught:
        fit(tmp_path / "cut")
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert Run(tmp_path / "cut").manifest()["status"] == "stopped"
    run = resume(tmp_path / "cut")
    assert equal(weights(run), weights(finished))
    assert equal(weights(run, "best"), weights(finished, "best"))
    assert run.manifest()["status"] == "finished"
    assert run.metrics_file.read_text() == finished.metrics_file.read_text()  # the epoch that was cut, too


@pytest.mark.parametrize(
    "words",
    [
        ["schedule=plateau", "schedule.patience=0"],
        ["ema=0.9"],
        ["trainer.accumulate_grad_batches=2"],
        pytest.param(
            ["model=deeplabv3plus", "model.encoder=tu-mobilenetv3_small_050", "schedule=restarts"],
            marks=pytest.mark.slow,
        ),
        ["augment=strong", "patience=2", "optim=sgd"],
    ],
    ids=lambda words: words[0],
)
def test_resume_is_exact_for_what_has_a_state_of_its_own(tmp_path, stop_at, words):
    whole = fit(tmp_path / "whole", *words)
    stop_at(12)  # in the second epoch
    with pytest.raises(Stopped):
        fit(tmp_path / "cut", *words)
    assert equal(weights(resume(tmp_path / "cut")), weights(whole))


def test_ctrl_c_is_130_and_a_second_one_stops_at_once(tmp_path, stop_at):
    stop_at(2, signal.SIGINT)
    with pytest.raises(Stopped) as caught:
        fit(tmp_path / "cut")
    assert caught.value.exit_code == 130


def test_resume_refuses_what_would_make_another_run(finished, tmp_path, stop_at):
    with pytest.raises(UserError, match="this run is finished; start a new run to train longer, or judge it again by"):
        resume(finished.path)
    stop_at(2)
    with pytest.raises(Stopped):
        fit(tmp_path / "cut")
    with pytest.raises(UsageError, match=r"optim\.lr: a resumed run keeps its own config"):
        resume(tmp_path / "cut", "optim.lr=1")
    manifest = Run(tmp_path / "cut").manifest()
    Run(tmp_path / "cut").update_manifest(data_fingerprint="0" * 16)
    with pytest.raises(UserError, match="the data is not what the run began with"):
        resume(tmp_path / "cut")
    Run(tmp_path / "cut").update_manifest(**manifest)
    last = Run(tmp_path / "cut").last
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"last\.ckpt: truncated"):
        resume(tmp_path / "cut")


def test_a_loss_that_is_not_a_number_stops_with_the_step_and_keeps_the_last_good_weights(tmp_path, monkeypatch):
    original = SegmentationModule.outputs

    def poisoned(self, image):
        return original(self, image) * (float("nan") if self.training and self.global_step >= 8 else 1)

    monkeypatch.setattr(SegmentationModule, "outputs", poisoned)
    with pytest.raises(UserError, match=r"the train loss became nan at step 8 \(epoch 1\)"):
        fit(tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.manifest()["status"] == "failed"
    for name in ("best", "last"):
        assert load_checkpoint(getattr(run, name))["epoch"] == 0
        assert all(torch.isfinite(w).all() for w in weights(run, name).values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["monitor=val/dcie"], "monitor=val/dcie"),
        (["+trainer.max_epocs=2"], "max_epocs"),
        (["trainer.precision=8"], "trainer.precision=8: expected auto, 32-true"),
        (["data.batch_size=0"], r"data\.batch_size=0"),
        (["+data.cuont=3"], "data.cuont: phantom has no such option; did you mean count"),
        (["trainer.accelerator=gpu"], "trainer.accelerator=gpu"),
        (["ema=2"], "ema=2"),
        (["+optim.foo=1"], "optim.foo: AdamW has no such option"),
    ],
)
def test_a_mistake_in_the_options_leaves_no_run_directory(tmp_path, words, message):
    if words[0].endswith("gpu") and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match=message) as caught:
        fit(tmp_path / "run", *words)
    assert len(str(caught.value).splitlines()) == 1
    if "monitor" not in words[0]:
        assert not (tmp_path / "run").exists()


def test_a_run_directory_that_exists_is_refused(finished):
    with pytest.raises(UserError, match="exists already; go on with it by resume="):
        fit(finished.path)


def test_early_stopping_and_frozen_encoder(tmp_path):
    run = fit(tmp_path / "run", "patience=1", "optim.lr=1e-12", "freeze_encoder=true", "trainer.max_epochs=9")
    assert run.manifest()["epochs"] == 2


def test_debug_overfits_two_batches_and_says_that_it_is_no_result(tmp_path, capsys):
    words = [word for word in SMALL if not word.startswith("trainer")]
    run = train(
        train_config(
            [*words, "trainer=debug", "trainer.accelerator=cpu", "trainer.max_epochs=25", f"run_dir={tmp_path / 'run'}"]
        )
    )
    assert "these numbers are no result" in capsys.readouterr().out
    rows = [row for row in csv.DictReader(run.metrics_file.open()) if row.get("val/dice")]
    assert float(rows[-1]["val/dice"]) > 0.9


def judged(run, *words):
    return evaluate(evaluate_config([f"run={run.path}", *words]), words)


def test_evaluate_judges_again_and_finds_the_same(finished):
    before = (finished.path / "evaluation" / "phantom-test" / "cases.csv").read_text()
    found = judged(finished)
    assert (found.directory / "cases.csv").read_text() == before
    assert judged(finished, "batch_size=1", "accelerator=cpu").rows == found.rows


def test_split_threshold_and_flip_change_what_is_judged(finished, tmp_path):
    splits = json.loads(finished.splits_file.read_text())
    val = judged(finished, "split=val")
    assert {row["id"] for row in val.rows} == set(splits["val"])
    areas = [
        sum(row["lung_predicted_area"] for row in judged(finished, f"threshold={t}", f"out={tmp_path / str(t)}").rows)
        for t in (0.1, 0.5, 0.9)
    ]
    assert areas[0] > areas[1] > areas[2]
    assert (tmp_path / "0.1" / "cases.csv").is_file()
    flipped = judged(finished, "tta=flip")
    assert flipped.directory.name == "phantom-test-flip"
    assert flipped.rows != judged(finished).rows


def test_external_validation_at_the_images_own_sizes(finished, folder_data):
    found = judged(finished, "data=folder", f"data.root={folder_data}")
    assert len(found.rows) == 12
    assert {row["image_area"] for row in found.rows} == {80 * 96}
    assert found.summary["split"] == "all"


def test_images_that_the_run_was_trained_on_are_left_out_of_external_validation(finished, capsys):
    found = judged(finished, "data=phantom", "data.count=60", "data.pixels=64")
    splits = json.loads(finished.splits_file.read_text())
    assert not {row["id"] for row in found.rows} & {*splits["train"], *splits["val"]}
    assert f"{len(splits['train']) + len(splits['val'])} of 60 cases left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split=train"], "a score on training images says nothing"),
        (["split=all"], "the run was trained on"),
        (["threshold=1.5"], r"threshold=1\.5"),
        (["tta=turn"], "tta=turn: expected none or flip"),
        (["data=folder", "data.root=nowhere"], "data.root=nowhere: no such folder"),
        (["data=phantom", "data.size=64"], r"data\.size: a run is judged with the preprocessing"),
    ],
)
def test_evaluate_refuses_what_would_mislead(finished, words, message):
    with pytest.raises(UserError, match=message):
        judged(finished, *words)


def test_evaluate_names_what_is_wrong_with_a_run(finished, tmp_path):
    with pytest.raises(UserError, match="no such directory"):
        evaluate(evaluate_config([f"run={tmp_path / 'x'}"]))
    with pytest.raises(UserError, match=r"holds no config\.yaml"):
        evaluate(evaluate_config([f"run={tmp_path}"]))


def test_two_other_data_sets_are_judged_into_folders_of_their_own(finished, folder_data, tmp_path):
    other = shutil.copytree(folder_data, tmp_path / "other")
    (other / "images" / "p03.png").unlink()
    for region in ("lung", "infection"):
        (other / f"{region}_masks" / "p03.png").unlink()
    found = [judged(finished, "data=folder", f"data.root={root}") for root in (folder_data, other)]
    assert found[0].directory != found[1].directory
    assert [one.summary["data_options"]["root"] for one in found] == [str(folder_data), str(other)]
    assert [len(one.rows) for one in found] == [12, 11]


def test_films_saved_anew_under_their_own_names_are_told(folder_data, tmp_path, capsys):
    run = fit(tmp_path / "run", "data=folder", f"data.root={folder_data}")
    anew = shutil.copytree(folder_data, tmp_path / "anew")
    for path in (anew / "images").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), quality=90)
        path.unlink()
    judged(run, "data=folder", f"data.root={anew}")
    seen = sum(run.manifest()["cases"][side] for side in ("train", "val"))
    assert f"{seen} of these cases have the name of a training case but other bytes" in capsys.readouterr().out


def test_a_run_that_was_stopped_is_judged_with_a_word_about_it(tmp_path, stop_at, capsys):
    stop_at(8)
    with pytest.raises(Stopped):
        fit(tmp_path / "cut")
    found = judged(Run(tmp_path / "cut"))
    assert "this run is not finished (stopped): the best weights so far, of epoch 1 of 3" in capsys.readouterr().out
    assert found.summary["status"] == "stopped"


def test_copies_on_two_sides_are_told_when_training_starts(folder_data, tmp_path, capsys):
    for n in range(1, 12):
        shutil.copy(folder_data / "images" / "p00.png", folder_data / "images" / f"p{n:02d}.png")
    fit(tmp_path / "run", "data=folder", f"data.root={folder_data}")
    assert "images stand on two sides of the split, byte for byte" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=-1"], "seed=-1: expected a whole number from 0"),
        (["seed=99999999999999"], "seed=99999999999999"),
        (["trainer.max_epochs=0"], r"trainer\.max_epochs=0: expected a whole number from 1 to 1000000"),
        (["trainer.max_epochs=-1"], r"trainer\.max_epochs=-1"),
        (["optim.lr=0"], r"optim\.lr=0: expected a number above 0"),
        (["optim.lr=abc"], r"optim\.lr=abc"),
        (["data.workers=1000"], r"data\.workers=1000: expected auto or a number"),
        (["data.val=1"], r"data\.val=1: expected a share"),
        (["data.val=0.5", "data.test=0.6"], "leave nothing to train on"),
        (["patience=0"], "patience=0: expected a number of epochs"),
        (["monitor=val/lung/dise"], "val/lung/dise: nothing of that name is measured; did you mean val/lung/dice?"),
        (["data.aspect=crop"], r"data\.aspect=crop: expected squash or pad"),
        (["data.normalise=mean"], r"data\.normalise=mean: expected imagenet"),
        (["data.limit=0"], r"data\.limit=0: expected a number of cases"),
    ],
)
def test_a_value_that_cannot_be_is_refused_before_anything_is_made(tmp_path, words, message):
    with pytest.raises(UserError, match=message) as caught:
        fit(tmp_path / "run", *words)
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["batch_size=0"], "batch_size=0: expected"),
        (["accelerator=xyz"], "accelerator=xyz: expected auto, cpu, gpu or mps"),
        (["out=/dev/null/x"], "/dev/null/x: cannot be made"),
        (["out=/dev/null"], "/dev/null: cannot be made"),
    ],
)
def test_evaluate_refuses_values_that_cannot_be(finished, words, message):
    with pytest.raises(UserError, match=message):
        judged(finished, *words)
