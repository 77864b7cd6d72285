"""What lungseg writes has a format number, and a newer one is refused by name; one schema says what a file holds."""

import json
import shutil
from pathlib import Path

import pytest

from lungseg.cli.main import main
from lungseg.core.disk_format import FileSchema, Schema, mistake_in
from lungseg.core.errors import UserError
from lungseg.core.manifest import Manifest, read_manifest
from lungseg.core.search_file import SearchFile, read_search_file
from lungseg.evaluation.summary import Summary, read_summary
from lungseg.sweep.state.study_json import StudyJson, read_study_json
from tests.comparison.runs import make_run, people, scores_of
from tests.comparison.searches import search_of, write_search


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("made") / "run", people(12), scores_of(12), pictures=False)


def study(folder):
    path = folder / "study.json"
    words = dict.fromkeys(("id", "folder", "study", "size", "about", "command", "directory"), "x")
    path.write_text(json.dumps({**words, "given": {}, "content": {}, "trials": {}}))
    return path


def files(folder, run):
    """Each file that is read back, with its reader."""
    copy = shutil.copytree(run, folder / "run")
    summary = copy / "evaluation" / "phantom-test" / "summary.json"
    search = write_search(folder / "search.json", search_of(12))
    return {
        "manifest": (copy / "manifest.json", read_manifest, Manifest),
        "summary": (summary, read_summary, Summary),
        "search": (search, read_search_file, SearchFile),
        "study": (study(folder), lambda path: read_study_json(path, "begin anew"), StudyJson),
    }


@pytest.mark.parametrize("name", ["manifest", "summary", "search", "study"])
def test_a_newer_format_is_refused_by_its_number(tmp_path, run, name):
    path, read, schema = files(tmp_path, run)[name]
    read(path)  # one without a number is older
    content = json.loads(path.read_text())
    for number in (schema.newest, schema.newest + 1):
        path.write_text(json.dumps({**content, "format": number, "of the future": {"x": 1}}))
        if number == schema.newest:
            read(path)
            continue
        with pytest.raises(UserError) as error:
            read(path)
        assert str(error.value) == f"{path}: format 2 is of a newer lungseg; this one knows 1: update lungseg"


def test_what_a_sweep_writes_has_its_number_and_is_read_again(tmp_path, monkeypatch):
    from tests.sweep.pretend import pretend

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lungseg.sweep.run.trial_process.PROGRAM", pretend(tmp_path))
    monkeypatch.setattr("lungseg.cli.sweep.conclude", lambda study, rows, again=None: 0)
    Path("mine.yaml").write_text("grid: {seed: [0]}\n")
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "mine.yaml", "slots=1"])
    assert ended.value.code == 0
    path = Path("studies/mine-full/study.json")
    assert json.loads(path.read_text())["format"] == 1
    assert read_study_json(path, "").size == "full"


class Inner(Schema):
    numbers: list[float]
    word: str | None = None


class Outer(FileSchema):
    inner: dict[str, Inner | None]
    either: float | dict[str, float | None] | None = None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "inner is missing"),
        ({"inner": []}, "inner is a list of 0; expected an object"),
        ({"inner": {"a": {"numbers": [1, "x"]}}}, 'inner.a.numbers.1 is "x"; expected a number'),
        ({"inner": {"a": {"numbers": [True]}}}, "inner.a.numbers.0 is true; expected a number"),
        ({"inner": {}, "either": {"z": "t"}}, 'either.z is "t"; expected a number'),
        ({"inner": {}, "either": True}, "either is true; expected a number"),
        ({"inner": {}, "format": 10**400}, "format is 1000"),
        ({"inner": {"a": {"numbers": [], "word": 3}}}, "inner.a.word is 3; expected a text"),
        ({"inner": {"a": None}, "either": {"z": 1}}, None),
    ],
)
def test_the_innermost_mistake_is_told_with_its_key(content, said):
    mistake = mistake_in(Outer, content)
    assert mistake is None if said is None else str(mistake).startswith(said)
