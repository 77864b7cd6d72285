"""Studies on a real Ray: one that the sweep starts itself, and a cluster of two nodes on this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.left import cmdline, ends, of, processes, states
from tests.helpers import ROOT
from tests.sweep.pretend import epochs, finished, pretend, running, start, until

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")

DAEMONS = ("raylet", "gcs_server", "ray::")
RAY = str(Path(sys.executable).with_name("ray"))
PACE = "trainer.save_every_minutes: 0.5"  # seconds of an epoch, to the program that pretends
DDP = {
    "data": "phantom", "data.count": 36, "data.pixels": 32, "data.size": 32, "data.batch_size": 4, "data.workers": 0,
    "model": "unet_classic", "model.width": 4, "model.depth": 2, "trainer": "ddp", "trainer.accelerator": "cpu",
    "trainer.devices": 2, "trainer.precision": "32-true", "trainer.max_epochs": 2, "logger": "none",
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Nothing of a Ray stays, and no train.py."""
    assert not daemons(), "a Ray runs here already"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield
    deadline = time.monotonic() + 100  # those that a killed Ray had beside it end by themselves, in a minute
    while (left := daemons() + trials(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for pid, _ in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@pytest.fixture
def tree(tmp_path):
    """A package whose train.py only pretends, in whatever process it is imported: nothing has to be patched there."""
    folder = tmp_path / "tree"
    shutil.copytree(ROOT / "lungseg", folder / "lungseg", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "conf").symlink_to(ROOT / "conf")
    script = pretend(tmp_path).rename(folder / "train.py")
    return script


def surroundings(tree, **more):
    return {**os.environ, "PYTHONPATH": str(tree.parent), "RAY_DISABLE_IMPORT_WARNING": "1", **more}


class Cluster:
    """Of nodes that are added, all on this machine."""

    def __init__(self, folder, env):
        self.folder, self.env, self.nodes, self.address = folder, env, [], None

    def add(self, *options):
        before = {pid for pid, _ in daemons("raylet")}
        first = ["--head", "--port=0", f"--temp-dir={self.folder}", "--include-dashboard=false"]
        words = first if self.address is None else [f"--address={self.address}"]
        with (self.folder / "ray.log").open("a") as log:  # no pipe: the daemons would keep it open
            subprocess.run([RAY, "start", *words, *options], env=self.env, stdout=log, stderr=log, check=True,
                           stdin=subprocess.DEVNULL, timeout=90)  # fmt: skip
        (new,) = {pid for pid, _ in daemons("raylet")} - before
        self.nodes.append(new)
        if self.address is None:
            words = dict(word.split("=", 1) for word in cmdline(new) if "=" in word)
            self.address = words["--gcs-address"]
            self.env = {**self.env, "RAY_ADDRESS": self.address}

    def down(self):
        for pid in [pid for pid, _ in daemons() if ancestor(pid, self.nodes)] + of(self.folder):
            kill(pid)


@pytest.fixture
def cluster(tree):
    """Its sockets need a short path."""
    folder = Path(f"/tmp/lungseg-ray-{os.getpid()}")
    folder.mkdir()
    made = Cluster(folder, surroundings(tree))
    try:
        yield made
    finally:
        made.down()
        shutil.rmtree(folder, ignore_errors=True)


def stat(pid):
    """State and parent."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "Z", 0
    return words[0], int(words[1])


def daemons(*names):
    found = []
    for pid in processes():
        word = Path([*cmdline(pid), ""][0]).name
        if word.startswith(tuple(names or DAEMONS)) and stat(pid)[0] != "Z":
            found.append((pid, word))
    return found


def trials(folder):
    return [(pid, "train.py") for pid in of(folder) if "train.py" in " ".join(cmdline(pid)) and stat(pid)[0] != "Z"]


def ancestor(pid, candidates):
    """Which of ``candidates`` a process descends from."""
    while pid > 1:
        if pid in candidates:
            return pid
        pid = stat(pid)[1]
    return None


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def study(content):
    Path("mine.yaml").write_text(content)
    return Path("studies/mine-full")


def done(run, count):
    assert [epoch for epoch, _ in epochs(run)] == list(range(1, count + 1))
    assert finished(run)


def sweep(tree, *words, env=None):
    return start(tree, "sweep", "mine.yaml", "executor=ray", *words, env=env or surroundings(tree))


def test_a_ray_of_its_own(tree):
    folder = study(f"base: {{trainer.max_epochs: 3, {PACE}}}\ngrid: {{seed: [0, 1, 2, 3]}}\n")
    process = sweep(tree)
    atonce = 0
    until(lambda: (folder / "study.json").exists(), process=process)
    while process.poll() is None:
        atonce = max(atonce, sum(running(folder / f"seed{n}") for n in range(4)))
        time.sleep(0.05)
    ends(process)
    for n in range(4):
        done(folder / f"seed{n}", 3)
    assert atonce == min(2, os.cpu_count())
    assert states(folder) == {"finished": 4}
    assert not list((folder / "workers").glob("*"))


def where(folder, names, nodes):
    """Trial that runs -> the node that it descends from."""
    found = {}
    for name in names:
        if running(folder / name):
            found[name] = ancestor(epochs(folder / name)[-1][1], nodes)
    return found


def test_two_nodes_of_which_one_dies(tree, cluster):
    names = [f"seed{n}" for n in range(6)]
    folder = study(f"base: {{trainer.max_epochs: 10, {PACE}}}\ngrid: {{seed: [0, 1, 2, 3, 4, 5]}}\nheartbeat: 20\n")
    cluster.add("--num-cpus=1")
    cluster.add("--num-cpus=1")
    process = sweep(tree, "ray.address=auto", env=cluster.env)
    head, other = cluster.nodes

    def halfway():
        here = where(folder, names, cluster.nodes)
        on = {node: name for name, node in here.items()}
        return on.keys() == {head, other} and 3 <= len(epochs(folder / on[other])) <= 6

    until(halfway, process=process)
    until(lambda: sum(finished(folder / name) for name in names) >= 2 and halfway(), process=process)
    lost = next(name for name, node in where(folder, names, cluster.nodes).items() if node == other)
    done_before = len(epochs(folder / lost))
    below = [pid for pid in processes() if pid != other and ancestor(pid, [other])]
    for pid in [other, *below]:
        kill(pid)
    until(lambda: not running(folder / lost), 10)
    out, _ = ends(process)
    assert f"{lost}  waits again: its worker" in out
    for name in names:
        done(folder / name, 10)
    assert len({pid for _, pid in epochs(folder / lost)}) == 2
    assert len({pid for _, pid in epochs(folder / lost)[:done_before]}) == 1
    assert states(folder) == {"finished": 6}
    assert ancestor(epochs(folder / lost)[-1][1], [other]) is None
    assert "a Ray worker has gone" in out


def test_ctrl_c_twice_saves_all_and_the_same_command_goes_on(tree):
    folder = study(f"base: {{trainer.max_epochs: 8, {PACE}}}\ngrid: {{seed: [0, 1, 2]}}\n")
    process = sweep(tree)
    until(lambda: epochs(folder / "seed0") and epochs(folder / "seed1"), process=process)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to whatever Ray started there, too
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends(process, 130, 40)
    assert time.monotonic() - began < 30
    assert "stopped; go on by: lungseg sweep mine.yaml size=full executor=ray" in err
    assert not any(running(folder / f"seed{n}") or finished(folder / f"seed{n}") for n in range(3))
    assert states(folder) == {"waiting": 3}
    said = (folder / "logs" / "seed0.log").read_text()
    kept = {n: len(epochs(folder / f"seed{n}")) for n in (0, 1)}
    ends(sweep(tree))
    assert "resume=" in (folder / "logs" / "seed0.log").read_text()[len(said) :]
    for n in range(3):
        done(folder / f"seed{n}", 8)
    for n in (0, 1):
        assert len({pid for _, pid in epochs(folder / f"seed{n}")[: kept[n]]}) == 1
    assert states(folder) == {"finished": 3}


def test_ctrl_c_once_finishes_what_runs(tree):
    folder = study(f"base: {{trainer.max_epochs: 4, {PACE}}}\ngrid: {{seed: [0, 1, 2]}}\n")
    process = sweep(tree, "workers=1")
    until(lambda: epochs(folder / "seed0"), process=process)
    os.killpg(process.pid, signal.SIGINT)
    ends(process, 130, 40)
    done(folder / "seed0", 4)
    assert states(folder) == {"finished": 1, "waiting": 2}


def test_a_leader_that_is_killed_leaves_nothing_and_the_next_goes_on(tree):
    folder = study(f"base: {{trainer.max_epochs: 8, {PACE}}}\ngrid: {{seed: [0, 1]}}\nheartbeat: 20\n")
    process = sweep(tree)
    until(lambda: len(epochs(folder / "seed0")) > 1 and len(epochs(folder / "seed1")) > 1, process=process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not trials(folder.resolve()) and not daemons("raylet", "ray::IDLE", "ray::_work"), 30)
    ends(sweep(tree))
    for n in range(2):
        done(folder / f"seed{n}", 8)
    assert states(folder) == {"finished": 2}


def test_trials_of_two_gpus_never_share_one(tree, cluster):
    """Ray believes that it has four; what it tells a trial is what counts."""
    lines = tree.read_text().replace(
        "stopped = []\n",
        "stopped = []\n(run / 'gpus').open('a').write(os.environ.get('CUDA_VISIBLE_DEVICES', 'none') + '\\n')\n",
        1,
    )
    tree.write_text(lines)
    names = [f"seed{n}" for n in range(5)]
    folder = study(
        f"base: {{trainer.max_epochs: 6, {PACE}}}\ngrid: {{seed: [0, 1, 2, 3, 4]}}\n"
        "resources: {gpus: 2}\nworkers: 3\nheartbeat: 20\n"
    )
    cluster.add("--num-cpus=6", "--num-gpus=4")
    process = sweep(tree, "ray.address=auto", env=cluster.env)
    most, killed = 0, None
    until(lambda: (folder / "study.json").exists(), process=process)
    while process.poll() is None:
        now = [name for name in names if running(folder / name)]
        used = [(folder / name / "gpus").read_text().split()[-1].split(",") for name in now]
        if now == [name for name in names if running(folder / name)]:
            assert all(len(set(each)) == 2 for each in used), used
            assert len({gpu for each in used for gpu in each}) == 2 * len(used), used
            most = max(most, len(now))
        if killed is None and len(now) == 2 and any(finished(folder / name) for name in names):
            killed = now[0]
            kill(stat(epochs(folder / killed)[-1][1])[1])  # its worker: the GPUs of a dead one are given out again
        time.sleep(0.05)
    out, _ = ends(process)
    assert killed
    assert f"{killed}  waits again" in out
    assert most == 2
    for name in names:
        done(folder / name, 6)
    assert states(folder) == {"finished": 5}


def test_ranks_of_a_trial_under_ray(monkeypatch):
    """The real train.py."""
    base = "\n".join(f"  {key}: {value}" for key, value in DDP.items())
    folder = study(f"base:\n{base}\ngrid: {{seed: [0, 1]}}\nworkers: 1\nresources: {{cpus: 2}}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "lungseg.cli.main", "sweep", "mine.yaml", "executor=ray"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    ends(process, seconds=400)
    assert states(folder) == {"finished": 2}
    for n in range(2):
        manifest = json.loads((folder / f"seed{n}" / "manifest.json").read_text())
        assert manifest["status"] == "finished"
        assert "Traceback" not in (folder / "logs" / f"seed{n}.log").read_text()
    assert (folder / "comparison").is_dir()


def test_workers_that_fail_end_the_study_with_what_they_said(tree, cluster):
    """The cluster's machines have another lungseg, one that cannot work."""
    study("base: {trainer.max_epochs: 2}\ngrid: {seed: [0, 1]}\n")
    cluster.add("--num-cpus=2")
    joining = tree.parent / "lungseg" / "sweep" / "joining.py"
    joining.write_text(
        joining.read_text().replace("study, _ =", "raise OSError('no such disk here')\n        study, _ =", 1)
    )
    process = sweep(tree, "ray.address=auto", env=cluster.env)
    _, err = ends(process, 1, 90)
    assert "error: executor=ray: 3 workers failed, the last one: no such disk here" in err


def test_no_cluster_is_said_in_one_line(tree):
    study("base: {trainer.max_epochs: 2}\ngrid: {seed: [0, 1]}\n")
    _, err = ends(sweep(tree, "ray.address=auto"), 1, 60)
    assert err.splitlines()[-1].startswith("error: ray.address=auto: Could not find any running Ray instance.")
    assert "Traceback" not in err
