"""``lungseg compare`` as a user runs it."""

import csv
import json
import os
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lungseg.cli.main import main
from tests.comparison.runs import family, make_run, people, scores_of, spoil
from tests.helpers import run_program, vouch

FILES = [
    "comparison.csv", "comparison.html", "comparison.md", "comparison.tex", "subgroups.csv", "figures",
    *(f"figures/{task}-phantom-test{region}-{kind}.{ending}" for task, region in (
        ("infection", ""), ("both", "-lung"), ("both", "-infection"),
    ) for kind in ("means", "cases") for ending in ("png", "svg")),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return family(tmp_path_factory.mktemp("family"))


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made, tmp_path / "runs")


@pytest.fixture
def compare(capsys):
    """Words -> exit code, what was printed, what went wrong; a warning is an error."""

    def compare(*words):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(SystemExit) as stop:
                main(["compare", *map(str, words)])
        found = capsys.readouterr()
        return stop.value.code, found.out, found.err

    return compare


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def rows_of(table):
    return list(csv.DictReader(table.read_text().splitlines()))


def data_of(page):
    """What a page was made from."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text()).group(1))


def test_it_prints_the_table_and_writes_everything(root, compare):
    code, out, err = compare("runs")
    assert (code, err) == (0, "")
    assert listing(Path("comparison")) == sorted(FILES)
    for said in ("infection · phantom · test: infection", "both · phantom · test: lung", "surely better"):
        assert said in out
    rows = rows_of(Path("comparison/comparison.csv"))
    first = next(row for row in rows if row["score"] == "dice" and row["rank"] == "1")
    assert f"{float(first['mean']):.3f} [{float(first['low']):.3f}, {float(first['high']):.3f}] *" in out
    data = data_of(Path("comparison/comparison.html"))
    stats = data["groups"][0]["stats"]["infection/dice"]
    assert stats["mean"][0] == pytest.approx(float(first["mean"]), abs=1e-6)
    assert data["command"] == "lungseg compare runs"
    assert len(data["runs"]) == 6
    assert data["runs"][0]["judge"] == "python evaluate.py run=runs/best-0"


def test_the_same_runs_give_the_same_tables_and_figures(root, compare):
    for out in ("one", "two"):
        assert compare("runs/tuned", "runs/plain", f"out={out}")[0] == 0
    names = [name for name in listing(Path("one")) if not name.endswith("html") and name != "figures"]
    assert len(names) == 8
    assert all(Path("one", name).read_bytes() == Path("two", name).read_bytes() for name in names)


def test_as_a_program_of_its_own(root, tmp_path):
    found = run_program(
        *("-m", "lungseg.cli.main", "compare", "runs/tuned", "runs/plain", "out=a folder", "title=<T>", "--wandb"),
        cwd=tmp_path, env={"WANDB_MODE": "offline"},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "cannot be told apart" in found.stdout
    assert "Traceback" not in found.stderr
    assert "<title>&lt;T&gt;</title>" in Path("a folder/comparison.html").read_text()
    (sent,) = Path("a folder/wandb").glob("offline-run-*/files/media/table/comparison*.json")
    table = json.loads(sent.read_text())
    rows = rows_of(Path("a folder/comparison.csv"))
    assert table["columns"] == list(rows[0])
    assert len(table["data"]) == len(rows)
    assert table["data"][0][table["columns"].index("mean")] == pytest.approx(float(rows[0]["mean"]))


def test_the_tuned_threshold_and_the_common_cases_can_be_asked_for(tmp_path, compare):
    cases, dice = people(12), scores_of(12)
    make_run(Path("a"), cases, dice, tuned=np.minimum(dice + 0.05, 1))
    make_run(Path("b"), cases[:9], dice[:9], tuned=dice[:9] * 0.5, model__name="other")
    code, out, err = compare("a", "b")
    assert (code, out) == (1, "")
    assert "common=true" in err
    assert not Path("comparison").exists()
    code, out, _ = compare("a", "b", "common=true", "threshold=tuned")
    assert code == 0
    assert "unet, tuned threshold" in out
    data = data_of(Path("comparison/comparison.html"))["groups"][0]
    assert len(data["ids"]) == 9
    assert data["baselines"]["infection/dice"] == {}  # of the summary of 12 cases
    assert data["severity"]["infection"] is None
    assert "Pictures are of the usual threshold, not of the tuned one." in data["warnings"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which runs?"),
        (["out=x"], "which runs?"),
        (["runs", "ouput=x"], "ouput: compare takes out="),
        (["runs", "threshold=0.3"], "threshold=0.3: expected chosen or tuned"),
        (["runs", "common=yes"], "common=yes: expected false or true"),
        (["runs", "weight=cases"], "weight=cases: expected images or patients"),
        (["runs", "pictures=many"], "pictures=many: expected megabytes"),
        (["runs", "pictures=²"], "pictures=²: expected megabytes"),
        (["runs", "pictures=-1"], "pictures=-1: expected megabytes"),
        (["runs", "pictures=nan"], "pictures=nan: expected megabytes"),
        (["runs", "out=a", "out=b"], "out: given twice, a and b"),
        (["runs", "out="], "out=: a value is needed"),
        (["runs/lr=0.1"], "runs/lr=0.1: no such directory"),
    ],
)
def test_a_command_line_that_cannot_be_understood_is_said(root, compare, words, said):
    before = listing(Path())
    code, out, err = compare(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1
    assert listing(Path()) == before


def unfinished(root):
    shutil.rmtree(root / "plain" / "evaluation")
    spoil(root / "plain" / "manifest.json", lambda content: content.update(status="stopped"))


def half_deleted(root):
    (root / "plain" / "config.yaml").unlink()


def edited_by_hand(root):
    path = root / "plain" / "evaluation" / "phantom-test" / "cases.csv"
    lines = path.read_text().splitlines()
    cells = lines[2].split(",")
    cells[5] = "0.999"
    path.write_text("\n".join([*lines[:2], ",".join(cells), *lines[3:]]) + "\n")


def lacks_a_case(root):
    shutil.rmtree(root / "plain")
    make_run(root / "plain", people(23), scores_of(24)[:23])


def another_task(root):
    shutil.rmtree(root / "plain")
    make_run(root / "plain", people(24), scores_of(24), task__name="another")


def trained_on_the_test(root):
    def leak(splits):
        splits["train"] |= splits["test"]

    spoil(root / "plain" / "splits.json", leak)
    vouch(root / "plain")


def cut_pictures(root):
    path = root / "plain" / "evaluation" / "phantom-test" / "pictures.zip"
    path.write_bytes(path.read_bytes()[:500])


BAD = {
    unfinished: "is not finished (stopped)",
    half_deleted: "config.yaml is missing",
    edited_by_hand: "one of the two was changed",
    lacks_a_case: "case-0023 is not in",
    another_task: "no two of these runs have the same task and test data",
    trained_on_the_test: "was trained on 24 of the test images",
    cut_pictures: "pictures.zip: cannot be read",
}


@pytest.mark.parametrize("spoil_it", BAD, ids=lambda one: one.__name__)
def test_bad_runs_are_one_line_and_leave_what_was_there(root, compare, spoil_it):
    assert compare("runs/tuned", "runs/plain")[0] == 0
    before = {name: Path("comparison", name).read_bytes() for name in listing(Path("comparison")) if "." in name}
    spoil_it(root)
    code, _, err = compare("runs/tuned", "runs/plain")
    assert code == 1
    assert BAD[spoil_it] in err
    assert err.count("\n") == 1
    assert "plain" in err
    assert {name: Path("comparison", name).read_bytes() for name in before} == before
    assert compare("runs/tuned", "runs/plain", "out=new")[0] == 1
    assert not Path("new").exists()


@pytest.mark.parametrize("place", ["file", "file/below", "folder"])
def test_a_file_where_the_result_should_be_is_said_before_the_work(root, compare, place):
    Path("file").write_text("mine")
    Path("folder").mkdir()
    Path("folder/figures").write_text("mine")
    before = listing(Path())
    code, out, err = compare("runs", f"out={place}")
    assert (code, out) == (1, "")
    assert f"out={place}: " in err
    assert "is a file; expected a folder" in err
    assert listing(Path()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_said(root, compare):
    Path("locked").mkdir(mode=0o500)
    code, out, err = compare("runs", "out=locked/out")
    assert (code, out) == (1, "")
    assert "cannot be written to" in err


def test_equal_names_and_a_run_named_twice_are_sensible(tmp_path, compare):
    for number, place in enumerate(("x/run", "y/run")):
        make_run(Path(place), people(8), scores_of(8, seed=number), pictures=False)
    code, out, _ = compare("x/run", "y/run", "x", "./x/run")
    assert code == 0
    assert "unet (x/run)" in out
    assert "unet (y/run)" in out
    assert len(data_of(Path("comparison/comparison.html"))["runs"]) == 2


@pytest.mark.parametrize("scores", [(0.8, 0.8), (np.nan, np.nan), (0.0, 1.0)])
@pytest.mark.parametrize("patients", [1, 2, None])
def test_degenerate_scores_give_a_result_without_a_warning(tmp_path, compare, scores, patients):
    for number, score in enumerate(scores):
        make_run(Path("runs", f"{number}"), people(8, patients), np.full(8, score), model__name=f"net{number}")
    code, out, err = compare("runs")
    assert (code, err) == (0, "")
    assert ("(all equal)" in out) == (patients != 1 and not np.isnan(scores[0]))
    assert "nan" not in out.lower()
    data = data_of(Path("comparison/comparison.html"))["groups"][0]
    assert len(data["metrics"]) == len(data["stats"]) > 0


def test_runs_judged_either_way_are_compared_either_way(tmp_path, compare):
    """One patient has most images; the means of each summary are checked as it says that it took them."""
    cases = [replace(case, patient="often" if n < 15 else case.patient) for n, case in enumerate(people(24))]
    for number, weight in enumerate(("images", "patients")):
        dice = scores_of(24, 0.8 - number / 10, seed=number)
        make_run(Path("runs", weight), cases, dice, model__name=f"net{number}", pictures=False, weight=weight)
    summaries = {weight: json.loads(Path(f"runs/{weight}/evaluation/phantom-test/summary.json").read_text())
                 for weight in ("images", "patients")}  # fmt: skip
    for weight in ("images", "patients"):
        code, out, err = compare("runs", f"weight={weight}", f"out={weight}")
        assert (code, err) == (0, "")
        rows = {row["arm"]: row for row in rows_of(Path(weight, "comparison.csv")) if row["score"] == "recall"}
        own = "net0" if weight == "images" else "net1"  # the one that was judged in this way
        said = summaries[weight]["results"]["model"]["infection"]["recall"]
        assert float(rows[own]["mean"]) == pytest.approx(said, abs=2e-6)
        assert {row["weight"] for row in rows.values()} == {weight}
        assert ("means over patients" in out) == (weight == "patients")
        assert {row["weight"] for row in rows_of(Path(weight, "subgroups.csv"))} == {weight}
    spoil(Path("runs/patients/evaluation/phantom-test/summary.json"), lambda content: content.update(weight="images"))
    code, _, err = compare("runs/images", "runs/patients")
    assert code == 1
    assert "one of the two was changed" in err
    spoil(Path("runs/patients/evaluation/phantom-test/summary.json"), lambda content: content.update(weight="mine"))
    code, _, err = compare("runs/images", "runs/patients")
    assert code == 1
    assert "summary.json: has weight='mine'; expected images or patients; judge the run again" in err
    assert err.count("\n") == 1


def test_names_with_anything_in_them_stay_words(tmp_path, compare):
    name = "<img src=x onerror=alert(1)> \"q\" 'q' & </script><b>"
    for number in range(2):
        place = Path("runs") / f"{name[:20].replace('/', '')} {number} = \" '"
        make_run(place, people(8), scores_of(8, seed=number), label=f"{name} {number}")
    code, out, err = compare(*Path("runs").iterdir(), f"title={name}")
    assert (code, err) == (0, "")
    assert name in out
    page = Path("comparison/comparison.html").read_text()
    assert "<img" not in page
    assert page.count("</script>") == page.count("<script")
    assert data_of(Path("comparison/comparison.html"))["groups"][0]["arms"][0]["name"].startswith(name)
    assert "<img" not in re.sub(r"\\<", "", Path("comparison/comparison.md").read_text())


def test_200_runs(tmp_path, compare):
    cases = people(6)
    for number in range(200):
        make_run(Path("runs", f"{number:03d}"), cases, scores_of(6, 0.5 + number / 500, seed=number), quick=True,
                 pictures=False, model__name=f"net{number // 2}", seed=number % 2)  # fmt: skip
    code, _, err = compare("runs")
    assert (code, err) == (0, "")
    data = data_of(Path("comparison/comparison.html"))
    assert len(data["runs"]) == 200
    assert len(data["groups"][0]["arms"]) == 100
    pairs = data["groups"][0]["stats"]["infection/dice"]["pairs"]
    assert (len(pairs["arms"]), len(pairs["p"])) == (24, 24)
    assert Path("comparison/comparison.html").stat().st_size < 10e6


def test_by_an_attribute_prints_and_writes_its_table(tmp_path, compare):
    cases = [replace(case, attributes=(("sex", "FM"[n % 2]), ("hand", "left"))) for n, case in enumerate(people(12))]
    for seed in range(2):
        make_run(tmp_path / "runs" / f"r{seed}", cases, scores_of(12, seed=seed), label=f"r{seed}", pictures=False)
    code, out, err = compare("runs", "by=sex")
    assert (code, err) == (0, "")
    assert "sex F (3 cases" in out
    assert "sex F (3 cases" in Path("comparison/comparison.md").read_text()
    assert "by sex" in Path("comparison/comparison.tex").read_text()
    assert {"F", "M"} == {row["group"] for row in rows_of(Path("comparison/subgroups.csv")) if row["by"] == "sex"}
    group = data_of(Path("comparison/comparison.html"))["groups"][0]
    assert group["attributes"][0] == {"name": "sex", "groups": ["F", "M"], "of": [0, 1] * 6}
    assert group["by"] == "sex"
    code, out, err = compare("runs", "by=hand")
    assert (code, err) == (0, "")
    assert "no table by hand: all cases of infection · phantom · test are of one group, or unknown" in out


def test_by_a_name_that_no_case_has_is_refused_before_anything_is_written(root, compare):
    code, _, err = compare("runs", "by=sex")
    assert code == 2
    assert err == "error: by=sex: the cases are not grouped by that; expected class\n"
    assert not Path("comparison").exists()
