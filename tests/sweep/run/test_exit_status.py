"""How a trial ended is read from exit codes and failure.json; the words of no message matter."""

from pathlib import Path

import pytest

from lungseg.cli.main import main
from lungseg.core.errors import FailureKind, OutOfMemoryError, UnknownKeyError, UsageError, UserError
from lungseg.core.failure_file import write_failure
from lungseg.sweep.run.exit_status import how_it_ended
from lungseg.sweep.spec.study_file import read_study
from lungseg.sweep.state.study_record import recorded
from lungseg.sweep.state.trial_queue import TrialQueue

REWORDED = """
import errno, os, pathlib, sys
sys.path.insert(0, {root!r})
from lungseg.cli import hydra_app
from lungseg.core import errors
from lungseg.core.security import printable_text
errors.UserError.__str__ = lambda self: "reworded"
hydra_app.print_error = lambda error: print("reworded", file=sys.stderr)

def job(cfg):
    rate = cfg.optim.lr
    if rate == 1:
        import torch
        from lungseg.training.out_of_memory import told_out_of_memory
        with told_out_of_memory(cfg.data.batch_size):
            raise torch.OutOfMemoryError("reworded")
    if rate == 2:
        from lungseg.models import hub
        raise hub.missing("resnet18", "somewhere")
    if rate == 3:
        from lungseg.core.atomic_io import replaced
        with replaced(pathlib.Path("target")):
            raise OSError(errno.ENOSPC, "reworded")
    if rate == 4:
        os.kill(os.getpid(), 9)
    if rate == 5:
        raise errors.DataError("a mask")
    raise RuntimeError("reworded")

hydra_app.main(job, "train")
"""


def study(content):
    Path("mine.yaml").write_text(content)
    return Path("studies/mine-full")


def ran(*words):
    with pytest.raises(SystemExit) as caught:
        main(["sweep", "mine.yaml", *words])
    return caught.value.code


def test_no_decision_of_a_sweep_depends_on_what_a_message_says(tmp_path, monkeypatch, compared, capsys):
    script = tmp_path / "reworded.py"
    script.write_text(REWORDED.format(root=str(Path(__file__).resolve().parents[3])))
    monkeypatch.setattr("lungseg.sweep.run.trial_process.PROGRAM", script)
    folder = study("base: {data.batch_size: 8}\ngrid: {optim.lr: [1, 2, 3, 4, 5, 6]}\nshrink: true\nretries: 1\n")
    assert ran("slots=2") == 1
    rows = {row.name: row for row in TrialQueue(recorded(folder)[0]).rows()}
    assert {name: row.state for name, row in rows.items()} == {
        "lr1": "failed", "lr2": "no weights", "lr3": "failed", "lr4": "failed", "lr5": "failed", "lr6": "failed",
    }  # fmt: skip
    attempts = {name: (folder / "logs" / f"{name}.log").read_text().count("$ python train.py") for name in rows}
    assert attempts == {"lr1": 1, "lr2": 1, "lr3": 2, "lr4": 2, "lr5": 1, "lr6": 1}
    assert rows["lr4"].reason == "killed by signal 9 (2 times)"
    assert "RuntimeError: reworded" in rows["lr6"].reason


def test_a_key_that_only_some_choices_have_is_told_whatever_the_message(monkeypatch):
    monkeypatch.setattr(UserError, "__str__", lambda self: "reworded")
    study(
        "search: {model: [unet_classic, unet], model.width: [4, 8]}\nbudget: {trials: 2}\n"
        "base: {task: lung, trainer: cpu, logger: none}\n"
    )
    with pytest.raises(UsageError) as caught:
        read_study(Path("mine.yaml"))
    assert not isinstance(caught.value, UnknownKeyError)
    assert caught.value.args[0].startswith("mine.yaml: search.model.width: not every trial has this key")


@pytest.mark.parametrize(
    ("code", "error", "kind"),
    [
        (0, None, None),
        (75, None, FailureKind.PRUNED),
        (130, None, FailureKind.STOPPED),
        (143, None, FailureKind.STOPPED),
        (-9, None, FailureKind.KILLED),
        (137, None, FailureKind.KILLED),  # as a shell or srun tells of a signal
        (1, None, FailureKind.UNEXPECTED),
        (1, RuntimeError("a bug"), FailureKind.UNEXPECTED),
        (1, OutOfMemoryError("x"), FailureKind.OUT_OF_MEMORY),
        (2, UsageError("x"), FailureKind.USAGE),
    ],
)
def test_the_kind_of_an_end(tmp_path, code, error, kind):
    log = tmp_path / "logs" / "a.log"
    log.parent.mkdir()
    log.write_text("$ python train.py\nout of memory\nthe disk is full\n")
    if error is not None:
        write_failure(tmp_path, error)
    assert how_it_ended(code, tmp_path, log, 0).kind is kind
