import sys
import types

import pytest

from tests.sweep.pretend import pretend


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A train.py that obeys optim.lr: 5 is killed once, 6 needs much memory, 7 is refused, 8 is a bug."""
    script = pretend(tmp_path)
    monkeypatch.setattr("lungseg.sweep.run.trial_process.PROGRAM", script)
    return script


@pytest.fixture
def compared(monkeypatch):
    """What was handed to the comparison."""
    calls = []
    module = types.ModuleType("lungseg.cli.compare")
    module.compare = lambda places, out, search=None: calls.append((places, out, search)) or 0
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls
