import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import ROOT, write_png

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would programs
os.environ.setdefault("OMP_NUM_THREADS", "1")  # three tests run side by side, on two cores: many wait


@pytest.fixture(autouse=True)
def _quiet_home(tmp_path_factory, monkeypatch):
    """No test sees the user's own settings, keys or caches."""
    home = tmp_path_factory.mktemp("home")
    names = ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_DIR", "LUNGSEG_RUN_DIR", "HF_HOME", "TORCH_HOME")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home / "wandb"))


@pytest.fixture(scope="session")
def lung_runs(tmp_path_factory):
    """A folder of finished runs, not to be changed: a and b differ by their seed, cut is cut to the lungs by a."""
    from lungseg.core.config.command_line import train_config
    from lungseg.training.train import train

    root = tmp_path_factory.mktemp("lung_runs")
    words = ["data.count=36", "data.pixels=64", "data.size=32", "data.batch_size=4", "data.workers=0", "trainer=cpu"]
    words += ["model=unet_classic", "model.width=4", "model.depth=2", "trainer.max_epochs=2", "logger=none"]
    for name, own in (("a", ["task=lung"]), ("b", ["task=lung", "seed=1"]), ("cut", [f"data.crop={root / 'a'}"])):
        train(train_config([*words, *own, f"run_dir={root / name}"]))
    return root


@pytest.fixture
def realdata():
    """The folder of real images: LUNGSEG_REALDATA, else ../shared/realdata beside the repository."""
    root = Path(os.environ.get("LUNGSEG_REALDATA", ROOT.parent / "shared" / "realdata"))
    if not root.is_dir():
        pytest.skip(f"no real images at {root}: set LUNGSEG_REALDATA to the folder that has them")
    return root


@pytest.fixture
def folder_data(tmp_path):
    """A folder data set of 12 patients with one image each: a bright disc is the lung, a brighter one the infection."""
    root = tmp_path / "xrays"
    generator = np.random.default_rng(0)
    yy, xx = np.mgrid[:80, :96]
    for n in range(12):
        lung = (yy - 40) ** 2 + (xx - 48) ** 2 < generator.integers(18, 30) ** 2
        infection = lung & ((yy - 50) ** 2 + (xx - 44) ** 2 < 8**2) & (n % 3 < 2)
        image = generator.integers(0, 40, (80, 96)) + 90 * lung + 100 * infection
        write_png(root / "images" / f"p{n:02d}.png", image.clip(0, 255).astype(np.uint8))
        write_png(root / "lung_masks" / f"p{n:02d}.png", lung.astype(np.uint8) * 255)
        write_png(root / "infection_masks" / f"p{n:02d}.png", infection.astype(np.uint8) * 255)
    rows = [f"p{n:02d}.png,patient{n},{'COVID-19' if n % 3 < 2 else 'Normal'}" for n in range(12)]
    (root / "metadata.csv").write_text("filename,patient_id,finding\n" + "\n".join(rows) + "\n")
    return root
