"""A real SLURM of two virtual nodes on this machine, for the tests that need one."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT

DAEMONS = ("slurmctld", "slurmd", "slurmstepd", "munged")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The environment in which sbatch, srun and scontrol speak to it; nothing of it is left afterwards.

    LUNGSEG_SLURM is the folder of the scripts ``up DIR`` and ``down DIR``, else ../shared/slurm beside the repository.
    """
    scripts = Path(os.environ.get("LUNGSEG_SLURM", ROOT.parent / "shared" / "slurm"))
    if not (scripts / "up").is_file():
        pytest.skip(f"no scripts that start a SLURM at {scripts}: set LUNGSEG_SLURM to the folder of up and down")
    if os.geteuid() != 0:
        pytest.skip("a SLURM can only be started by root")
    for tool in ("slurmctld", "slurmd", "munged"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: apt-get install slurm-wlm munge")
    before = _daemons()
    if before:
        pytest.skip(f"a SLURM or munge runs here already: {before}")
    folder = tmp_path_factory.mktemp("slurm")
    try:
        with (folder / "up.log").open("w") as log:  # no pipe: the daemons would keep it open
            started = subprocess.run([scripts / "up", folder], stdout=log, stderr=log, timeout=120)
        assert started.returncode == 0, (folder / "up.log").read_text()
        yield {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "MASTER_ADDR": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
    finally:
        subprocess.run(
            ["scancel", "--full", "--user=root"], env={**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        )
        deadline = time.monotonic() + 60
        while _jobs(folder) and time.monotonic() < deadline:
            time.sleep(0.5)
        subprocess.run([scripts / "down", folder], timeout=60)
        deadline = time.monotonic() + 40
        while (left := _daemons()) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not left, f"still running: {left}"


def _jobs(folder):
    env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    return subprocess.run(["squeue", "--noheader"], env=env, capture_output=True, text=True).stdout.strip()


def _daemons():
    found = subprocess.run(["pgrep", "--list-name", "|".join(DAEMONS)], capture_output=True, text=True).stdout
    return found.split("\n")[:-1]
