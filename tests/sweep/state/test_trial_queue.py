"""The queue: nothing is lost, nothing is done twice, whoever dies when."""

import contextlib
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from lungseg.core.errors import UserError
from lungseg.sweep.spec.study_file import read_study
from lungseg.sweep.state import trial_queue as ledgers
from lungseg.sweep.state.storage import JOURNAL, open_storage, patiently
from lungseg.sweep.state.trial_queue import TrialQueue
from tests.cluster.servers import MariaDB, Postgres, served

GRID = "grid: {seed: [0, 1, 2]}\n"
SEARCH = "search: {optim.lr: {low: 1e-4, high: 1e-1, log: true}}\nbudget: {trials: 7}\nsampler: random\n"


def slowly(kind):
    return pytest.param(kind, marks=pytest.mark.slow, id=kind.__name__)


@pytest.fixture(params=["journal", "sqlite", slowly(Postgres), slowly(MariaDB)])
def made(request, tmp_path):
    """A study from its YAML, in each storage in turn."""
    with contextlib.ExitStack() as open_ones:
        storage = {"journal": "null", "sqlite": f"sqlite:///{tmp_path}/state.db"}.get(request.param)
        if storage is None:
            storage = open_ones.enter_context(served(request.param)).url

        def make(content):
            Path("mine.yaml").write_text(f"{content}storage: {storage}\n")
            return read_study(Path("mine.yaml"))

        yield make


def filled(study):
    queue = TrialQueue(study, "lead")
    queue.fill([trial.name for trial in study.trials], [])
    return queue


