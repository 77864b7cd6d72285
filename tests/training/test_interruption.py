"""A loading process that dies, and Ctrl-C more than once: one line, the command that goes on, and the status."""

import errno
import json
import multiprocessing
import os
import signal

import pytest

from lungseg.core import signals
from lungseg.core.config.command_line import train_config
from lungseg.core.errors import DataError, Stopped, UserError
from lungseg.core.oom_kills import oom_kills
from lungseg.core.run_directory import Run
from lungseg.data import loader
from lungseg.data.dataset import CaseDataset
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.tasks.segmentation.module import SegmentationModule
from lungseg.training.train import train

SMALL = ["data.count=36", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "logger=none"]
SMALL += ["model=unet_classic", "model.width=2", "model.depth=1", "trainer=cpu", "trainer.max_epochs=3"]


def fit(path, *words):
    return train(train_config([*SMALL, f"run_dir={path}", *words]))


@pytest.fixture
def do_at(monkeypatch):
    """Do something in the midst of the n-th training or validation step from now."""

    def arm(step, action, name="training_step"):
        steps, original = [0], getattr(SegmentationModule, name)

        def changed(self, batch, batch_idx):
            steps[0] += 1
            if steps[0] == step:
                action()
            return original(self, batch, batch_idx)

        monkeypatch.setattr(SegmentationModule, name, changed)

    yield arm
    monkeypatch.undo()


@pytest.fixture
def kill_worker():
    """Kill a loading process of the run that is to come; others may be left of runs that failed before."""
    before = set(multiprocessing.active_children())

    def kill(number=signal.SIGKILL):
        worker = next(process for process in multiprocessing.active_children() if process not in before)
        os.kill(worker.pid, number)
        worker.join()

    return kill


@pytest.mark.parametrize(("name", "step"), [("training_step", 9), ("validation_step", 4)])
def test_a_loading_process_that_is_killed_is_one_line_with_the_command_that_goes_on(
    tmp_path, do_at, kill_worker, name, step
):
    do_at(step, kill_worker, name)
    with pytest.raises(UserError) as caught:
        fit(tmp_path / "run", "data.workers=1")
    run = Run(tmp_path / "run")
    said = str(caught.value)
    assert "a loading process (pid " in said
    assert ") was killed by SIGKILL, as where memory runs out; take fewer data.workers=" in said
    assert said.endswith(f"; go on from what was saved by: python train.py resume={run.path} data.workers=0")
    assert len(said.splitlines()) == 1
    assert (run.manifest()["status"], run.manifest()["reason"]) == ("failed", said)
    words = [f"resume={run.path}", "data.workers=0"]
    assert train(train_config(words), words).manifest()["status"] == "finished"


def test_before_anything_was_saved_no_command_is_told_that_could_not_go_on(tmp_path, do_at, kill_worker):
    do_at(2, lambda: kill_worker(signal.SIGSEGV))
    with pytest.raises(UserError, match=r"was killed by SIGSEGV; try data\.workers=0$"):
        fit(tmp_path / "run", "data.workers=1")
    assert Run(tmp_path / "run").manifest()["status"] == "failed"


def test_the_systems_own_counter_tells_that_it_was_memory(tmp_path, do_at, kill_worker, monkeypatch):
    counted = iter(range(100))
    monkeypatch.setattr(loader, "oom_kills", lambda: next(counted))
    do_at(2, kill_worker)
    with pytest.raises(UserError, match=r"^out of memory: the system killed a loading process \(pid \d+\); take fewer"):
        fit(tmp_path / "run", "data.workers=1")
    assert json.loads((tmp_path / "run" / "failure.json").read_text())["kind"] == "out of memory"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ValueError("odd\nmore"),
            "cannot be loaded (ValueError: odd); where in the code: the same with data.workers=0",
        ),
        (UserError("a.png: Error: broken"), "a.png: Error: broken"),
    ],
)
def test_what_a_case_fails_with_in_a_loading_process_is_one_line(tmp_path, monkeypatch, error, said):
    def fail(self, key):
        raise error

    monkeypatch.setattr(CaseDataset, "__getitem__", fail)
    with pytest.raises(UserError) as caught:
        fit(tmp_path / "run", "data.workers=1")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    if isinstance(error, ValueError):
        assert str(caught.value).startswith("phantom-")


