"""A program ends although its loading processes ignore SIGTERM and their iterator is still held."""

import os
import signal
import sys
import time

import pytest

from lungseg.data.datamodule import _leave_signals_to_main
from lungseg.data.loader import Loader, WorkerDiedError
from tests.helpers import WARM


class Numbers:
    cases = ()

    def __len__(self):
        return 1000

    def __getitem__(self, key):
        return float(key)


def _kill_one_and_end(number):
    loader = Loader(
        Numbers(), batch_size=2, num_workers=2, persistent_workers=True, worker_init_fn=_leave_signals_to_main
    )
    sys.held = batches = iter(loader)  # as the traceback of an error holds it
    next(batches)
    time.sleep(0.2)
    if number is None:
        sys.exit(1)
    os.kill(loader.processes[number].pid, signal.SIGKILL)
    try:
        list(batches)
    except WorkerDiedError as error:
        sys.kept = error
        sys.exit(1)
    sys.exit(0)


@pytest.mark.parametrize("number", [0, 1, None])
def test_a_program_ends_whichever_loading_process_is_killed(number):
    process = WARM.Process(target=_kill_one_and_end, args=(number,))
    process.start()
    process.join(30)
    ended = process.exitcode
    if ended is None:
        process.kill()
    assert ended == 1
