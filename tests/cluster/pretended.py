"""``lungseg`` commands whose trials only pretend, also in processes that a cluster starts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.sweep.pretend import pretend

SITE = """
import importlib.abc, importlib.util, os, pathlib, sys

class Patch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "lungseg.sweep.run.trial_process":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def patched(module):
            execute(module)
            module.PROGRAM = pathlib.Path(os.environ["LUNGSEG_PRETENDED"])
        spec.loader.exec_module = patched
        return spec

if os.environ.get("LUNGSEG_PRETENDED"):
    sys.meta_path.insert(0, Patch())
"""


def environment(folder, base):
    """In which every Python process of ``lungseg`` runs the program that pretends."""
    script = pretend(folder)
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    paths = [str(folder / "site"), base.get("PYTHONPATH", "")]
    return {**base, "PYTHONPATH": ":".join(filter(None, paths)), "LUNGSEG_PRETENDED": str(script)}
