"""What a run's manifest vouches for is checked wherever the run is read back."""

import json
import shutil

import numpy as np
import pytest
from omegaconf import OmegaConf

from lungseg.comparison.discover import Wanted, gather
from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.evaluation.evaluate import evaluate
from lungseg.training.train import train
from tests.helpers import vouch


@pytest.fixture
def copied(lung_runs, tmp_path):
    """A run of its own, to change."""

    def copy(name, to=None):
        return Run(shutil.copytree(lung_runs / name, tmp_path / (to or name)))

    return copy


def change_manifest(run, change):
    content = json.loads(run.manifest_file.read_text())
    change(content)
    run.manifest_file.write_text(json.dumps(content))


def stopped(run):
    """As if it had been stopped after its last epoch."""
    change_manifest(run, lambda content: content.update(status="stopped"))
    return run


def swap_sides(run):
    splits = json.loads(run.splits_file.read_text())
    swapped = {"train": splits["test"], "val": splits["val"], "test": splits["train"]}
    run.splits_file.write_text(json.dumps(swapped, indent=1) + "\n")


def change_config(run):
    cfg = OmegaConf.load(run.config_file)
    cfg.data.clahe = True
    run.config_file.write_text(OmegaConf.to_yaml(cfg))


def evaluate_it(run, other, out):
    evaluate(evaluate_config([f"run={run.path}", f"out={out}"]))


def evaluate_as_member(run, other, out):
    evaluate(evaluate_config([f"run=[{other},{run.path}]", f"out={out}"]))


def evaluate_as_gate(run, other, out):
    from lungseg.evaluation.analyses.ask import _lungs

    _lungs(str(run.path), Run(other).config(), [])


def crop_by_it(run, other, out):
    words = ["data.count=36", "data.pixels=64", "data.size=32", "trainer=cpu", "trainer.max_epochs=1", "logger=none"]
    train(train_config([*words, "model=unet_classic", f"data.crop={run.path}", f"run_dir={out}"]))


def resume_it(run, other, out):
    train(train_config([f"resume={stopped(run).path}"]), [f"resume={run.path}"])


def compare_it(run, other, out):
    gather([other, run.path], Wanted())


READERS = [evaluate_it, evaluate_as_member, evaluate_as_gate, crop_by_it, resume_it, compare_it]


