"""Small finished runs, judged in every way that evaluate.py has."""

import csv
import json
import shutil
from collections import defaultdict

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sklearn.metrics import f1_score

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UsageError, UserError
from lungseg.core.run_directory import Run
from lungseg.data.sources import folder, phantom
from lungseg.evaluation.evaluate import evaluate
from lungseg.evaluation.thumbnails import Pictures
from lungseg.inference.load_run import rebuild
from lungseg.inference.predictor import predictor_of
from lungseg.tasks.segmentation import thresholds
from lungseg.training.train import train
from tests.helpers import run_program, run_warm, vouch, write_png

SMALL = ["data.count=36", "data.pixels=64", "data.size=32", "data.batch_size=4", "data.workers=0", "model=unet_classic"]
SMALL += ["model.width=4", "model.depth=2", "optim.lr=0.01", "trainer=cpu", "trainer.max_epochs=3", "logger=none"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """lung0, lung1, infection0, infection1, lung_infection0: by task and seed."""
    root = tmp_path_factory.mktemp("runs")
    for name in ("lung0", "lung1", "infection0", "infection1", "lung_infection0"):
        train(train_config([*SMALL, f"task={name[:-1]}", f"seed={name[-1]}", f"run_dir={root / name}"]))
    return root


@pytest.fixture
def copied(runs, tmp_path):
    """A run of its own, to change."""

    def copy(name, to=None):
        return Run(shutil.copytree(runs / name, tmp_path / (to or name)))

    return copy


def judged(run, *words):
    path = run.path if isinstance(run, Run) else run
    return evaluate(evaluate_config([f"run={path}", *words]), words)


def several(*paths):
    return f"[{','.join(map(str, paths))}]"


def predictor(run, cases):
    return predictor_of(rebuild(run, run.config()), cases)


def cases_of(run, side):
    ids = json.loads(run.splits_file.read_text())[side]
    return [case for case in phantom.cases(count=36, pixels=64) if case.id in ids]


def answered(found):
    return json.loads((found.directory / "answers.json").read_text())


def files(*roots):
    return {path: path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}


# thresholds


def test_the_threshold_is_the_best_on_validation_and_no_test_case_is_looked_at_for_it(runs, tmp_path, monkeypatch):
    run, seen = Run(runs / "lung0"), []
    original = thresholds.choose

    def watched(predicted, regions):
        def pass_on():
            for one in predicted:
                seen.append(one[0].case.id)
                yield one

        return original(pass_on(), regions)

    monkeypatch.setattr(thresholds, "choose", watched)
    run.thresholds_file.rename(tmp_path / "before.json")
    summary = judged(run).summary
    splits = json.loads(run.splits_file.read_text())
    assert sorted(seen) == sorted(splits["val"])
    assert run.thresholds_file.read_text() == (tmp_path / "before.json").read_text()  # as training's own test chose it
    chosen = summary["thresholds_from_validation"]["lung"]
    val = cases_of(run, "val")
    found = [(loaded.masks, prediction.probabilities) for loaded, prediction in predictor(run, val)(val)]

    def mean_dice(threshold):
        return np.mean([f1_score(truth.ravel(), likely.ravel() > threshold) for truth, likely in found])

    assert mean_dice(chosen) == pytest.approx(max(mean_dice(t / 100) for t in range(1, 100)))
    table = list(csv.DictReader((run.path / "evaluation" / "phantom-test" / "cases-tuned.csv").open()))
    assert sorted(row["id"] for row in table) == sorted(splits["test"])
    test = cases_of(run, "test")
    by_hand = {
        loaded.case.id: f1_score(loaded.masks.ravel(), prediction.probabilities.ravel() > chosen)
        for loaded, prediction in predictor(run, test)(test)
    }
    assert {row["id"]: float(row["lung_dice"]) for row in table} == pytest.approx(by_hand, abs=1e-5)
    assert summary["results"]["tuned"]["lung"]["dice"] == pytest.approx(np.mean(list(by_hand.values())))


def test_other_data_is_judged_at_the_threshold_of_the_runs_own_validation(runs, tmp_path, folder_data):
    run = Run(runs / "lung0")
    words = ("data=folder", f"data.root={folder_data}", f"out={tmp_path / 'out'}")
    summary = judged(run, *words).summary
    kept = json.loads(run.thresholds_file.read_text())["none"]["thresholds"]
    assert summary["thresholds_from_validation"] == kept
    flipped = judged(run, *words, "tta=flip")  # nobody has chosen one for this way of predicting
    assert flipped.summary["thresholds_from_validation"] is None
    assert not (flipped.directory / "cases-tuned.csv").exists()


def test_a_threshold_judged_on_what_chose_it_says_so(runs, tmp_path, capsys):
    judged(runs / "lung0", "split=val", f"out={tmp_path}")
    assert "chosen on these cases" in capsys.readouterr().out
    judged(runs / "lung0", f"out={tmp_path}")
    assert "by validation" in capsys.readouterr().out


def test_a_run_from_before_there_were_thresholds_and_pictures_is_judged_again(copied):
    run = copied("infection0")
    folder = run.path / "evaluation" / "phantom-test"
    table = (folder / "cases.csv").read_text()
    for path in (run.thresholds_file, folder / "pictures.zip", folder / "cases-tuned.csv"):
        path.unlink()
    old = OmegaConf.load(run.config_file)
    for key in ("crop", "overfit"):
        old.data.pop(key)
    run.config_file.write_text(OmegaConf.to_yaml(old))
    vouch(run.path)
    judged(run)
    assert (folder / "cases.csv").read_text() == table
    assert run.thresholds_file.is_file()
    assert (folder / "cases-tuned.csv").is_file()
    assert Pictures(folder / "pictures.zip").jpeg(0)[:2] == b"\xff\xd8"


# what is measured


def test_definitions_that_flatter_are_reported_only_when_asked_and_change_nothing(runs, tmp_path, capsys):
    plain = judged(runs / "infection0", f"out={tmp_path / 'plain'}")
    assert "definitions that circulate" not in capsys.readouterr().out
    found = judged(runs / "infection0", "legacy=true", f"out={tmp_path / 'legacy'}")
    printed = capsys.readouterr().out
    for name in ("two-channel Dice", "smoothed Dice", "soft Dice", "batch-pooled Dice"):
        assert name in printed
    assert found.rows == plain.rows
    assert plain.summary["legacy"] is None
    values = found.summary["legacy"]["infection"]
    wrong = [row["infection_predicted_area"] + row["infection_reference_area"] - 2 * hits(row) for row in found.rows]
    accuracy = np.mean([1 - one / row["image_area"] for one, row in zip(wrong, found.rows, strict=True)])
    assert values["two_channel_dice"]["value"] == pytest.approx(accuracy, abs=1e-6)
    assert all(one["why"] for one in values.values())
    assert values["two_channel_dice"]["value"] > found.summary["results"]["model"]["infection"]["dice"]


def test_a_mean_over_patients_is_recorded_and_all_that_is_asked_follows(runs, tmp_path, capsys):
    found = judged(runs / "lung0", f"out={tmp_path}", "weight=patients", "ask=tta")
    assert "means over patients" in capsys.readouterr().out.splitlines()[1]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["weight"] == "patients"
    by_patient = defaultdict(list)
    for row in found.rows:
        by_patient[row["patient"]].append(row["lung_dice"])
    assert len(by_patient) < len(found.rows)
    expected = np.mean([np.mean(values) for values in by_patient.values()])
    assert summary["results"]["model"]["lung"]["dice"] == pytest.approx(expected, abs=1e-6)
    assert summary["results"]["model"]["lung"]["effective_patients"]["dice"] == len(by_patient)
    (answer,) = json.loads((tmp_path / "answers.json").read_text()).values()
    assert answer["numbers"]["flip"][0]["plain"] == pytest.approx(expected, abs=1e-6)
    assert answer["numbers"]["flip"][0]["dice_effective"] == len(by_patient)


def hits(row):
    return round((row["infection_recall"] or 0) * row["infection_reference_area"])


def test_cases_without_infection_are_counted_apart_with_the_area_that_was_invented(runs, tmp_path, capsys):
    found = judged(runs / "infection0", f"out={tmp_path}")
    empty = [row for row in found.rows if row["infection_reference_area"] == 0]
    areas = [row["infection_predicted_area"] / row["image_area"] for row in empty]
    model = found.summary["results"]["model"]["infection"]
    assert model["n_empty"] == len(empty) > 0
    assert model["false_alarm_area"] == pytest.approx(np.mean(areas))
    said = f"without it: a false alarm in {np.mean(np.array(areas) > 0):.0%}"
    assert said in capsys.readouterr().out


def test_lesions_and_the_infected_share_are_those_of_the_table(runs, tmp_path):
    found = judged(runs / "lung_infection0", f"out={tmp_path}")
    model = found.summary["results"]["model"]["infection"]
    total = {name: sum(row[f"infection_{name}"] for row in found.rows) for name in
             ("lesions", "lesions_predicted", "lesions_found")}  # fmt: skip
    assert model["lesions"] == total["lesions"] == sum(model[f"lesions_{s}"] for s in ("small", "medium", "large"))
    both = total["lesions"] + total["lesions_predicted"]
    assert model["lesion_f1_pooled"] == pytest.approx(2 * total["lesions_found"] / both)
    errors = [row["infection_severity_predicted"] - row["infection_severity_reference"] for row in found.rows]
    assert model["severity"]["bias"] == pytest.approx(np.mean(errors), abs=1e-5)
    assert model["severity"]["mean_absolute_error"] == pytest.approx(np.mean(np.abs(errors)), abs=1e-5)
    spread = 1.96 * np.std(errors, ddof=1)
    assert model["severity"]["upper_limit"] == pytest.approx(np.mean(errors) + spread, abs=1e-5)


def write_dicom(path, pixels, **tags):
    """Eight bits, shown as they are."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.Rows, file.Columns, file.SamplesPerPixel = *pixels.shape, 1
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PhotometricInterpretation, file.WindowCenter, file.WindowWidth = "MONOCHROME2", 128, 256
    file.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


@pytest.fixture
def dicoms(folder_data, tmp_path):
    """The folder data set again as DICOM; ``sizes`` in millimetres, or none."""

    def make(name, **tags):
        root = tmp_path / name
        for path in sorted((folder_data / "images").iterdir()):
            with Image.open(path) as file:
                write_dicom(root / "images" / f"{path.stem}.dcm", np.asarray(file), **tags)
        shutil.copytree(folder_data / "lung_masks", root / "lung_masks")
        return root

    return make


def test_a_dicom_set_is_judged_in_millimetres_and_elsewhere_in_pixels(runs, dicoms, tmp_path, capsys):
    found = {}
    for name, tags in {"mm": {"PixelSpacing": [0.5, 0.5]}, "px": {}}.items():
        out = tmp_path / f"out-{name}"
        words = ("data=folder", f"data.root={dicoms(name, **tags)}", f"out={out}", "tolerances=[1.5]")
        found[name] = judged(runs / "lung0", *words)
        assert found[name].summary["unit"] == name
        printed = capsys.readouterr().out
        assert f"within 1.5 {name}" in printed
        assert f" {name}, ASSD " in printed
    for sized, bare in zip(found["mm"].rows, found["px"].rows, strict=True):
        assert sized["lung_dice"] == bare["lung_dice"]
        assert sized["lung_hd95"] == pytest.approx(bare["lung_hd95"] / 2, abs=2e-6)
        assert sized["lung_nsd_1.5"] >= bare["lung_nsd_1.5"]


def test_one_file_without_a_size_makes_all_of_them_pixels_and_is_told(runs, dicoms, tmp_path, capsys):
    root = dicoms("mixed", PixelSpacing=[0.5, 0.5])
    write_dicom(root / "images" / "p03.dcm", np.zeros((80, 96), np.uint8))
    found = judged(runs / "lung0", "data=folder", f"data.root={root}", f"out={tmp_path / 'out'}")
    assert found.summary["unit"] == "px"
    assert "11 of 12 images say how large a pixel is: distances are in pixels for all" in capsys.readouterr().out


# questions


def test_all_questions_are_answered_in_words_numbers_and_pictures(runs, tmp_path, capsys):
    plain = judged(runs / "lung_infection0", f"out={tmp_path / 'plain'}")
    capsys.readouterr()
    found = judged(runs / "lung_infection0", "ask=all", f"out={tmp_path / 'asked'}")
    assert found.rows == plain.rows
    printed, written = capsys.readouterr().out, answered(found)
    assert list(written) == [
        "Do test-time flips help?",
        "Does it look at the lungs, or at the frame?",
        "Does keeping infection within the predicted lungs help?",
        "Is it unsure where it is wrong?",
    ]
    for question, answer in written.items():
        assert question in printed
        assert all(line in printed for line in answer["text"])
        assert answer["numbers"]
    assert "nan" not in printed
    flip = written["Do test-time flips help?"]["numbers"]["flip"][0]
    flipped = judged(runs / "lung_infection0", "tta=flip", f"out={tmp_path / 'flip'}").summary
    assert flip["plain"] == pytest.approx(plain.summary["results"]["model"]["lung"]["dice"])
    assert flip["changed"] == pytest.approx(flipped["results"]["model"]["lung"]["dice"])
    for region in ("lung", "infection"):
        with Image.open(found.directory / f"uncertainty-{region}.png") as picture:
            assert picture.size[0] > 1200


def test_a_second_question_is_added_to_the_first(runs, tmp_path):
    judged(runs / "lung0", "ask=tta", f"out={tmp_path}")
    assert len(answered(judged(runs / "lung0", "ask=[frame,uncertainty]", f"out={tmp_path}"))) == 3
    judged(runs / "lung0", "threshold=0.4", f"out={tmp_path}")
    assert not (tmp_path / "answers.json").exists()  # it was about other predictions


def test_infection_is_kept_within_the_lungs_that_another_run_finds(runs, tmp_path):
    infection, lungs = Run(runs / "infection0"), Run(runs / "lung0")
    found = judged(infection, "ask=gate", f"gate={lungs.path}", f"out={tmp_path}")
    gated = answered(found)["Does keeping infection within the predicted lungs help?"]["numbers"]["gated"]
    test = cases_of(infection, "test")
    scores, alarms = [], []
    pairs = zip(predictor(infection, test)(test), predictor(lungs, test)(test), strict=True)
    for (loaded, prediction), (_, inside) in pairs:
        truth, kept = loaded.masks, prediction.mask(0.5) & inside.mask(0.5)
        if truth.any():
            scores.append(f1_score(truth.ravel(), kept.ravel()))
        else:
            alarms.append(kept.any())
    assert gated["changed"] == pytest.approx(np.mean(scores))
    assert gated["changed_alarms"] == pytest.approx(np.mean(alarms))
    assert gated["plain"] == pytest.approx(found.summary["results"]["model"]["infection"]["dice"])


def test_a_gate_needs_no_lung_masks(runs, folder_data, tmp_path, capsys):
    shutil.rmtree(folder_data / "lung_masks")
    words = ("data=folder", f"data.root={folder_data}", f"out={tmp_path / 'out'}")
    found = judged(runs / "infection0", *words, "ask=all", f"gate={runs / 'lung0'}")
    assert "Does keeping infection within the predicted lungs help?" in answered(found)
    printed = capsys.readouterr().out
    assert "ask=all leaves out frame: needs lung masks, and 12 of the 12 cases have none" in printed
    assert "infected share of the lungs" not in printed
    with pytest.raises(UserError, match="ask=frame: needs lung masks"):
        judged(runs / "infection0", *words, "ask=frame")


# ensembles


def test_an_ensemble_is_the_mean_of_its_members_and_compared_with_each(runs, tmp_path, capsys):
    members = [Run(runs / name) for name in ("lung0", "lung1")]
    before = files(runs / "lung1")
    found = judged(several(*(run.path for run in members)), f"out={tmp_path}")
    assert "ensemble of 2" in capsys.readouterr().out
    test = cases_of(members[0], "test")
    likely = [np.stack([one[1].probabilities for one in predictor(run, test)(test)]) for run in members]
    mean = (likely[0].astype(np.float64) + likely[1]) / 2
    by_hand = {case.id: (mean[n] > 0.5).sum() for n, case in enumerate(test)}
    assert {row["id"]: row["lung_predicted_area"] for row in found.rows} == by_hand
    assert found.summary["member_runs"] == [str(run.path) for run in members]
    numbers = answered(found)["Does the ensemble help over each of its members?"]["numbers"]
    ensemble = found.summary["results"]["model"]["lung"]["dice"]
    for run, name in zip(members, ("member_1", "member_2"), strict=True):
        summary = json.loads((run.path / "evaluation" / "phantom-test" / "summary.json").read_text())
        assert numbers[name][0]["plain"] == pytest.approx(summary["results"]["model"]["lung"]["dice"], abs=1e-6)
        assert numbers[name][0]["changed"] == pytest.approx(ensemble)
    assert files(runs / "lung1") == before  # the folder of the first run alone is written to


def test_an_ensemble_has_a_threshold_of_its_own_validation(runs, tmp_path):
    members = [Run(runs / name) for name in ("lung0", "lung1")]
    kept = members[0].thresholds_file.read_text()
    chosen = judged(several(*(run.path for run in members)), f"out={tmp_path}").summary["thresholds_from_validation"]
    val = cases_of(members[0], "val")
    truth = [loaded.masks for loaded, _ in predictor(members[0], val)(val)]
    found = [[prediction.probabilities for _, prediction in predictor(run, val)(val)] for run in members]

    def mean_dice(threshold):
        both = zip(truth, *found, strict=True)
        return np.mean([f1_score(masks.ravel(), (a + b).ravel() / 2 > threshold) for masks, a, b in both])

    assert mean_dice(chosen["lung"]) == pytest.approx(max(mean_dice(t / 100) for t in range(1, 100)))
    assert members[0].thresholds_file.read_text() == kept


def test_a_member_trained_on_the_validation_cases_leaves_no_threshold(runs, copied, tmp_path, capsys):
    other = copied("lung1")
    splits = json.loads(other.splits_file.read_text())
    moved = dict(list(splits["val"].items())[:1])
    splits["train"] |= moved
    other.splits_file.write_text(json.dumps(splits))
    vouch(other.path)
    found = judged(several(runs / "lung0", other.path), f"out={tmp_path / 'out'}")
    assert found.summary["thresholds_from_validation"] is None
    assert "a member was trained on the first run's validation cases" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"was trained or selected on 1 of the \d+ cases that are judged"):
        judged(several(runs / "lung0", other.path), "split=val", f"out={tmp_path / 'out'}")


def test_two_ensembles_that_begin_with_the_same_run_do_not_overwrite_each_other(copied):
    runs = [copied("lung0"), copied("lung1"), copied("lung1", "lung1-again")]
    folders = [judged(several(runs[0].path, other.path)).directory for other in runs[1:]]
    assert folders[0] != folders[1]
    assert all(folder.name.startswith("phantom-test-ensemble2-") for folder in folders)
    assert (runs[0].path / "evaluation" / "phantom-test" / "cases.csv").is_file()


# what is refused


@pytest.mark.parametrize(
    ("run", "words", "message"),
    [
        ("lung0", ["ask=colour"], r"ask=colour: no such question; there are all, tta, frame, gate, uncertainty"),
        ("lung0", ["ask=true"], "ask=true: expected all, or some of"),
        ("lung0", ["ask=[tta,nothing]"], "ask=nothing: no such question"),
        ("lung0", ["ask=gate"], "ask=gate: is about infection, which this run does not predict"),
        ("infection0", ["ask=gate"], r"ask=gate: needs to know the lungs; add gate=<a run of task=lung>"),
        ("infection0", ["ask=gate", "gate=nowhere"], "gate=nowhere: no such directory"),
        (
            "infection0",
            ["ask=gate", "gate=RUNS/infection1"],
            "gate=.*: a run of task=infection; expected one of task=l",
        ),
        ("infection0", ["gate=RUNS/lung0"], "gate=.*: is for the question .*; add ask=gate"),
        ("infection0", ["gate=RUNS/lung0", "ask=tta"], "gate=.*: is for the question .*; add ask=gate"),
        ("lung0", ["gate=RUNS/lung1", "ask=tta"], "gate=.*predicts no infection: leave it out"),
        ("lung0", ["threshold=0"], r"threshold=0\.0: expected a probability between 0 and 1"),
        ("lung0", ["threshold=1"], r"threshold=1\.0: expected a probability between 0 and 1"),
        ("lung0", ["weight=cases"], "weight=cases: expected images or patients"),
        ("lung0", ["tta=turn"], "tta=turn: expected none or flip"),
        ("lung0", ["tolerances=[0]"], r"tolerances=\[0\]: expected distances above 0, for example \[1,2,4\]"),
        ("lung0", ["tolerances=[2,nan]"], r"tolerances=\[2,nan\]: expected distances above 0"),
        ("lung0", ["tolerances=[]"], r"tolerances=\[\]: expected distances above 0"),
        ("lung0", ["tolerances=near"], "tolerances=near: expected distances above 0"),
        ("[RUNS/lung0]", [], r"run=\[.*lung0\]: an ensemble is of at least 2 runs"),
        ("[]", [], r"run=\[\]: an ensemble is of at least 2 runs"),
        ("[RUNS/lung0,RUNS/lung0/]", [], "lung0/ is there twice"),
        ("[RUNS/lung0,RUNS/infection0]", [], "infection0 is of task=infection, the first run of task=lung"),
        ("[RUNS/lung0,nowhere]", [], "run=nowhere: no such directory"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(runs, run, words, message):
    before = set(runs.rglob("*"))
    path = run.replace("RUNS", str(runs)) if "[" in run else runs / run
    with pytest.raises(UserError, match=message) as caught:
        judged(path, *(word.replace("RUNS", str(runs)) for word in words))
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 1
    assert set(runs.rglob("*")) == before


def test_a_member_that_was_trained_on_the_judged_cases_is_refused(runs, copied):
    other = copied("lung1")
    splits = json.loads(other.splits_file.read_text())
    splits["train"] |= splits["test"]
    other.splits_file.write_text(json.dumps(splits))
    vouch(other.path)
    number = len(splits["test"])
    with pytest.raises(UserError, match=rf"was trained or selected on {number} of the {number} cases that are judged"):
        judged(several(runs / "lung0", other.path))


def test_a_case_that_cannot_be_read_leaves_nothing_half_written(runs, folder_data, tmp_path):
    last = sorted((folder_data / "images").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:200])
    before = set(runs.rglob("*"))
    with pytest.raises(UserError, match=f"{last.name}: cannot be decoded"):
        judged(runs / "lung0", "data=folder", f"data.root={folder_data}")
    assert set(runs.rglob("*")) == before


def test_a_damaged_lung_mask_is_told_and_stops_no_infection_run(runs, folder_data, tmp_path, capsys):
    write_png(folder_data / "lung_masks" / "p00.png", np.arange(80 * 96, dtype=np.uint8).reshape(80, 96))
    found = judged(runs / "infection0", "data=folder", f"data.root={folder_data}", f"out={tmp_path / 'out'}")
    assert found.summary["results"]["model"]["infection"]["severity"]["cases"] == 11
    printed = capsys.readouterr().out
    assert "not measured where their mask is not readable" in printed
    assert "infected share of the lungs (11 of 12 cases)" in printed
    assert {case.id for case in folder.cases(root=str(folder_data))} == {row["id"] for row in found.rows}


def test_a_preprocessing_key_is_a_usage_error(runs):
    with pytest.raises(UsageError, match=r"data\.size: a run is judged with the preprocessing"):
        judged(runs / "lung0", "data=phantom", "data.size=64")


@pytest.mark.parametrize(("word", "code"), [("ask=colour", 1), ("legacy=perhaps", 2)])
def test_the_program_says_what_is_wrong_in_one_line(runs, tmp_path, word, code):
    result = run_warm("evaluate.py", f"run={runs / 'lung0'}", word, cwd=tmp_path)
    assert result.returncode == code
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {word}: ")
    assert list(tmp_path.iterdir()) == []


def test_data_that_ask_what_a_run_needs_may_be_judged_from_the_command_line(tmp_path):
    ended = run_program("evaluate.py", "run=x", "data=covid_qu_ex", "data.root=y", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("error: run=x: no such directory")
