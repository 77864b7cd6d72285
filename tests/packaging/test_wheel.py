"""The built wheel, in an environment of its own, used from a folder that is no clone."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import lungseg
from tests.helpers import ROOT

TINY = ["task=lung", "data.count=24", "data.pixels=48", "data.size=32", "data.batch_size=4", "data.workers=0"]
TINY += ["trainer=cpu", "trainer.max_epochs=1", "logger=none"]
NET = ["model=unet_classic", "model.width=4", "model.depth=2"]
OURS = """\
_target_: lungseg.models.unet_classic.build
name: mine
width: 3
depth: 1
bilinear: false
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    built = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(built, cwd=ROOT, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel; what it depends on is the test environment's, without lungseg's own clone."""
    place = tmp_path_factory.mktemp("env")
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)}))
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    uv = shutil.which("uv")
    assert uv, "uv is not on PATH"
    words = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--compile-bytecode",
        "--no-deps",
        "--python",
        str(python),
        str(wheel),
    ]
    subprocess.run(words, check=True, capture_output=True)
    return place / "bin"


@pytest.fixture
def run(installed, tmp_path):
    """A command in an empty folder, as it stands in a shell; its output."""
    work = tmp_path / "work"
    work.mkdir()
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env["PATH"] = f"{installed}{os.pathsep}{env['PATH']}"

    def run(*words, exits=0):
        words = shlex.split(words[0]) if len(words) == 1 else words
        result = subprocess.run(words, cwd=work, env=env, capture_output=True, text=True, timeout=300)
        assert result.returncode == exits, result.stdout + result.stderr
        return result.stdout + result.stderr

    run.folder = work
    return run


def test_it_holds_the_configs_the_studies_and_the_page(wheel, run):
    said = run("python", "-c", "import lungseg, sys; print(lungseg.__file__, 'torch' in sys.modules)")
    assert str(ROOT) not in said
    assert said.endswith("False\n")
    assert run("lungseg", "--version") == f"lungseg {lungseg.__version__}\n"
    assert run("python", "-c", "from importlib.metadata import version; print(version('lungseg'))").split() == [
        lungseg.__version__
    ]
    code = "import lungseg, pathlib; p = pathlib.Path(lungseg.__file__).parent; "
    code += "print(*(str(f.relative_to(p)) for f in p.rglob('*')))"
    there = run("python", "-c", code).split()
    for folder in ("conf", "sweeps"):
        files = [path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.yaml")]
        assert {f"{folder}/{path}" for path in files} <= {*there}
    assets = ROOT / "lungseg" / "comparison" / "render" / "assets"
    assert {f"comparison/render/assets/{path.name}" for path in assets.iterdir()} <= {*there}
    assert "py.typed" in there
    assert "sweeps/losses.yaml" in run("lungseg", "sweep", "--help")


def test_it_trains_judges_and_says_commands_that_work_there(run):
    said = run("lungseg", "train", *TINY, *NET, "-o", "my run")
    assert "python " not in said
    manifest = json.loads((run.folder / "my run" / "manifest.json").read_text())
    assert manifest["command"].startswith("lungseg train task=lung ")
    assert manifest["git"] == {"commit": None, "dirty": None}
    refused = run("lungseg", "train", "resume='my run'", exits=1)
    again = re.search(r"judge it again by: (.*)", refused)[1]
    assert again.startswith("lungseg evaluate ")
    before = (run.folder / "my run" / "evaluation" / "phantom-test" / "cases.csv").read_bytes()
    run(again)
    assert (run.folder / "my run" / "evaluation" / "phantom-test" / "cases.csv").read_bytes() == before
    assert "lungseg train" in run("lungseg", "train", "--help")
    assert "error: modle: no such key or group" in run("lungseg", "train", "modle=unet", exits=2)


def test_configs_of_the_users_own_are_added_and_trusted_no_further(run):
    (run.folder / "conf" / "model").mkdir(parents=True)
    (run.folder / "conf" / "model" / "mine.yaml").write_text(OURS)
    run("lungseg", "train", "--config-dir", "conf", *TINY, "model=mine", "-o", "mine")
    said = run("lungseg", "evaluate", "run=mine")
    assert "Dice" in said
    (run.folder / "conf" / "evil.py").write_text("open('ran', 'w').close()\n\n\ndef net(**_):\n    pass\n")
    config = run.folder / "mine" / "config.yaml"
    config.write_text(config.read_text().replace("lungseg.models.unet_classic.build", "conf.evil.net"))
    for command in (["evaluate", "run=mine"], ["train", "resume=mine"]):
        said = run("lungseg", command[0], "--config-dir", "conf", command[1], exits=1)
        assert said.startswith("error: mine/config.yaml: model._target_"), said
    assert not (run.folder / "ran").exists()


@pytest.mark.slow
def test_it_sweeps_compares_and_checks(run):
    values = "".join(f"  {key}: {value}\n" for key, value in (word.split("=") for word in [*TINY, *NET]))
    (run.folder / "mine.yaml").write_text(f"base:\n{values}grid: {{optim.lr: [1e-3, 1e-2]}}\n")
    said = run("lungseg", "sweep", "mine.yaml", "slots=1", "-o", "study")
    assert (run.folder / "study" / "comparison" / "comparison.html").is_file()
    assert "lungseg train" in (run.folder / "study" / "logs" / "lr0.001.log").read_text()
    run("lungseg", "compare", "study", "--out", "page", "pictures=1")
    assert (run.folder / "page" / "comparison.html").is_file()
    assert "finished" in run("lungseg", "sweep", "status", "study")
    assert "24" in run("lungseg", "data", "check", "phantom", "count=24", "pixels=48", "--out=checked")
    assert said.count("error") == 0
    run("lungseg", "sweep", "sweeps/losses.yaml", "size=small", "loss=none", exits=2)
