"""What the leader and ``sweep status`` tell of trials, whichever machine runs them."""

import logging
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from lungseg.cli.main import main
from lungseg.sweep.display.dashboard import Dashboard
from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.study_file import Reading, as_study
from lungseg.sweep.state.heartbeat import Heartbeat
from lungseg.sweep.state.trial_queue import TrialQueue
from tests.sweep.pretend import end, epochs, start, until

SLOW = "trainer.save_every_minutes: 0.3"


def study(content):
    Path("mine.yaml").write_text(content)
    return Path("studies/mine-full")


def said_by(capsys, *words):
    with pytest.raises(SystemExit):
        main(["sweep", *words])
    return capsys.readouterr().out


def made(grid):
    """A study that nobody leads, and its ledger."""
    content = {"grid": grid, "base": Overrides()}
    found = as_study(content, Path("mine.yaml"), "full", {}, None, Reading(None))
    queue = TrialQueue(found, "here")
    queue.fill([trial.name for trial in found.trials], [])
    return found, queue


def screen(printed):
    """What a terminal shows of ``printed``, which goes up and wipes."""
    lines = [""]
    for piece in re.split(r"(\x1b\[\d+A\x1b\[J|\n)", printed):
        if up := re.match(r"\x1b\[(\d+)A", piece):
            lines = [*lines[: len(lines) - 1 - int(up[1])], ""]
        elif piece == "\n":
            lines.append("")
        else:
            lines[-1] += piece
    return "\n".join(lines)


def test_what_a_worker_elsewhere_does_is_told_by_the_one_who_leads(pretended, compared):
    folder = study(f"base: {{trainer.max_epochs: 6, {SLOW}}}\ngrid: {{optim.lr: [1, 8, 2]}}\n")
    hold = Path("hold")
    hold.touch()  # lr1 does not end before lr8 was taken by the other
    leader = start(pretended, "sweep", "mine.yaml", "slots=1")
    until(lambda: epochs(folder / "lr1"), process=leader)
    helper = start(pretended, "sweep", "join", folder, "slots=1")  # it takes lr8, which fails, and then lr2
    until(lambda: list(folder.glob("logs/lr8*")), process=helper)
    hold.unlink()
    out, err = leader.communicate(timeout=60)
    assert helper.wait(30) == 0
    assert "lr8  failed" in helper.stdout.read()
    told = [line for line in out.splitlines() if line.startswith(("lr", "    "))]
    assert {"lr1  began", "lr8  began", "lr8  failed", "lr2  began", "    RuntimeError: a bug"} <= set(told), out
    assert sum("  finished in " in line for line in told) == 2
    place = next(line for line in told if "all it said: " in line).split(": ")[1]
    assert Path(place).read_text().endswith("RuntimeError: a bug\n")
    assert leader.returncode == 3
    assert "1 of the trials failed, as said above: lr8" in err


def test_status_shows_what_each_trial_says_now_and_at_last_the_page(pretended, compared, capsys):
    folder = study(f"base: {{trainer.max_epochs: 9, {SLOW}}}\ngrid: {{seed: [0, 1]}}\n")
    leader = start(pretended, "sweep", "mine.yaml", "slots=1")
    until(lambda: epochs(folder / "seed0"), process=leader)
    said = said_by(capsys, "status", str(folder))
    end(leader)
    assert re.search(r"\n  seed0  \d+ s  trainer\.max_epochs=9 .*run_dir=studies/mine-full/seed0\n", said), said
    assert said.endswith("help      lungseg sweep join studies/mine-full\n")
    assert said_by(capsys, "mine.yaml", "slots=1")
    assert "go on     lungseg sweep mine.yaml" in said_by(capsys, "status")
    (folder / "comparison").mkdir()
    page = folder / "comparison" / "comparison.html"
    page.touch()
    assert said_by(capsys, "status").endswith(f"page      {page}\n")


def test_what_strangers_say_is_shown_and_not_obeyed(capsys):
    live = Dashboard(made({"optim.lr": ["1"]})[0])
    with live.shown([]):
        live.line("failed: \x1b[2J\x9b31m")
        logging.getLogger("lungseg").warning("class \x1b]0;x\x07")
    assert capsys.readouterr().out == "failed: \\x1b[2J\\x9b31m\nclass \\x1b]0;x\\x07\n"


