"""Predicted masks as files, which lie over their inputs in another program."""

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UserError
from lungseg.evaluation.evaluate import evaluate
from lungseg.evaluation.saved_masks import file_name
from lungseg.training.train import train
from tests.training.test_volumes import SMALL, root  # noqa: F401

PICTURES = ["data=phantom", "data.count=24", "data.pixels=64", "data.size=32", "data.workers=0", "model=unet_classic",
            "model.width=4", "model.depth=2", "trainer=cpu", "trainer.max_epochs=1", "logger=none",
            "task=lung"]  # fmt: skip


def test_masks_of_volumes_lie_over_their_scans(root, tmp_path):  # noqa: F811
    words = [*SMALL, f"data.root={root}", f"run_dir={tmp_path / 'run'}", "task=lung", "trainer.max_epochs=4"]
    run = train(train_config(words))
    judged = evaluate(evaluate_config([f"run={run.path}", "save=masks"]))
    dice = {row["id"]: row["lung_dice"] for row in judged.rows}
    paths = sorted((judged.directory / "masks" / "lung").iterdir())
    assert len(paths) == len(dice) == 2
    for path in paths:
        id = path.name.removesuffix(".nii.gz")
        scan = SimpleITK.ReadImage(str(root / "ct_scans" / f"{id.replace('coronacases_', 'coronacases_org_')}.nii.gz"))
        mask = SimpleITK.ReadImage(str(path))
        assert mask.GetOrigin() == scan.GetOrigin()
        assert mask.GetDirection() == scan.GetDirection()
        assert mask.GetSpacing() == scan.GetSpacing()
        found = SimpleITK.GetArrayFromImage(mask) > 0
        reference = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(root / "lung_mask" / f"{id}.nii.gz"))) > 0
        again = 2 * (found & reference).sum() / (found.sum() + reference.sum())
        assert again == pytest.approx(dice[id], abs=1e-6)
        assert nibabel.load(path).header["descrip"].tobytes().strip(b"\0") == b""


def test_masks_of_pictures_have_their_size(tmp_path):
    run = train(train_config([*PICTURES, f"run_dir={tmp_path / 'run'}"]))
    assert not (run.path / "evaluation" / "phantom-test" / "masks").exists()
    judged = evaluate(evaluate_config([f"run={run.path}", "save=masks"]))
    for row in judged.rows:
        mask = np.asarray(Image.open(judged.directory / "masks" / "lung" / f"{row['id']}.png"))
        assert mask.shape == (64, 64)
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).sum() == row["lung_predicted_area"]
    assert not list(judged.directory.glob(".partial*"))


def test_a_name_is_taken_by_every_file_system_and_is_another_for_every_id():
    assert file_name("patient-1_2.a") == "patient-1_2.a"
    odd = [file_name(id) for id in ("a/b", "a\\b", "a b", "../a b", "..", "ä")]
    assert len(set(odd)) == len(odd)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-") and name.strip(".") for name in odd)


def test_what_else_could_be_saved_is_said():
    with pytest.raises(UserError, match=r"^save=pictures: expected masks or null"):
        evaluate_config(["run=x", "save=pictures"])
