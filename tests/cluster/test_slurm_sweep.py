"""Studies on a real SLURM of two nodes: preempted, out of time, killed, left alone by their leader."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.left import states
from tests.cluster.pretended import environment
from tests.sweep.pretend import epochs, finished, until

pytestmark = pytest.mark.slow

SETTINGS = "executor: slurm\nworkers: 2\nresources: {gpus: 0, cpus: 1}\nheartbeat: 6\n"
PARTITION = "slurm: {partition: low, timeout_min: 10}\n"


def grid(epochs, seeds, slurm=PARTITION):
    """A study of so many epochs, each of 0.4 seconds, and so many trials."""
    base = f"base: {{trainer.max_epochs: {epochs}, trainer.save_every_minutes: 0.4}}\n"
    return f"{base}grid: {{seed: {list(range(seeds))}}}\n{SETTINGS}{slurm}"


@pytest.fixture
def here(slurm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield environment(tmp_path, slurm)
    subprocess.run(["scancel", "--full", "--user=root"], env=slurm, check=False)
    until(lambda: not subprocess.run(["squeue", "-h"], env=slurm, capture_output=True, text=True).stdout.strip(), 60)


def study(content):
    Path("mine.yaml").write_text(content)
    return Path("studies/mine-full")


def lead(env, *words):
    command = [str(Path(sys.executable).parent / "lungseg"), "sweep", "mine.yaml", *words]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process, seconds=150):
    """What it printed; the comparison of runs that only pretend is refused, which is no matter here."""
    out, _ = process.communicate(timeout=seconds)
    return out


def whole(folder, trials, count):
    for trial in trials:
        assert [epoch for epoch, _ in epochs(folder / trial)] == list(range(1, count + 1)), trial
        assert finished(folder / trial)
    assert states(folder) == {"finished": len(trials)}


def hosts(folder):
    return {json.loads(path.read_text()).get("host") for path in (folder / "workers").glob("*.json")}


@pytest.mark.parametrize("mode", ["workers", "trials"])
def test_two_nodes_work_through_a_study(here, mode):
    folder = study(grid(5, 4, f"slurm: {{partition: low, timeout_min: 10, mode: {mode}, exclusive: true}}\n"))
    process, seen = lead(here), set()
    while process.poll() is None:
        seen |= hosts(folder) if folder.exists() else set()
        time.sleep(0.2)
    said = ended(process)
    assert "trials: 4 finished" in said, said
    assert "jobs queued: " in said
    assert all(f"seed{n}  {what}" in said for n in range(4) for what in ("began\n", "finished in ")), said
    whole(folder, [f"seed{n}" for n in range(4)], 5)
    assert {"n1", "n2"} <= seen
    until(lambda: not list((folder / "workers").glob("*.json")), 30)  # who saw the end a little later


@pytest.mark.parametrize(
    ("options", "words", "message"),
    [
        (
            "partition: nope",
            [],
            "error: executor=slurm: sbatch says: invalid partition specified: nope; mend slurm.KEY=...",
        ),
        ("", ["slurm.partion=low"], "error: executor=slurm: sbatch says: sbatch: unrecognized option '--partion=low'"),
        ("partion: low", [], "error: mine.yaml: slurm.partion: is not taken from a study's file"),
    ],
)
def test_what_sbatch_refuses_is_one_line_and_leaves_nothing(here, options, words, message):
    folder = study(grid(5, 2, f"slurm: {{{options}}}\n"))
    process = lead(here, *words)
    said = ended(process, 60)
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith(message), said
    assert "Traceback" not in said
    assert not folder.exists()


def test_jobs_that_die_before_they_take_a_trial_end_the_study(here):
    folder = study(grid(5, 4))
    process = lead(here, "slurm.setup=['echo no such module >&2', exit 3]")
    said = ended(process, 120)
    assert process.returncode == 1
    last = said.splitlines()[-1]
    assert "3 jobs, one after another, ended before they took a trial, the last one: no such module; what it" in last
    assert "no such module" in Path(last.split("what it said: ")[1].split(";")[0]).read_text()
    assert not queue(here).strip()
    assert states(folder) == {"waiting": 4}


def test_status_says_which_jobs_wait(here):
    folder = study(grid(5, 4, "slurm: {partition: low, timeout_min: 10, begin: now+1hour}\n"))
    process = lead(here)
    until(lambda: queue(here).count("BeginTime") == 1, 60, process)  # an array of two
    command = [str(Path(sys.executable).parent / "lungseg"), "sweep", "status", str(folder)]
    said = subprocess.run(command, env=here, capture_output=True, text=True, check=True).stdout
    assert "jobs      2 pending (BeginTime)\n" in said
    assert "help      lungseg sweep join" in said
    process.send_signal(signal.SIGINT)
    ended(process, 60)
    assert not queue(here).strip()  # what waited is taken back


def test_a_preempted_job_gives_its_trial_back_and_comes_back(here):
    folder = study(grid(30, 2))
    process = lead(here)
    until(lambda: all(len(epochs(folder / f"seed{n}")) > 3 for n in (0, 1)), 60, process)
    urgent = ["sbatch", "--partition=high", "--exclusive", "--nodes=2", "--output=/dev/null", "--wrap=sleep 3"]
    subprocess.run(urgent, env=here, check=True, capture_output=True)
    until(lambda: states(folder)["waiting"] == 2, 60, process)
    until(lambda: "high" not in queue(here), 90, process)
    hurry(here, process)
    said = ended(process)
    assert "trials: 2 finished" in said, said
    whole(folder, ["seed0", "seed1"], 30)


def test_a_job_that_is_out_of_time_saves_its_trial_and_comes_back(here):
    folder = study(grid(100, 1, "slurm: {partition: low, timeout_min: 1, signal_delay_s: 40}\n"))
    process = lead(here)
    until(lambda: len(epochs(folder / "seed0")) > 3, 60, process)
    first = epochs(folder / "seed0")[0][1]
    until(lambda: not alive(first), 90, process)
    hurry(here, process)
    said = ended(process)
    assert "trials: 1 finished" in said, said
    whole(folder, ["seed0"], 100)


def test_a_killed_node_s_trial_is_taken_by_another(here):
    folder = study(grid(20, 2))
    process = lead(here)
    until(lambda: all(len(epochs(folder / f"seed{n}")) > 3 for n in (0, 1)), 60, process)
    workers = [json.loads(path.read_text()) for path in (folder / "workers").glob("*.json")]
    victim = next(one["pid"] for one in workers if one["executor"] == "slurm")
    os.kill(victim, signal.SIGKILL)
    said = ended(process)
    assert "waits again: its worker" in said
    assert "trials: 2 finished" in said, said
    whole(folder, ["seed0", "seed1"], 20)


def test_a_leader_that_was_killed_finds_its_jobs_at_work(here):
    folder = study(grid(30, 2))
    process = lead(here)
    until(lambda: all(len(epochs(folder / f"seed{n}")) > 3 for n in (0, 1)), 60, process)
    process.kill()
    process.wait()
    before = {n: epochs(folder / f"seed{n}")[-1][1] for n in (0, 1)}
    again = lead(here)
    said = ended(again)
    assert "trials: 2 finished" in said, said
    whole(folder, ["seed0", "seed1"], 30)
    assert {n: epochs(folder / f"seed{n}")[-1][1] for n in (0, 1)} == before  # they were never stopped


def test_ctrl_c_twice_saves_all_on_all_nodes_and_leaves_no_job(here):
    folder = study(grid(60, 3))
    process = lead(here)
    until(lambda: all(len(epochs(folder / f"seed{n}")) > 3 for n in (0, 1)), 60, process)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    said = ended(process, 60)
    assert process.returncode == 130, said
    assert "stopped; go on by: lungseg sweep mine.yaml" in said
    until(lambda: not queue(here).strip(), 60)
    assert states(folder) == {"waiting": 3}
    assert not any(alive(epochs(folder / f"seed{n}")[-1][1]) for n in (0, 1))


def queue(env):
    return subprocess.run(["squeue", "-h", "-o", "%i %P %T %r"], env=env, capture_output=True, text=True).stdout


def hurry(env, process):
    """A job that was queued again waits two minutes, which a test need not."""
    deadline = time.monotonic() + 140
    while process.poll() is None and time.monotonic() < deadline:
        for line in queue(env).splitlines():
            job, _, state, *_ = line.split()
            if state == "PENDING":
                subprocess.run(["scontrol", "update", f"jobid={job}", "StartTime=now"], env=env, capture_output=True)
        time.sleep(1)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
