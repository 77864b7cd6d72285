"""Everything that may go wrong while a study runs, made to happen."""

import json
import os
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from lungseg.cli.main import main
from lungseg.sweep.run import worker as workers
from lungseg.sweep.state.study_record import recorded
from lungseg.sweep.state.trial_queue import TrialQueue
from tests.sweep.pretend import end, epochs, finished, running, start, until

SLOW = "trainer.save_every_minutes: 0.3"  # seconds of an epoch, to the program that pretends


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 0.1)
    monkeypatch.setattr(workers, "CHECKED", 0.2)


def study(content):
    Path("mine.yaml").write_text(content)
    return Path("studies/mine-full")


def ran(*words):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "mine.yaml", *words])
    return ended.value.code


def done(run, count):
    """Each epoch once, in order, whoever did them."""
    assert [epoch for epoch, _ in epochs(run)] == list(range(1, count + 1))
    assert finished(run)


def states(folder):
    return Counter(row.state for row in TrialQueue(recorded(folder)[0]).rows())


def test_a_trial_that_is_killed_goes_on_from_its_checkpoint(pretended, compared, capsys):
    folder = study("base: {trainer.max_epochs: 4}\ngrid: {optim.lr: [5]}\n")
    assert ran("slots=1") == 0
    done(folder / "lr5", 4)
    said = capsys.readouterr().out
    assert "lr5  waits again: killed by signal 9" in said
    assert len({pid for _, pid in epochs(folder / "lr5")}) == 2
    assert states(folder) == {"finished": 1}


def test_a_folder_that_cannot_be_written_is_one_line_and_no_trial_is_lost(pretended, compared, capsys):
    folder = study("base: {trainer.max_epochs: 2}\ngrid: {seed: [0, 1]}\n")
    folder.mkdir(parents=True)
    (folder / "logs").write_text("not a folder")
    assert ran("slots=2") == 1
    said = capsys.readouterr().err
    assert said == "error: studies/mine-full/logs: File exists; mend that, then go on by the same command\n"
    (folder / "logs").unlink()
    assert ran("slots=2") == 0
    assert states(folder) == {"finished": 2}


@pytest.mark.slow
def test_a_trial_that_is_killed_each_time_fails_in_the_end(pretended, compared, capsys):
    folder = study("base: {trainer.max_epochs: 4}\ngrid: {optim.lr: [1, 5]}\nretries: 1\n")
    pretended.write_text(pretended.read_text().replace("rate == 5 and epoch == 2", "rate == 5"))
    assert ran("slots=1") == 3
    said, error = capsys.readouterr()
    assert "killed by signal 9 (2 times)" in said
    assert "1 of the trials failed, as said above: lr5" in error
    assert states(folder) == {"finished": 1, "failed": 1}


@pytest.mark.parametrize("allowed", [True, False])
def test_out_of_memory_is_tried_once_with_half_the_batch_where_that_is_allowed(pretended, compared, capsys, allowed):
    folder = study(f"base: {{data.batch_size: 8}}\ngrid: {{optim.lr: [6]}}\nshrink: {str(allowed).lower()}\n")
    assert ran("slots=1") == (0 if allowed else 1)
    lines = (folder / "logs" / "lr6.log").read_text().splitlines()
    assert sum(line.startswith("error: out of memory") for line in lines) == 1
    if allowed:
        assert lines[-1].split()[-2:] == ["data.batch_size=4", "run_dir=studies/mine-full/lr6"] or (
            "data.batch_size=4" in lines[-1] and "trainer.accumulate_grad_batches=2" in lines[-1]
        )
        assert "waits again: out of memory" in capsys.readouterr().out


def test_out_of_memory_twice_is_a_failure(pretended, compared, capsys):
    study("base: {data.batch_size: 16}\ngrid: {optim.lr: [6]}\nshrink: true\n")
    assert ran("slots=1") == 1
    assert capsys.readouterr().out.count("out of memory of the GPU with data.batch_size=8") == 1