def test_a_loading_process_without_memory_is_told_as_memory(tmp_path, monkeypatch):
    def fail(self, key):
        raise MemoryError

    monkeypatch.setattr(CaseDataset, "__getitem__", fail)
    with pytest.raises(MemoryError):  # which the program tells as it tells any other
        fit(tmp_path / "run", "data.workers=1")
    assert Run(tmp_path / "run").manifest()["status"] == "failed"
    assert json.loads((tmp_path / "run" / "failure.json").read_text())["kind"] == "out of memory"


def test_a_loading_process_that_ends_by_itself_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(CaseDataset, "__getitem__", lambda self, key: os._exit(3))
    with pytest.raises(UserError, match=r"a loading process \(pid \d+\) ended by itself with exit code 3"):
        fit(tmp_path / "run", "data.workers=1")


def test_kills_are_counted_for_the_machine_and_the_group_of_either_version(tmp_path):
    assert oom_kills(tmp_path) == 0
    for path, text in (
        ("proc/self/cgroup", "4:memory:/jobs/7\n0::/user/me\n"),
        ("proc/vmstat", "pgfault 9\noom_kill 1\n"),
        ("sys/fs/cgroup/user/me/memory.events", "low 0\noom 3\noom_kill 20\n"),
        ("sys/fs/cgroup/memory/jobs/7/memory.oom_control", "under_oom 0\noom_kill 300\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert oom_kills(tmp_path) == 321


@pytest.mark.parametrize("times", [2, 3])
def test_ctrl_c_more_than_once_stops_at_once_and_says_what_was_saved(tmp_path, do_at, times):
    def press():
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    do_at(12, press)
    with pytest.raises(Stopped) as caught:
        fit(tmp_path / "run")
    run = Run(tmp_path / "run")
    go_on = f"go on from what was saved by: python train.py resume={run.path}"
    assert str(caught.value) == f"stopped at once; {go_on}"
    assert caught.value.exit_code == 130
    assert run.manifest()["status"] == "stopped"
    assert load_checkpoint(run.last)["epoch"] == 0
    assert train(train_config([f"resume={run.path}"])).manifest()["status"] == "finished"


def test_where_nothing_was_saved_the_command_begins_again(tmp_path, do_at):
    do_at(2, lambda: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)])
    with pytest.raises(Stopped, match=r"^stopped at once; nothing was saved; begin again by: python train\.py resume="):
        fit(tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.manifest()["status"] == "stopped"
    assert train(train_config([f"resume={run.path}"])).manifest()["status"] == "finished"


def test_a_second_ctrl_c_while_the_state_is_saved_already_changes_nothing(tmp_path, do_at, monkeypatch):
    def finish(writers):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("lungseg.evaluation.loggers.build.finish", finish)
    do_at(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Stopped, match=r"^stopped, state saved; go on by"):
        fit(tmp_path / "run")


def test_a_program_that_hangs_while_it_ends_is_ended_by_a_later_ctrl_c(monkeypatch):
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    ctrl_c = signals.CtrlC()
    with pytest.raises(KeyboardInterrupt):
        ctrl_c.handle(signal.SIGINT, None)
    ctrl_c.handle(signal.SIGINT, None)
    assert left == []
    ctrl_c.ending_since -= 2 * signals.PATIENCE
    ctrl_c.handle(signal.SIGINT, None)
    assert left == [130]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk full"),
        (ValueError("a bug"), "unexpected"),
        (DataError("a mask"), "data"),
    ],
)
def test_why_a_training_failed_stands_in_its_directory_until_it_goes_on(tmp_path, do_at, error, kind):
    def fails():
        raise error

    do_at(9, fails)
    with pytest.raises(type(error)):
        fit(tmp_path / "run")
    failure = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert (failure["kind"], failure["exit_code"]) == (kind, 1)
    do_at(10_000, fails)
    train(train_config([f"resume={tmp_path / 'run'}"]))
    assert not (tmp_path / "run" / "failure.json").exists()


def test_a_signal_is_told_as_such_to_whoever_reads_the_directory(tmp_path, do_at):
    do_at(9, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped):
        fit(tmp_path / "run")
    failure = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert (failure["kind"], failure["exit_code"]) == ("stopped", 143)
