"""Tells memory that does not suffice as one line that says what to do."""

import contextlib
from collections.abc import Iterator

import torch

from lungseg.core.errors import OutOfMemoryError

SIGNS = (  # torch and cuDNN raise a bare RuntimeError for these: there is no class to tell them by
    *("can't allocate memory", "not enough memory", "cannot allocate memory", "cudnn_status_alloc_failed"),
)


def out_of_memory(error: BaseException, batch_size: int, size_key: str = "data.size") -> OutOfMemoryError | None:
    """Returns what to tell of ``error``; None where it is about something else.

    The device's and the machine's memory alike; a kill by the system's own guard cannot be caught. ``size_key`` is what
    decides how much the net sees at once: data.size or data.patch.
    """
    gpu = isinstance(error, torch.OutOfMemoryError)
    bare = isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)
    if not (gpu or bare or isinstance(error, MemoryError)):
        return None
    where = "of the GPU" if gpu else "of this machine"
    fewer = f"data.batch_size={batch_size // 2} with trainer.accumulate_grad_batches=2, or " if batch_size > 1 else ""
    return OutOfMemoryError(
        f"out of memory {where} with data.batch_size={batch_size}: take {fewer}a smaller {size_key} or model",
        batch_size,
        gpu,
    )


@contextlib.contextmanager
def told_out_of_memory(batch_size: int, size_key: str = "data.size") -> Iterator[None]:
    """Raises it in place of the device's or the machine's own error."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        told = out_of_memory(error, batch_size, size_key)
        if told is None:
            raise
        raise told from None
