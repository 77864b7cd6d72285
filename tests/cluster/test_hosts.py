"""Three hosts on one machine: each with a name, a network and process numbers of its own, on one folder."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.left import of, require_none, states
from tests.sweep.pretend import COMMAND, ROOT, finished, pretend, until

pytestmark = pytest.mark.slow

PACE = "trainer.save_every_minutes: 0.4"  # seconds of an epoch, to the program that pretends
HEARTBEAT = 6


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """No process of any host stays."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("hosts of their own are made by root, with unshare")
    monkeypatch.chdir(tmp_path)
    yield
    require_none(tmp_path)


class Host:
    """``lungseg ...`` on a host of this name; what kills its first process kills all of it, as a power cut does."""

    def __init__(self, name, script, *words):
        boot = 'hostname "$1"; ip link set lo up 2>/dev/null; shift; exec "$@"'
        program = [sys.executable, "-c", COMMAND, str(script), *map(str, words)]
        self.process = subprocess.Popen(
            ["unshare", "--uts", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", boot, "boot",
             name, "sh", "-c", '"$@"; exit $?', "first", *program],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def cut(self):
        self.process.kill()
        self.process.wait()


def seen(folder):
    """Host -> what its worker says of itself, leaders too."""
    found = [json.loads(path.read_text()) for path in (folder / "workers").glob("*.json")]
    return {one["host"]: one for one in found if one["executor"] != "lead"}


def by(run):
    """Who did each epoch: [(epoch, host), ...]."""
    path = run / "by"
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def script(tmp_path):
    """Process numbers mean nothing across hosts: names are written down."""
    path = pretend(tmp_path)
    text = path.read_text().replace(
        "        print(epoch, os.getpid(), file=log, flush=True)\n",
        "        print(epoch, os.uname().nodename, file=(run / 'by').open('a'), flush=True)\n",
    )
    assert "nodename" in text
    path.write_text(text)
    return path


def study(script, trials, epochs):
    Path("mine.yaml").write_text(
        f"base: {{trainer.max_epochs: {epochs}, {PACE}}}\ngrid: {{seed: {list(range(trials))}}}\n"
        f"heartbeat: {HEARTBEAT}\nslots: 1\n"
    )
    return Path("studies/mine-full")


def busy(folder, trials):
    """Host -> the trial that it is at."""
    runs = [folder / f"seed{n}" for n in range(trials)]
    return {by(run)[-1][1]: run for run in runs if by(run) and not finished(run)}


@contextlib.contextmanager
def at_work(script, folder, trials, *others):
    """Host by its name: alpha leads, ``others`` help, and each is at a trial; in the end all are cut."""
    hosts = {"alpha": Host("alpha", script, "sweep", "mine.yaml")}
    try:
        until(lambda: (folder / "study.json").exists(), process=hosts["alpha"].process)
        for name in others:
            hosts[name] = Host(name, script, "sweep", "join", folder, "slots=1")
        until(lambda: busy(folder, trials).keys() == hosts.keys(), process=hosts["alpha"].process)
        yield hosts
    finally:
        for host in hosts.values():
            host.cut()


def test_one_of_three_hosts_goes_away(script):
    trials, epochs = 7, 15
    folder = study(script, trials, epochs)
    with at_work(script, folder, trials, "beta", "gamma") as hosts:
        about = seen(folder)
        assert about.keys() == hosts.keys()
        assert len({one["machine"] for one in about.values()}) == 3  # none can look for another's processes
        assert all(one["pid"] < 20 for one in about.values())
        until(lambda: len(by(busy(folder, trials).get("beta", folder))) > 5, process=hosts["alpha"].process)
        lost = busy(folder, trials)["beta"]
        hosts["beta"].cut()
        before, gone = by(lost), time.monotonic()
        assert {host for _, host in before} == {"beta"}
        until(lambda: len(by(lost)) > len(before), 60, hosts["alpha"].process)
        took = time.monotonic() - gone
        assert took > HEARTBEAT - 2  # its last sign was up to a sixth of a heartbeat before
        out, err = hosts["alpha"].process.communicate(timeout=90)
        assert hosts["alpha"].process.returncode == 0, out + err
        assert hosts["gamma"].process.wait(timeout=30) == 0
    for n in range(trials):
        assert [int(epoch) for epoch, _ in by(folder / f"seed{n}")] == list(range(1, epochs + 1))
        assert finished(folder / f"seed{n}")
    assert f"{lost.name}  waits again: its worker beta-" in out + hosts["gamma"].process.stdout.read()
    assert {host for _, host in by(lost)[len(before) :]} <= {"alpha", "gamma"}
    assert states(folder) == {"finished": trials}


def test_the_leaders_host_goes_away_and_another_leads_on(script):
    """Those who joined go on without a leader; the next leader takes what its predecessor had."""
    trials, epochs = 4, 12
    folder = study(script, trials, epochs)
    with at_work(script, folder, trials, "beta") as hosts:
        lost = busy(folder, trials)["alpha"]
        until(lambda: len(by(lost)) > 3, process=hosts["alpha"].process)
        hosts["alpha"].cut()
        hosts["gamma"] = Host("gamma", script, "sweep", "mine.yaml")
        out, err = hosts["gamma"].process.communicate(timeout=120)
        assert hosts["gamma"].process.returncode == 0, out + err
        assert hosts["beta"].process.wait(timeout=30) == 0
    for n in range(trials):
        assert [int(epoch) for epoch, _ in by(folder / f"seed{n}")] == list(range(1, epochs + 1))
    assert {host for _, host in by(lost)} != {"alpha"}
    assert states(folder) == {"finished": trials}


def test_a_host_whose_sight_of_the_folder_is_lost_stops_what_it_runs(script):
    """Its folder hangs or is gone: others have taken its trials by then, so that it must not go on with them."""
    trials, epochs = 4, 40
    folder = study(script, trials, epochs)
    with at_work(script, folder, trials, "beta") as hosts:
        lost = busy(folder, trials)["beta"]
        until(lambda: len(by(lost)) > 3, process=hosts["alpha"].process)
        inside = next(pid for pid in of(script.parent) if hosted(pid, "beta") and "first" not in words(pid))
        subprocess.run(
            ["nsenter", "-t", str(inside), "-m", "mount", "-t", "tmpfs", "none", str((folder / "workers").resolve())],
            check=True,
        )
        hosts["beta"].process.wait(timeout=60)
        before = by(lost)
        until(lambda: len(by(lost)) > len(before), 60, hosts["alpha"].process)
        assert by(lost)[-1][1] == "alpha"
    assert [int(epoch) for epoch, _ in by(lost)] == list(range(1, len(by(lost)) + 1))


def words(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")


def hosted(pid, name):
    """Whether a process belongs to the host of this name."""
    found = subprocess.run(["nsenter", "-t", str(pid), "-u", "hostname"], capture_output=True, text=True)
    return found.stdout.strip() == name
