"""Memory that does not suffice, as one line that says what to do."""

import contextlib
from collections.abc import Iterator

import torch

from lungseg.core.errors import UserError

SIGNS = ("can't allocate memory", "not enough memory", "cannot allocate memory", "cudnn_status_alloc_failed")


@contextlib.contextmanager
def told_out_of_memory(batch_size: int) -> Iterator[None]:
    """The device's and the machine's memory alike; a kill by the system's own guard cannot be caught."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = str(error).lower()
        gpu = isinstance(error, torch.OutOfMemoryError)
        if not (gpu or isinstance(error, MemoryError) or any(sign in said for sign in SIGNS)):
            raise
        where = "of the GPU" if gpu else "of this machine"
        raise UserError(
            f"out of memory {where} with data.batch_size={batch_size}: take data.batch_size={max(batch_size // 2, 1)} "
            "with trainer.accumulate_grad_batches=2, or a smaller data.size or model"
        ) from None