def test_a_leader_that_is_killed_takes_its_trials_with_it_and_the_next_goes_on(pretended, compared):
    folder = study(f"base: {{trainer.max_epochs: 6, {SLOW}}}\ngrid: {{seed: [0, 1, 2]}}\n")
    first = start(pretended, "sweep", "mine.yaml", "slots=2")
    until(lambda: all(len(epochs(folder / f"seed{n}")) >= 2 for n in (0, 1)), process=first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    until(lambda: not running(folder / "seed0") and not running(folder / "seed1"), 5)
    kept = {n: len(epochs(folder / f"seed{n}")) for n in (0, 1)}
    assert ran("slots=2") == 0
    for n in range(3):
        done(folder / f"seed{n}", 6)
    for n in (0, 1):
        assert len({pid for _, pid in epochs(folder / f"seed{n}")[: kept[n]]}) == 1  # what was done was not done again
    assert states(folder) == {"finished": 3}


def test_ctrl_c_once_finishes_what_runs_and_starts_nothing(pretended, compared):
    folder = study(f"base: {{trainer.max_epochs: 4, {SLOW}}}\ngrid: {{seed: [0, 1, 2]}}\n")
    process = start(pretended, "sweep", "mine.yaml", "slots=1")
    until(lambda: epochs(folder / "seed0"), process=process)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "nothing new is started; what runs is finished" in out
    assert err.splitlines()[-1] == "error: stopped; go on by: lungseg sweep mine.yaml size=full slots=1"
    done(folder / "seed0", 4)
    assert not (folder / "seed1").exists()
    assert ran("slots=1") == 0
    assert states(folder) == {"finished": 3}


@pytest.mark.parametrize("how", ["Ctrl-C twice", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_all_is_saved_and_stopped_and_goes_on(pretended, compared, how):
    folder = study(f"base: {{trainer.max_epochs: 9, {SLOW}}}\ngrid: {{seed: [0, 1, 2]}}\n")
    process = start(pretended, "sweep", "mine.yaml", "slots=2")
    until(lambda: epochs(folder / "seed0") and epochs(folder / "seed1"), process=process)
    if how == "SIGTERM":
        os.kill(process.pid, signal.SIGTERM)
    else:
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (143 if how == "SIGTERM" else 130)
    assert "go on by: lungseg sweep mine.yaml" in err
    assert not running(folder / "seed0")
    assert not finished(folder / "seed0")
    assert states(folder) == {"waiting": 3}
    assert ran("slots=2") == 0
    for n in range(3):
        done(folder / f"seed{n}", 9)


def test_anyone_may_join_and_one_that_dies_is_replaced(pretended, compared):
    folder = study(f"base: {{trainer.max_epochs: 9, {SLOW}}}\ngrid: {{seed: [0, 1, 2, 3]}}\nheartbeat: 6\n")
    leader = start(pretended, "sweep", "mine.yaml", "slots=1")
    until(lambda: (folder / "study.json").exists(), process=leader)
    helpers = [start(pretended, "sweep", "join", folder, "slots=1") for _ in range(2)]
    until(lambda: sum(running(folder / f"seed{n}") for n in range(4)) == 3, process=leader)
    end(helpers[0])
    out, err = leader.communicate(timeout=60)
    assert leader.returncode == 0, out + err
    assert helpers[1].wait(timeout=30) == 0
    for n in range(4):
        done(folder / f"seed{n}", 9)
    assert "its worker" in out + helpers[1].stdout.read()  # whoever saw it first
    assert states(folder) == {"finished": 4}
    assert len({pid for n in range(4) for _, pid in epochs(folder / f"seed{n}")}) == 5


def test_the_trials_of_a_machine_that_went_away_wait_again_after_the_heartbeat(pretended, compared, capsys):
    """Its worker's file is there, and is touched no more; nobody can look whether its process lives."""
    folder = study("base: {trainer.max_epochs: 2}\ngrid: {seed: [0, 1]}\nheartbeat: 3\n")
    assert ran("seed=1", "slots=1") == 0
    queue = TrialQueue(recorded(folder)[0])
    queue.fill(["seed0", "seed1"], [])
    heartbeat = folder / "workers" / "elsewhere-1.json"
    heartbeat.write_text(json.dumps({"host": "elsewhere", "machine": "elsewhere", "pid": 1, "began": "1"}))
    assert queue.claim("elsewhere-1").name == "seed0"
    began = time.time()
    assert ran("slots=1") == 0
    assert time.time() - began > 2.5
    assert "seed0  waits again: its worker elsewhere-1 is gone" in capsys.readouterr().out
    done(folder / "seed0", 2)


def test_a_worker_whose_process_is_another_by_now_is_dead_at_once(pretended, compared, capsys):
    folder = study("base: {trainer.max_epochs: 2}\ngrid: {seed: [0, 1]}\nheartbeat: 60\n")
    assert ran("seed=1", "slots=1") == 0
    from lungseg.sweep.state.heartbeat import Heartbeat

    queue = TrialQueue(recorded(folder)[0])
    queue.fill(["seed0", "seed1"], [])
    heartbeat = Heartbeat(folder, 60, {})
    heartbeat.start()
    assert queue.claim(heartbeat.name).name == "seed0"
    about = json.loads(heartbeat.path.read_text())
    assert about["host"] == socket.gethostname()
    heartbeat.path.write_text(json.dumps({**about, "began": "12"}))
    began = time.time()
    assert ran("slots=1") == 0
    assert time.time() - began < 20
    heartbeat.stop()


def test_a_stop_reaches_workers_elsewhere(pretended, compared):
    folder = study(f"base: {{trainer.max_epochs: 30, {SLOW}}}\ngrid: {{seed: [0, 1]}}\n")
    leader = start(pretended, "sweep", "mine.yaml", "slots=1")
    until(lambda: epochs(folder / "seed0"), process=leader)
    helper = start(pretended, "sweep", "join", folder, "slots=1")
    until(lambda: epochs(folder / "seed1"), process=helper)
    os.kill(leader.pid, signal.SIGTERM)
    leader.communicate(timeout=20)
    helper.communicate(timeout=20)
    assert not running(folder / "seed0")
    assert not running(folder / "seed1")
    assert states(folder) == {"waiting": 2}


def test_a_trial_under_which_every_worker_dies_fails_in_the_end(pretended, compared, capsys, monkeypatch):
    monkeypatch.setattr("lungseg.sweep.state.recovery.DEADLY", 3)
    folder = study("grid: {seed: [0, 1]}\nheartbeat: 60\n")
    assert ran("seed=1", "slots=1") == 0
    queue = TrialQueue(recorded(folder)[0])
    queue.fill(["seed0", "seed1"], [])
    for attempt in range(2):
        row = queue.claim(f"gone-{attempt}")
        assert queue.give_back(row, "its worker is gone")
    assert queue.claim("gone-2").attempt == 2
    assert ran("slots=1") == 3
    assert "3 workers have gone while they ran it" in capsys.readouterr().out
    assert not (folder / "seed0").exists()
