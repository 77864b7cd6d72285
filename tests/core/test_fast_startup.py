"""What a start leaves out, and that nobody misses it afterwards."""

import gc
import subprocess
import sys

import pytest

from lungseg.core.fast_startup import without
from tests.helpers import ROOT

START = """
import gc, sys
from lungseg.core import fast_startup
with fast_startup.importing():
    import lungseg.training.train, lungseg.models.smp
print(*[name for name in ("scipy.signal", "scipy.stats", "wandb", "sklearn", "pandas") if name in sys.modules])
frozen = gc.get_freeze_count()
with fast_startup.importing():
    left = [[] for _ in range(1000)]
print(gc.isenabled(), frozen > 100_000, gc.get_freeze_count() <= frozen)
import scipy.signal, timm.utils, wandb
print(scipy.signal.windows.hamming(3).round(2).tolist(), wandb.init.__name__)
"""
END = """
import atexit, sys, threading, time
from lungseg.core import fast_startup
class Slow:
    def __del__(self):
        print("taken apart")
with fast_startup.swift_end():
    slow = Slow()
    slow.self = slow
    atexit.register(print, "told")
    threading.Thread(target=lambda: (time.sleep(0.3), print("waited for"))).start()
    print("said")
    {end}
"""


def test_a_start_brings_along_nothing_that_is_not_used_and_all_of_it_can_be_had_later():
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["", "True True True", "[0.08, 1.0, 0.08] init"]


@pytest.mark.parametrize(
    ("end", "code", "error"),
    [
        ("pass", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('error: bad')", 1, "error: bad"),
        ("raise SystemExit(-15)", 241, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_program_ends_with_its_code_once_all_is_said_and_waited_for(end, code, error):
    done = subprocess.run([sys.executable, "-c", END.format(end=end)], capture_output=True, text=True, cwd=ROOT)
    slowly = ["taken apart"] if "/" in end else []
    assert done.stdout.splitlines() == ["said", "waited for", "told", *slowly]
    assert (done.returncode, (done.stderr.splitlines() or [""])[-1]) == (code, error)


def test_a_module_is_away_within_the_block_alone(tmp_path, monkeypatch):
    (tmp_path / "heavy_thing.py").write_text("weight = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with without("heavy_thing", window=None):
        import heavy_thing

        assert heavy_thing.window is None
        assert not hasattr(heavy_thing, "weight")
    import heavy_thing

    assert heavy_thing.weight == 1
    with without("heavy_thing"):
        import heavy_thing

        assert heavy_thing.weight == 1
    assert sys.modules.pop("heavy_thing").weight == 1
    assert gc.isenabled()
