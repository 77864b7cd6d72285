"""What is said of SLURM's queue, with a squeue that only pretends."""

import os
import pickle
from pathlib import Path

import pytest

from lungseg.sweep.executors.slurm_queue import Queue, ask, counted, how_it_ended
from lungseg.sweep.state.heartbeat import Heartbeat, alive


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """What it answers; each time that it is asked is a line of ``asked``."""
    program = tmp_path / "bin" / "squeue"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\necho "$@" >> asked\ncat answer 2>/dev/null || { echo "$(cat error)" >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return Path("answer")


def test_it_is_asked_no_more_often_than_is_polite(squeue):
    squeue.write_text("7_0 RUNNING None\n7_1 PENDING Resources\n8 COMPLETING None\n")
    queue = Queue()
    for _ in range(5):
        assert queue.there({"7_0", "7_1", "8"}) == {"7_0": "RUNNING None", "7_1": "PENDING Resources"}
    assert queue.said({"7_0", "7_1"}) == "1 running, 1 pending (Resources)"
    assert Path("asked").read_text().count("--jobs=7,8") == 1
    squeue.write_text("")
    queue.forget()
    assert queue.there({"7_0"}) == {}


def test_where_nobody_answers_no_job_is_taken_for_ended(squeue):
    Path("error").write_text("slurm_load_jobs error: Unable to contact slurm controller")
    assert ask([]) is None
    assert Queue().there({"7"}) == {"7": "UNKNOWN"}
    Path("error").write_text("slurm_load_jobs error: Invalid job id specified")
    assert Queue().there({"7"}) == {}


@pytest.mark.parametrize(
    ("told", "job"),
    [({"ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "1", "JOB_ID": "9"}, "7_1"), ({"JOB_ID": "8"}, "8"), ({}, None)],
)
def test_a_worker_names_its_job_as_squeue_does(tmp_path, monkeypatch, told, job):
    for name in ("ARRAY_JOB_ID", "ARRAY_TASK_ID", "JOB_ID"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
        if name in told:
            monkeypatch.setenv(f"SLURM_{name}", told[name])
    heartbeat = Heartbeat(tmp_path, 30, {"executor": "slurm"})
    heartbeat.start()
    assert [one["job"] for one in alive(tmp_path, 30)] == [job]
    heartbeat.stop()


def test_states_are_counted_with_the_reason_of_those_that_wait():
    assert counted(["PENDING Priority", "RUNNING None", "PENDING Priority", "PENDING None"]) == (
        "2 pending (Priority), 1 running, 1 pending"
    )
    assert counted([]) == ""


@pytest.mark.parametrize(
    ("result", "log", "why"),
    [
        (("success", None), "noise", None),
        (("error", "Traceback\n  File\nOSError: no such disk\n"), "noise", "OSError: no such disk"),
        (None, "bash: line 3\nno such module\n", "no such module"),
        (None, "", "it said nothing; was it cancelled?"),
        (None, None, "it said nothing; was it cancelled?"),
    ],
)
def test_how_a_job_ended(tmp_path, result, log, why):
    if result:
        (tmp_path / "7_0_result.pkl").write_bytes(pickle.dumps(result))
    if log is not None:
        (tmp_path / "7_0_log.err").write_text(log)
    assert how_it_ended(tmp_path, "7") == why
