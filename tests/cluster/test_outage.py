"""What a study stands on goes away, or is used up, and comes back: its storage, its disk, its memory."""

import contextlib
import csv
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lungseg.sweep.state.study_record import recorded
from lungseg.sweep.state.trial_queue import TrialQueue
from tests.cluster.left import ends, require_none, states
from tests.cluster.servers import MariaDB, Postgres, served
from tests.helpers import ROOT
from tests.sweep.pretend import COMMAND, epochs, finished, pretend, running, start, until

pytestmark = pytest.mark.slow

PACE = "trainer.save_every_minutes: 0.5"  # seconds of an epoch, to the program that pretends
AWAY = 10  # seconds
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
TINY = {
    "data": "phantom", "data.count": 36, "data.pixels": 32, "data.size": 32, "data.batch_size": 4, "data.workers": 0,
    "model": "unet_classic", "model.width": 4, "model.depth": 2, "trainer": "cpu", "logger": "none",
}  # fmt: skip
LARGE = {
    **TINY, "data.count": 60, "data.pixels": 256, "data.size": 256, "model.width": 16, "model.depth": 1,
    "data.batch_size": 32, "trainer.max_epochs": 1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """No process stays, and nothing mounted."""
    monkeypatch.chdir(tmp_path)
    yield
    require_none(tmp_path)


@pytest.fixture
def script(tmp_path):
    return pretend(tmp_path)


def study(content):
    Path("mine.yaml").write_text(content)
    return Path("studies/mine-full")


def lines(words):
    return "\n".join(f"  {key}: {value}" for key, value in words.items())


def done(run, count):
    assert [epoch for epoch, _ in epochs(run)] == list(range(1, count + 1))
    assert finished(run)


def sweep(script, *words):
    return start(script, "sweep", "mine.yaml", *words, env=ENVIRONMENT)


@pytest.fixture(params=[Postgres, MariaDB], ids=lambda kind: kind.__name__)
def server(request):
    with served(request.param) as server:
        yield server


class Printed:
    """What a process prints, line by line, while it runs."""

    def __init__(self, process):
        self.process, self.lines = process, []
        self.thread = threading.Thread(target=lambda: self.lines.extend(iter(process.stdout.readline, "")))
        self.thread.start()

    def __contains__(self, words):
        return any(words in line for line in self.lines)


def test_a_journal_that_is_away_for_ten_seconds(script):
    journal, aside = Path("studies/mine-full/journal.log"), Path("aside.log")
    away_for_ten_seconds(script, "null", lambda: journal.rename(aside), lambda: aside.rename(journal))


def test_a_database_that_is_away_for_ten_seconds(script, server):
    away_for_ten_seconds(script, server.url, server.down, server.up)


def away_for_ten_seconds(script, storage, away, back):
    count, trials = 8, 6
    base = f"base: {{trainer.max_epochs: {count}, {PACE}}}\nstorage: {storage}\nslots: 2\n"
    folder = study(f"{base}grid: {{seed: {list(range(trials))}}}\n")
    process = sweep(script)
    until(lambda: sum(2 <= len(epochs(folder / f"seed{n}")) < 5 for n in range(trials)) == 2, process=process)
    began = time.monotonic()
    away()
    time.sleep(AWAY)
    assert process.poll() is None
    ended = sum(finished(folder / f"seed{n}") for n in range(trials))
    assert ended == 2  # they went on meanwhile, and nothing new began
    back()
    assert time.monotonic() - began < AWAY + 10
    out, err = ends(process)
    assert "the study's storage does not answer (" in out + err
    assert "the study's storage is back" in out + err
    for n in range(trials):
        done(folder / f"seed{n}", count)
        assert len({pid for _, pid in epochs(folder / f"seed{n}")}) == 1
    assert states(folder) == {"finished": trials}
    everything = [row.user_attrs.get("name") for row in TrialQueue(recorded(folder)[0]).optuna.get_trials()]
    assert sorted(everything) == [f"seed{n}" for n in range(trials)]


def test_a_storage_that_stays_away_is_said_and_the_same_command_goes_on(script, server):
    folder = study(
        f"base: {{trainer.max_epochs: 8, {PACE}}}\ngrid: {{seed: [0, 1, 2]}}\nslots: 2\nstorage: {server.url}\n"
    )
    process = begin(impatient(4.0), script)
    until(lambda: len(epochs(folder / "seed0")) > 1 and len(epochs(folder / "seed1")) > 1, process=process)
    server.down()
    _, err = ends(process, 1, 60)
    assert "error: the study's storage has been away for 4 s (" in err
    assert "go on by the same command: nothing is lost" in err
    assert "Traceback" not in err
    assert not running(folder / "seed0")
    assert not running(folder / "seed1")
    process = sweep(script)
    _, err = ends(process, 1, 60)
    assert err.startswith(f"error: storage={server.url}: cannot be opened: ")
    server.up()
    ends(sweep(script))
    for n in range(3):
        done(folder / f"seed{n}", 8)
    assert states(folder) == {"finished": 3}


@contextlib.contextmanager
def disk(folder, size):
    """A small one at ``folder``."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root")
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path):
    """Until not a byte fits any more."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0")


def whole_lines(journal):
    text = journal.read_text()
    return text.endswith("\n") and all(json.loads(line) for line in text.splitlines())