def test_each_task_has_its_best_and_a_step_before_is_none(pretended, compared, capsys):
    study(
        "before: {cropper: {optim.lr: 0.01}}\n"
        "grid: {task: [lung, infection], optim.lr: [1, 2], cut: {lungs: {data.crop: <cropper>}}}\n"
    )
    said_by(capsys, "mine.yaml", "slots=1")
    said = said_by(capsys, "status")
    assert re.findall("best      (.*)  val", said) == ["lung: lung-lr1-lungs", "infection: infection-lr1-lungs"]
    assert "studies/mine-full of 5 trials: 5 finished\n" in said
    said_by(capsys, "mine.yaml", "slots=1", "task=lung", "optim.lr=1")
    assert "studies/mine-full of 2 trials: 2 finished (and 3 of earlier commands)\n" in said_by(capsys, "status")


def test_status_knows_a_leader_without_workers_and_workers_that_have_gone(pretended, compared, capsys):
    folder = study(f"base: {{trainer.max_epochs: 9, {SLOW}}}\ngrid: {{seed: [0, 1]}}\nheartbeat: 30\n")
    leader = start(pretended, "sweep", "mine.yaml", "slots=1")
    until(lambda: epochs(folder / "seed0"), process=leader)
    end(leader)
    said = said_by(capsys, "status")
    assert re.search(r"  seed0  \d+ s  its worker \S+ is not there any more\n", said), said
    assert "go on     lungseg sweep mine.yaml" in said
    heartbeat = Heartbeat(folder, 30, {"slots": 0, "executor": "lead"})
    heartbeat.start()
    assert "help      lungseg sweep join" in said_by(capsys, "status")
    heartbeat.stop()


def test_trials_that_fail_alike_are_told_together(pretended, compared, capsys):
    study("base: {optim.lr: 8}\ngrid: {seed: [0, 1, 2, 3, 4], loss: [bce]}\n")
    said_by(capsys, "mine.yaml", "slots=2")
    said = said_by(capsys, "status")
    assert "  seed0-bce, seed1-bce, seed2-bce and 2 more  failed: RuntimeError: a bug\n" in said
    assert "  what they said: studies/mine-full/logs\n" in said


def test_a_trial_that_began_and_ended_between_two_looks_is_told_in_order(capsys):
    found, queue = made({"seed": [0, 1, 2]})
    live = Dashboard(found)
    with live.shown(queue.rows()):
        first = queue.claim("here")
        queue.end(first, "finished", [0.5])
        second = queue.claim("here")
        queue.give_back(second, "its worker here is gone")
        again = queue.claim("here")
        assert again.name == "seed1" or again.name == "seed2"
        live.draw(queue.rows(), [])
        told = capsys.readouterr().out.splitlines()
        live.draw(queue.rows(), [])
    assert not capsys.readouterr().out  # nothing is told twice
    assert told[:2] == ["seed0  began", "seed0  finished in 0 s"]
    assert "seed1  waits again: its worker here is gone" in told
    assert f"{again.name}  began{' again (2)' if again.name == 'seed1' else ''}" in told


def test_what_is_said_of_a_failed_run_of_several_is_where_that_run_said_it(pretended, compared, capsys):
    search = "search: {optim.lr: [8]}\nbudget: {trials: 1}\nsampler: random\nseeds: [3, 4]\n"
    study(search)
    said = said_by(capsys, "mine.yaml", "slots=1")
    (place,) = re.findall("all it said: (.*)", said)
    assert place == "studies/mine-full/logs/trial-0000-seed3.log"
    assert "a bug" in Path(place).read_text()


def test_on_a_terminal_the_table_is_drawn_anew_below_what_is_logged(capsys, monkeypatch):
    found, queue = made({"seed": [0, 1]})
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 20)))
    live, log = Dashboard(found), logging.getLogger("lungseg")
    before = list(log.handlers)
    log.setLevel(logging.INFO)
    with live.shown(queue.rows()):
        live.draw(queue.rows(), [])
        queue.claim("here")
        live.draw(queue.rows(), [{"name": "here", "slots": 1, "executor": "local"}])
        log.info("the storage does not answer")
        queue.end(next(row for row in queue.rows() if row.state == "running"), "failed", None, "a bug\nof ours")
        live.draw(queue.rows(), [])
    assert log.handlers == before
    shown = screen(capsys.readouterr().out).splitlines()
    assert [line for line in shown if line] == [
        "the storage does not answer",
        "seed0  failed",
        "    a bug",
        "    of ours",
        "    all it said: studies/mine-full/logs/seed0.log",
        "studies/mine-full of 2 trials: 1 waiting, 1 failed",
    ]
