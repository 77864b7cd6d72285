"""Why a run failed, in its directory: by the class of the error, whatever its text says."""

import errno
import json
import os
import pickle
import signal

import pytest

from lungseg.core import errors
from lungseg.core.errors import FailureKind
from lungseg.core.failure_file import failure_of, read_failure, report_failure, write_failure
from lungseg.core.run_directory import create_run
from lungseg.core.signals import Interrupted
from lungseg.data.io.image import MaskError
from lungseg.data.loader import WorkerDiedError
from lungseg.training.distributed.connection import RankLost

CASES = [
    (errors.UserError("x"), "mendable", 1),
    (errors.UsageError("x"), "usage", 2),
    (errors.UnknownKeyError("x", "optim.lr"), "usage", 2),
    (errors.DataError("x"), "data", 1),
    (MaskError("x"), "data", 1),
    (errors.CheckpointError("x"), "checkpoint", 1),
    (errors.WeightsMissingError("x", "resnet18"), "weights missing", 1),
    (errors.OutOfMemoryError("x", 8, True), "out of memory", 1),
    (errors.DiskFullError("x"), "disk full", 1),
    (OSError(errno.ENOSPC, "No space left on device", "a/b"), "disk full", 1),
    (OSError(errno.EACCES, "Permission denied", "a/b"), "unexpected", 1),
    (WorkerDiedError("x"), "loading process died", 1),
    (RankLost("x", 143), "rank lost", 143),
    (errors.Stopped("x", signal.SIGTERM), "stopped", 143),
    (errors.Pruned("x"), "pruned", 75),
    (errors.PartlyDoneError("x", ["a"]), "mendable", 3),
    (Interrupted(signal.SIGINT), "stopped", 130),
    (KeyboardInterrupt(), "stopped", 130),
    (RuntimeError("out of memory; the disk is full"), "unexpected", 1),
]


@pytest.mark.parametrize(("error", "kind", "code"), CASES, ids=lambda value: type(value).__name__)
def test_what_failed_is_kept_by_kind_and_exit_code(tmp_path, error, kind, code):
    write_failure(tmp_path, error)
    content = json.loads((tmp_path / "failure.json").read_text())
    assert (content["format"], content["kind"], content["exit_code"]) == (1, kind, code)
    assert read_failure(tmp_path) == failure_of(error)


@pytest.mark.parametrize("error", [error for error, _, _ in CASES if isinstance(error, errors.UserError)],
                         ids=lambda error: type(error).__name__)  # fmt: skip
def test_an_error_passes_from_process_to_process_with_its_fields(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"kind": "boredom", "message": "x", "exit_code": 1}',
                                     '{"format": 2, "kind": "data", "message": "x", "exit_code": 1}'])  # fmt: skip
def test_what_cannot_be_read_says_nothing(tmp_path, content):
    (tmp_path / "failure.json").write_text(content)
    assert read_failure(tmp_path) is None


def test_nothing_is_written_where_nobody_asks_and_no_run_was_made(tmp_path):
    report_failure(errors.UserError("x"))
    write_failure(tmp_path / "run", errors.UserError("x"))
    assert os.listdir(tmp_path) == []


def test_a_run_that_failed_early_tells_its_parent_and_can_be_begun_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSEG_FAILURE_DIR", str(tmp_path / "run"))
    report_failure(errors.WeightsMissingError("x"))
    assert read_failure(tmp_path / "run").kind is FailureKind.WEIGHTS_MISSING
    assert create_run(str(tmp_path / "run"), "x").path == tmp_path / "run"
    assert os.listdir(tmp_path / "run") == []
    (tmp_path / "run" / "config.yaml").touch()
    with pytest.raises(errors.UserError, match="exists already"):
        create_run(str(tmp_path / "run"), "x")


def test_another_rank_leaves_it_to_rank_zero(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSEG_FAILURE_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("LUNGSEG_RANK", "1/2")
    report_failure(errors.UserError("x"))
    assert os.listdir(tmp_path) == []
