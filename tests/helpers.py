import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def run_program(*words, cwd, env=None, timeout=240):
    """A program of the repository as a user starts it."""
    script, *rest = words
    return subprocess.run(
        [sys.executable, *([script] if script == "-m" else [str(ROOT / script)]), *rest],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def write_png(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
