import logging
import shutil

import pytest

from lungseg.comparison.discover import Wanted, gather
from lungseg.core.errors import UserError
from tests.comparison.runs import make_run, people, scores_of, spoil


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    cases = people(9)
    for number, name in enumerate(("a", "b", "deep/er/c")):
        make_run(root / name, cases, scores_of(9, seed=number), seed=number, pictures=False)
    return root


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made, tmp_path / "runs")


@pytest.fixture
def told(monkeypatch):
    """What is logged, whatever other tests did to the logger."""
    lines = []
    log = logging.getLogger("lungseg")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    monkeypatch.setattr(log, "handlers", [handler])
    before = log.level
    log.setLevel(logging.INFO)  # which, unlike setting the attribute, forgets what was found to be off before
    yield lines
    log.setLevel(before)


def names(entries):
    return [entry.run.path.name for entry in entries]


def test_a_folder_gives_its_runs_at_any_depth_and_a_run_or_a_judgement_itself(root):
    assert names(gather([root], Wanted())) == ["a", "b", "c"]
    assert names(gather([root / "deep", root / "b" / "evaluation" / "phantom-test"], Wanted())) == ["c", "b"]


def test_a_run_that_is_named_twice_counts_once(root, tmp_path):
    (tmp_path / "link").symlink_to(root / "a")
    twice = [root / "a", root, root / "a" / "evaluation" / "phantom-test", tmp_path / "link"]
    assert names(gather(twice, Wanted())) == ["a", "b", "c"]
    with pytest.raises(UserError, match=r"holds only .*a to compare; at least 2 different judged runs"):
        gather([root / "a", root / "a"], Wanted())


def test_what_is_no_run_is_said(root, tmp_path):
    (tmp_path / "empty").mkdir()
    for place, said in [
        (tmp_path / "nowhere", "no such directory"),
        (root / "a" / "config.yaml", "is a file"),
        (tmp_path / "empty", "holds none to compare"),
    ]:
        with pytest.raises(UserError, match=said) as error:
            gather([place], Wanted())
        assert str(place) in str(error.value)
        assert "\n" not in str(error.value)


def test_an_unfinished_run_that_was_named_is_refused_and_one_that_was_found_is_left_out(root, told):
    shutil.rmtree(root / "b" / "evaluation")
    spoil(root / "b" / "manifest.json", lambda content: content.update(status="running"))
    with pytest.raises(UserError, match=r"b: is not finished \(running\); go on with it: python train.py resume="):
        gather([root / "a", root / "b"], Wanted())
    assert names(gather([root], Wanted())) == ["a", "c"]
    assert [line for line in told if "left out" in line and "is not finished" in line]


@pytest.mark.parametrize("gone", ["config.yaml", "manifest.json", "splits.json"])
def test_a_run_that_was_deleted_half_way_is_said(root, told, gone):
    (root / "b" / gone).unlink()
    with pytest.raises(UserError, match=rf"b: {gone} is missing: begun and not finished, or deleted half-way"):
        gather([root / "a", root / "b"], Wanted())
    assert names(gather([root], Wanted())) == ["a", "c"]
    with pytest.raises(UserError, match=f"{gone}: .*restore it"):
        gather([root / "a", root / "b" / "evaluation" / "phantom-test"], Wanted())


def test_a_judgement_that_was_deleted_half_way_is_said(root):
    folder = root / "b" / "evaluation" / "phantom-test"
    (folder / "summary.json").unlink()
    with pytest.raises(UserError, match=r"summary.json: cannot be read.*python evaluate.py run=.*b"):
        gather([root / "a", root / "b"], Wanted())
    (folder / "cases.csv").unlink()
    with pytest.raises(UserError, match=r"b: was not judged as phantom-test \(it has none\); judge it"):
        gather([root / "a", root / "b"], Wanted())


def test_a_judgement_can_be_asked_for_by_its_name(root):
    shutil.copytree(root / "a" / "evaluation" / "phantom-test", root / "a" / "evaluation" / "phantom-val")
    with pytest.raises(UserError, match=r"b: was not judged as phantom-val \(it has phantom-test\)"):
        gather([root / "a", root / "b"], Wanted("phantom-val"))
    shutil.copytree(root / "b" / "evaluation" / "phantom-test", root / "b" / "evaluation" / "phantom-val")
    found = gather([root / "a", root / "b"], Wanted("phantom-val"))
    assert {entry.folder.name for entry in found} == {"phantom-val"}


@pytest.mark.parametrize(("name", "content"), [("manifest.json", "[]"), ("config.yaml", "[1]"), ("config.yaml", ": :")])
def test_a_file_that_is_something_else_is_named(root, name, content):
    (root / "b" / name).write_text(content)
    with pytest.raises(UserError) as error:
        gather([root / "a", root / "b"], Wanted())
    assert str(root / "b" / name) in str(error.value)


def test_a_name_that_no_table_can_hold_is_refused(root):
    odd = (root / "b").rename(root / "b\udcff")
    with pytest.raises(UserError, match=r"b\\udcff.*is no UTF-8.*rename the folder"):
        gather([root / "a", odd], Wanted())


def test_odd_values_in_the_files_beside_do_not_matter(root):
    config = (root / "b" / "config.yaml").read_text().replace('"seed": 1', '"seed": "many"')
    (root / "b" / "config.yaml").write_text(config)
    (root / "b" / "metrics.csv").write_text("epoch,val/dice\n1,nan\n2,0.5\n3,inf\n")
    (root / "a" / "metrics.csv").write_text("epoch,val/dice\nx,0.5\n")
    one, two = gather([root / "a", root / "b"], Wanted())
    assert (one.curves, two.curves, two.seed) == ({}, {"val/dice": [(2, 0.5)]}, 0)


def test_the_command_that_is_printed_makes_the_judgement_that_lacks(root):
    (root / "a").rename(root / "the a")
    for name, command in [
        ("phantom-val", r"; judge it: python evaluate\.py 'run=\"\S+ a\"' split=val$"),
        (
            "phantom-test-hflip",
            r"\(it has phantom-test\); name one of these by evaluation=, or judge it .* data=\.\.\.$",
        ),
        ("other-abc123-all", r"\(it has phantom-test\); name one of these by evaluation=, or judge it .* data=\.\.\.$"),
    ]:
        with pytest.raises(UserError, match=rf"the a: was not judged as {name} .*{command}"):
            gather([root / "the a", root / "b"], Wanted(name))
    shutil.rmtree(root / "b" / "evaluation")
    with pytest.raises(UserError, match=r"\(it has none\); judge it: python evaluate\.py run=\S+b$"):
        gather([root / "the a", root / "b"], Wanted())