@pytest.mark.parametrize("read", READERS)
def test_swapped_sides_of_the_split_are_refused(copied, lung_runs, tmp_path, read):
    run = copied("b")
    swap_sides(run)
    before = {path: path.read_bytes() for path in run.path.rglob("*.csv")}
    with pytest.raises(UserError, match=r"splits\.json: is not as the run wrote it .*training images") as caught:
        read(run, lung_runs / "a", tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert {path: path.read_bytes() for path in run.path.rglob("*.csv")} == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("read", READERS)
def test_an_edited_config_is_refused_with_what_to_do_where_data_has_moved(copied, lung_runs, tmp_path, read):
    run = copied("b")
    change_config(run)
    said = r"config\.yaml: is not as the run wrote it .*restore it.*add data\.root=FOLDER to the command$"
    with pytest.raises(UserError, match=said) as caught:
        read(run, lung_runs / "a", tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("read", READERS[:5])
def test_other_weights_are_refused(copied, lung_runs, tmp_path, read):
    run = copied("b")
    shutil.copy(lung_runs / "a" / "checkpoints" / "best.ckpt", run.best)
    with pytest.raises(UserError, match=r"best\.ckpt: is not as the run wrote it .*not those that training ended with"):
        read(run, lung_runs / "a", tmp_path / "out")


@pytest.mark.parametrize("read", READERS)
def test_a_manifest_without_the_splits_hash_is_refused(copied, lung_runs, tmp_path, read):
    run = copied("b")
    change_manifest(run, lambda content: content.pop("split"))
    with pytest.raises(UserError, match=r"manifest\.json: has no split\.sha256, so nobody knows whether splits\.json"):
        read(run, lung_runs / "a", tmp_path / "out")


@pytest.mark.parametrize("read", [evaluate_it, resume_it])
def test_a_manifest_without_the_fingerprint_is_refused(copied, tmp_path, read):
    run = copied("a")
    change_manifest(run, lambda content: content.pop("data_fingerprint"))
    with pytest.raises(UserError, match=r"manifest\.json: has no data_fingerprint, so nobody knows what data"):
        read(run, None, tmp_path / "out")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("sha256"), r"manifest\.json: has no sha256 of config\.yaml, so nobody knows"),
        (lambda content: content.update(sha256={}), r"manifest\.json: has no sha256 of config\.yaml, so nobody knows"),
        (lambda content: content.pop("data_fingerprint"), r"manifest\.json: has no data_fingerprint, so nobody knows"),
        (lambda content: content["cases"].update(train=1), r"splits\.json: train has \d+ cases, manifest\.json says 1"),
        (
            lambda content: content.update(best_epoch=99),
            r"manifest\.json: best_epoch is 99; expected one of the \d+ epochs",
        ),
        (
            lambda content: content.update(best_epoch=0),
            r"manifest\.json: best_epoch is 0; expected one of the \d+ epochs",
        ),
    ],
)
def test_a_manifest_with_gaps_or_other_numbers_is_refused(copied, lung_runs, tmp_path, read, change, said):
    run = copied("b")
    change_manifest(run, change)
    with pytest.raises(UserError, match=said) as caught:
        read(run, lung_runs / "a", tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("read", [evaluate_it, compare_it])
def test_a_status_that_lungseg_does_not_write_is_refused(copied, lung_runs, tmp_path, read):
    run = copied("b")
    change_manifest(run, lambda content: content.update(status="nonsense"))
    with pytest.raises(UserError, match=r'manifest\.json: status is "nonsense"; expected running'):
        read(run, lung_runs / "a", tmp_path / "out")


def test_a_finished_run_vouches_for_its_weights(copied, lung_runs, tmp_path):
    run = copied("b")
    change_manifest(run, lambda content: content["sha256"].pop("checkpoints/best.ckpt"))
    for read in (evaluate_it, compare_it):
        with pytest.raises(UserError, match=r"manifest\.json: has no sha256 of checkpoints/best\.ckpt"):
            read(run, lung_runs / "a", tmp_path / "out")


def test_another_mean_mask_and_a_changed_cropping_run_within_a_run_are_refused(copied, tmp_path):
    run = copied("cut")
    np.savez_compressed(run.baseline_file, mask=np.ones((1, 32, 32), bool))
    with pytest.raises(UserError, match=r"mean_mask\.npz: is not as the run wrote it"):
        evaluate_it(run, None, tmp_path / "out")
    for name in ("config.yaml", "checkpoints/best.ckpt"):
        run = copied("cut", name.replace("/", "-"))
        path = run.path / "crop" / name
        path.write_bytes(path.read_bytes() + b"\n")
        with pytest.raises(UserError, match=rf"crop/{name}: is not as the run wrote it"):
            evaluate_it(run, None, tmp_path / "out")
        with pytest.raises(UserError, match=rf"crop/{name}: is not as the run wrote it"):
            resume_it(run, None, tmp_path / "out")


def test_another_number_of_cases_and_a_newer_format_are_refused(copied, tmp_path):
    run = copied("a")
    change_manifest(run, lambda content: content["cases"].update(test=4))
    with pytest.raises(UserError, match=r"splits\.json: test has 5 cases, manifest\.json says 4"):
        evaluate_it(run, None, tmp_path / "out")
    change_manifest(run, lambda content: content.update(format=2))
    with pytest.raises(UserError, match=r"manifest\.json: format 2 is of a newer lungseg; this one knows 1: update"):
        evaluate_it(run, None, tmp_path / "out")


def test_a_run_of_before_there_were_such_hashes_is_judged_compared_and_gone_on_with(copied, lung_runs, tmp_path):
    run = copied("b")
    change_manifest(run, lambda content: [content.pop(key) for key in ("format", "sha256")])
    evaluate_it(run, None, tmp_path / "out")
    table = (run.path / "evaluation" / "phantom-test" / "cases.csv").read_bytes()
    assert (tmp_path / "out" / "cases.csv").read_bytes() == table
    assert len(gather([run.path, lung_runs / "a"], Wanted())) == 2
    resume_it(run, None, None)
    assert run.manifest()["status"] == "finished"
    swap_sides(run)
    with pytest.raises(UserError, match=r"splits\.json: is not as the run wrote it"):
        evaluate_it(run, None, tmp_path / "out")


def test_a_stopped_run_goes_on_with_weights_that_change_and_vouches_for_the_last_ones(copied):
    run = stopped(copied("a"))
    change_manifest(run, lambda content: content["sha256"].pop("checkpoints/best.ckpt"))  # while it trains
    resume_it(run, None, None)
    evaluate_it(run, None, run.path / "out")
    assert run.manifest()["status"] == "finished"
    run.best.write_bytes(run.last.read_bytes() + b"\n")
    with pytest.raises(UserError, match=r"best\.ckpt: is not as the run wrote it"):
        evaluate_it(run, None, run.path / "again")


def test_what_a_test_changed_on_purpose_can_be_vouched_for(copied, tmp_path):
    run = copied("a")
    change_config(run)
    vouch(run.path)
    evaluate_it(run, None, tmp_path / "out")
    assert (tmp_path / "out" / "cases.csv").is_file()