def test_a_trial_is_given_to_one_worker_alone(made):
    study = made(GRID)
    filled(study)
    taken = []

    def take(name):
        queue = TrialQueue(study, name)
        while (row := queue.claim(name)) is not None:
            taken.append((row.name, row.worker))

    threads = [threading.Thread(target=take, args=(f"worker{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(name for name, _ in taken) == {"seed0": 1, "seed1": 1, "seed2": 1}


def test_what_is_given_back_is_taken_again_and_counts_once(made):
    queue = filled(made(GRID))
    first = queue.claim("a")
    assert queue.give_back(first, "its worker is gone", shrunk={"data.batch_size": "4"})
    assert not queue.give_back(first, "its worker is gone")  # by somebody who saw it die, too
    assert not queue.end(first, "finished", [0.5])  # by the worker, which was not dead
    names = []
    while (row := queue.claim("b")) is not None:
        names.append((row.name, row.attempt))
        if row.name == first.name:
            assert queue.noted(row)["shrunk"] == {"data.batch_size": "4"}
        assert queue.end(row, "finished", [0.5])
    assert sorted(names) == [("seed0", 1), ("seed1", 0), ("seed2", 0)]
    assert [(row.name, row.state, row.values) for row in queue.rows()] == [
        (f"seed{n}", "finished", [0.5]) for n in (1, 2, 0)
    ]  # fmt: skip
    assert queue.over()


def test_a_trial_waits_for_what_it_needs(made):
    queue = filled(made("before: {first: {}}\ngrid: {cut: {whole: {}, lungs: {data.crop: <first>}}}\n"))
    needed, other = queue.claim("a"), queue.claim("a")
    assert (needed.name, other.name) == ("first", "whole")
    assert queue.claim("a") is None
    queue.end(needed, "finished", [1.0])
    assert queue.claim("a").name == "lungs"


def test_what_its_giver_did_not_put_back_is_found(made, monkeypatch):
    queue = filled(made(GRID))
    row = queue.claim("a")
    with monkeypatch.context() as dies:  # its giver, between the two
        dies.setattr(TrialQueue, "_again", lambda *_: None)
        assert queue.give_back(row, "stopped")
    assert len(queue.rows()) == 2
    queue.find_lost()
    assert len(queue.rows()) == 2  # somebody may be about to
    monkeypatch.setattr(ledgers, "SETTLED", -1.0)
    queue.find_lost()
    queue.find_lost()
    assert [row.name for row in queue.rows() if row.state == "waiting"] == ["seed1", "seed2", "seed0"]


def test_a_search_has_exactly_its_budget_however_many_seek(made):
    study = made(SEARCH)
    TrialQueue(study)
    found, barrier = [], threading.Barrier(6)

    def seek(name):
        queue = TrialQueue(study, name)
        barrier.wait()
        while (row := queue.claim(name)) is not None:
            found.append((row.name, queue.words(row)["optim.lr"]))
            queue.end(row, "finished", [0.1])

    threads = [threading.Thread(target=seek, args=(f"worker{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len({name for name, _ in found}) == len({rate for _, rate in found}) == 7
    queue = TrialQueue(study)
    assert Counter(row.state for row in queue.rows()) == {"finished": 7}
    assert queue.over()


def test_a_worker_that_dies_while_it_seeks_costs_the_search_no_trial(made, monkeypatch):
    """It had made its row, and chosen nothing yet."""
    queue = TrialQueue(made(SEARCH), "a")
    with monkeypatch.context() as dies:
        dies.setattr(TrialQueue, "_suggest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            queue.claim("a")
    (row,) = queue.rows()
    assert (row.name, row.state, row.worker) == ("trial-0000", "running", "a")
    assert queue.give_back(row, "its worker is gone")
    other, names = TrialQueue(queue.study, "b"), []
    while (row := other.claim("b")) is not None:
        assert float(other.words(row)["optim.lr"]) > 0
        names.append(row.name)
        other.end(row, "finished", [0.1])
    assert len(names) == len(set(names)) == 7
    assert "trial-0000" in names
    assert other.over()


def test_what_is_given_back_keeps_what_was_chosen_and_reported(made):
    queue = TrialQueue(made(SEARCH), "a")
    row = queue.claim("a")
    words = queue.words(row)
    queue.storage.set_trial_intermediate_value(row.trial_id, 1, 0.3)
    queue.give_back(row, "stopped", 0)
    again = TrialQueue(queue.study, "b").claim("b")
    assert (again.name, again.curve, again.params) == (row.name, [(1, 0.3)], row.params)
    assert queue.words(again) == words


def test_hours_end_a_search(made):
    study = made(SEARCH.replace("trials: 7", "hours: 1e-9"))
    queue = TrialQueue(study, "a")
    row = queue.claim("a")
    queue.end(row, "finished", [0.1])
    assert queue.claim("a") is None
    assert queue.over()


def test_half_a_line_in_the_journal_is_dropped(tmp_path):
    Path("mine.yaml").write_text(GRID)
    study = read_study(Path("mine.yaml"))
    filled(study)
    journal = study.folder / JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"op_code": 5, "wor')
    queue = TrialQueue(study, "b")
    assert queue.claim("b").name == "seed0"
    assert len(TrialQueue(study, "c").rows()) == 3
    assert all(line.endswith("}") for line in journal.read_text().splitlines())


def test_a_journal_that_is_away_is_waited_for_and_not_begun_anew(tmp_path):
    Path("mine.yaml").write_text(GRID)
    study = read_study(Path("mine.yaml"))
    queue = filled(study)
    journal = study.folder / JOURNAL
    journal.rename("away")
    timer = threading.Timer(1.5, lambda: Path("away").rename(journal))
    timer.start()
    began = time.monotonic()
    assert queue.claim("a").name == "seed0"
    assert time.monotonic() - began > 1
    timer.join()


def test_patience_ends_with_what_to_do():
    def gone():
        raise OSError("No such file or directory")

    with pytest.raises(UserError, match=r"storage has been away for 0 s .*No such file.*nothing is lost"):
        patiently(gone, 0.0)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "storage=nonsense: is no database's address; expected sqlite:///FILE"),
        ("sqlite:////nowhere/at/all.db", "storage=sqlite:////nowhere/at/all.db: cannot be opened: unable to open"),
        ("postgresql://me:secret@127.0.0.1:1/x", r"storage=postgresql://me:\*\*\*@127.0.0.1:1/x: "),
    ],
)
def test_a_storage_that_cannot_be_is_one_line_without_its_password(url, message, tmp_path):
    with pytest.raises(UserError, match=message) as refused:
        open_storage(url, tmp_path)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.slow  # it waits for the lock's grace
def test_the_lock_of_a_worker_that_was_killed_does_not_hold_up_the_others(tmp_path):
    """A process is killed while it appends; the next one waits no longer than the lock's grace."""
    Path("mine.yaml").write_text(GRID)
    study = read_study(Path("mine.yaml"))
    queue = filled(study)
    code = "import os, sys; from lungseg.sweep.state.storage import SafeJournal; j = SafeJournal(sys.argv[1]); "
    code += "j._lock.acquire(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(study.folder / JOURNAL)], check=False)
    began = time.monotonic()
    assert queue.claim("a").name == "seed0"
    assert time.monotonic() - began < 45
