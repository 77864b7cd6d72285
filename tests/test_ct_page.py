"""Checks the page on CT: its commands compose, and run on small copies of the published layouts; its keys are there."""

import re
import shlex

import nibabel
import numpy as np
import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import compose
from tests.helpers import ROOT, run_program, write_png

PAGE = (ROOT / "docs" / "ct.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
TRAININGS = [command for command in COMMANDS if command.startswith("python train.py")]
TINY = ["data.batch_size=2", "data.workers=0", "trainer=cpu", "trainer.max_epochs=1", "logger=none", "data.val=0.25"]
OF_NETS = {  # by what is in the command
    "model=unet3d": ["model.width=4", "model.depth=1", "data.patch=[8,16,16]", "data.patches_per_volume=1"],
    "": ["model=unet_classic", "model.width=4", "model.depth=2", "data.size=32"],
}


def words_of(command):
    """The words of a training, the first of several values alone."""
    words = shlex.split(command.removeprefix("python train.py"))
    return [re.sub(r"(?<=\d),[\d,]+$", "", word) for word in words if word != "-m"]


def test_the_page_has_commands():
    assert len(TRAININGS) >= 8
    assert all(command.startswith(("python train.py", "lungseg ")) for command in COMMANDS)


@pytest.mark.parametrize("command", TRAININGS)
def test_a_training_of_the_page_composes(command):
    config = train_config(words_of(command))
    assert config.data.preprocessing.view is not None or "data=ct_slices" in command


def test_every_key_of_the_page_is_one():
    config = compose(["model=unet3d", "data=mosmed", "data.root=x", "data.view=patches", "data.neighbours=0"])
    named = set(re.findall(r"\b((?:data|model)\.\w+)\b", PAGE))
    assert len(named) > 10
    assert {name for name in named if name.split(".")[1] not in config[name.split(".")[0]]} == set()


def test_the_files_that_the_page_names_are_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).is_file()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with small copies of what the page's commands name."""
    place = tmp_path_factory.mktemp("ct")
    for n in range(4):
        scan, lungs = _body(n)
        infection = (lungs == 1) & (np.arange(scan.shape[2]) % 3 == 1)
        own = {"ct_scans": scan, "lung_mask": lungs, "infection_mask": infection}
        for folder, values in own.items():
            stem = f"coronacases_{'org_' if folder == 'ct_scans' else ''}{n:03d}"
            _write(place / "covid19_ct" / folder / f"{stem}.nii.gz", values)
        _write(place / "COVID19_1110" / "studies" / "CT-1" / f"study_{255 + n:04d}.nii.gz", scan)
        _write(place / "COVID19_1110" / "masks" / f"study_{255 + n:04d}_mask.nii.gz", infection)
        _write(place / "my_ct" / "images" / f"{n}.nii.gz", scan)
        _write(place / "my_ct" / "infection_masks" / f"{n}.nii.gz", infection)
        for part in ("TrainingSet/LungInfection-Train/Doctor-label", "TestingSet/LungInfection-Test"):
            home = place / "COVID-SemiSeg" / part
            write_png(home / "Imgs" / f"{n}.png", ((scan[:, :, 4] + 1000) // 8).clip(0, 255).astype(np.uint8))
            write_png(home / "GT" / f"{n}.png", infection[:, :, 4].astype(np.uint8) * 255)
    return place


def _body(n):
    scan = np.full((40, 36, 9), -1000, np.int16)
    scan[6:34, 6:30] = 40
    lungs = np.zeros(scan.shape, np.uint8)
    lungs[10:18, 10:26], lungs[22:30, 10:26] = 1, 2
    scan[lungs > 0] = -850
    return scan + np.random.default_rng(n).integers(-40, 40, scan.shape, dtype=np.int16), lungs


def _write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = values if values.dtype == np.int16 else values.astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(kept, np.diag([-2.0, 2.0, 5.0, 1.0])), path)


@pytest.mark.slow
def test_the_commands_of_the_page_run_one_after_the_other(place):
    for command in (one for one in COMMANDS if not one.startswith("lungseg sweep")):
        if command.startswith("lungseg"):
            result = run_program("-m", "lungseg.cli.main", *shlex.split(command)[1:], cwd=place)
        else:
            net = next(words for name, words in OF_NETS.items() if name in command)
            few = ["data.count=8", "data.pixels=32", "data.slices=12"] if "phantom_ct" in command else []
            result = run_program("train.py", *shlex.split(command)[2:], *TINY, *net, *few, cwd=place)
        assert result.returncode == 0, command + result.stdout + result.stderr
        assert "Traceback" not in result.stderr