def impatient(seconds):
    """``lungseg``, that waits only so long for what is away."""
    patience = f"import lungseg.sweep.state.storage as s, lungseg.sweep.run.worker as w\nw.PATIENCE = {seconds}\n"
    patience += f"s.patiently.__defaults__ = ({seconds},)\nmain()"
    return COMMAND.replace("main()", patience)


def begin(program, *words):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words), "sweep", "mine.yaml"], env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("again", ["space comes while it waits", "space comes later"])
def test_a_full_disk(script, again):
    count, trials = 10, 4
    folder = study(f"base: {{trainer.max_epochs: {count}, {PACE}}}\ngrid: {{seed: {list(range(trials))}}}\nslots: 2\n")
    with disk(folder, "4m"):
        process = begin(impatient(60 if again == "space comes while it waits" else 4), script)
        until(lambda: len(epochs(folder / "seed0")) > 1 and len(epochs(folder / "seed1")) > 1, process=process)
        fill(folder / "filler")
        if again == "space comes while it waits":
            time.sleep(AWAY)
            assert process.poll() is None
            (folder / "filler").unlink()
            out, err = ends(process)
            assert "waits again: studies/mine-full: the disk is full" in out
        else:
            out, err = ends(process, 1, 60)
            assert len(err.splitlines()) == 1
            assert "then go on by the same command" in err
        assert "No space left on device" in out + err or "the disk is full" in out + err
        assert "failed" not in out
        assert whole_lines(folder / "journal.log")
        if again == "space comes later":
            (folder / "filler").unlink()
            assert "failed" not in states(folder)
            ends(sweep(script))
        assert states(folder) == {"finished": trials}
        assert whole_lines(folder / "journal.log")
        for n in range(trials):
            assert finished(folder / f"seed{n}")
        rows = [row for row in TrialQueue(recorded(folder)[0]).optuna.get_trials() if row.state.name == "COMPLETE"]
        assert sorted(row.user_attrs["name"] for row in rows) == [f"seed{n}" for n in range(trials)]


def real(*words, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "lungseg.cli.main", "sweep", "mine.yaml", *words], env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **how,
    )  # fmt: skip


def test_a_full_disk_and_the_real_program():
    """It fills while the first of two trains; space comes after the sweep has given up."""
    folder = study(f"base:\n{lines(TINY | {'trainer.max_epochs': 4})}\ngrid: {{seed: [0, 1]}}\nslots: 1\n")
    own = impatient(5).replace("p.PROGRAM = pathlib.Path(sys.argv.pop(1))\n", "")
    with disk(folder, "64m"):
        process = begin(own)
        until(lambda: (folder / "seed0" / "checkpoints" / "last.ckpt").exists(), 120, process)
        fill(folder / "filler")
        out, err = ends(process, 1, 120)
        assert len(err.splitlines()) == 1
        assert "then go on by the same command" in err
        assert "failed" not in out
        assert whole_lines(folder / "journal.log")
        assert not (folder / "seed1").exists()
        (folder / "filler").unlink()
        ends(begin(own), 0, 300)
        assert states(folder) == {"finished": 2}
        assert whole_lines(folder / "journal.log")
        assert "resume=" not in (folder / "logs" / "seed1.log").read_text()
        for n in range(2):
            assert finished(folder / f"seed{n}")
            with (folder / f"seed{n}" / "metrics.csv").open(newline="") as file:
                validated = [row["epoch"] for row in csv.DictReader(file) if row["val/loss"]]
            assert len(validated) == len(set(validated)) == 4


def needs(batch):
    """The most address space that a training with this batch takes, in bytes."""
    words = [f"{key}={value}" for key, value in (LARGE | {"data.batch_size": batch}).items()]
    alone = {**ENVIRONMENT, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LUNGSEG_CORES": "1"}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words, f"run_dir=measured-{batch}"], env=alone,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    most, deadline = 0, time.monotonic() + 200
    while process.poll() is None:
        assert time.monotonic() < deadline
        with contextlib.suppress(OSError, StopIteration):
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            most = int(next(line for line in status if line.startswith("VmPeak")).split()[1]) * 1024
        time.sleep(0.05)
    assert process.returncode == 0
    return most


def test_memory_that_does_not_suffice_for_the_batch_but_for_half_of_it():
    """The limit lies midway between what the two batches were seen to take."""
    whole, half = needs(32), needs(16)
    assert whole - half > 2**28, "too close to tell apart"
    limit = (whole + half) // 2
    folder = study(f"base:\n{lines(LARGE)}\ngrid: {{seed: [0]}}\nslots: 1\nshrink: true\nresources: {{cpus: 1}}\n")
    process = real(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    out, _ = ends(process, 0, 400)
    said = (folder / "logs" / "seed0.log").read_text()
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said
    assert errors[0].startswith("error: out of memory of this machine with data.batch_size=32: ")
    assert "Traceback" not in said
    again = "out of memory: again with data.batch_size=16 trainer.accumulate_grad_batches=2"
    assert f"seed0  waits again: {again}" in out
    assert states(folder) == {"finished": 1}
    config = (folder / "seed0" / "config.yaml").read_text()
    assert "batch_size: 16" in config
    assert "accumulate_grad_batches: 2" in config
