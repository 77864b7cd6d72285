"""Heavy packages at half their price: what a start and an end cost beside the work is mostly Python's own housekeeping.

Thousands of modules are imported before a run begins. While that goes on nothing is garbage, nor is it at the end,
when all of it goes; and some packages bring others along that nobody here uses.
"""

import atexit
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """What is imported within the block, for the first time, is never searched for garbage."""
    if "torchmetrics" in sys.modules:  # an earlier run of a grid may have left some
        yield
        return
    gc.disable()
    try:
        with without("scipy.signal", hamming=None):  # torchmetrics imports all of it, to mend a window of that name
            import torchmetrics  # noqa: F401
        yield
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # or some would say at the end that it had leaked


@contextlib.contextmanager
def swift_end() -> Iterator[None]:
    """The process of a program: with the block's exit code it leaves as soon as all that asked to be told were.

    It leaves in the ordinary way, which takes two seconds longer, where an exception was not foreseen.
    """
    code: list[int] = []
    atexit.register(_leave, code)  # what was registered first is called last
    try:
        yield
    except SystemExit as error:
        code.append(error.code if isinstance(error.code, int) else int(error.code is not None))
        raise
    code.append(0)


def _leave(code: list[int]) -> None:
    if code:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody listens any more
                stream.flush()
        os._exit(code[0] & 0xFF)


@contextlib.contextmanager
def without(name: str, **has: object) -> Iterator[None]:
    """Who imports ``name`` within the block gets a module that holds nothing but ``has``; afterwards the real one.

    Where it is imported already nothing changes.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in = ModuleType(name)
    vars(stand_in).update(has)
    try:
        yield
    finally:
        del sys.modules[name]
