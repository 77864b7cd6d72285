"""Checks values that are sound alone and not together."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from lungseg.core.config.data_config import PATCH
from lungseg.core.config.value_types import shown
from lungseg.core.errors import UserError
from lungseg.core.net_size import classic_parameters, halvings, size

MIRRORS = ("HorizontalFlip", "Flip", "D4", "SquareSymmetry", "Transpose", "RandomRotate90")
VOLUME_NET = "lungseg.models.unet3d.build"
HALF = ("16-mixed", 16)  # precisions whose gradients are scaled


def require_combinations(config: Mapping[str, Any]) -> None:
    """Checks the values of a whole config together, each of which is known to be of its kind."""
    _require_shares(config["data"])
    _require_a_view(config["data"])
    _require_a_fitting_net(config)
    if config["model"]["_target_"] == VOLUME_NET:
        model = config["model"]
        require_halvable(config["data"]["patch"] or PATCH, model.get("depth", 4), model.get("strides", "auto"))
    _require_no_mirror(config)
    _require_poolings(config)
    _require_a_loss(config["loss"])
    _require_clipping(config)


def require_folds(data: Mapping[str, Any]) -> None:
    """Cross-validation needs both how many parts and which one."""
    folds, fold = data["folds"], data["fold"]
    if fold is not None and folds is None:
        raise UserError(f"data.fold={fold}: a part of how many? expected data.folds=, too, for example data.folds=5")
    if folds is not None and fold is None:
        raise UserError(f"data.folds={folds}: expected data.fold=, too, one of 0 to {folds - 1}, the part left out")
    if folds is not None and fold >= folds:
        raise UserError(f"data.fold={fold}: expected one of 0 to {folds - 1}, the part to be left out of training")


def _require_shares(data: Mapping[str, Any]) -> None:
    if data["val"] + data["test"] >= 1:
        raise UserError(
            f"data.val={data['val']} and data.test={data['test']} leave nothing to train on; their sum must be below 1"
        )


def _require_a_view(data: Mapping[str, Any]) -> None:
    low, high = data["window"]
    if low >= high:
        raise UserError(f"data.window=[{low},{high}]: the lower number comes first, for example [-1250,250]")
    if data["view"] is None and data["neighbours"]:
        raise UserError(
            f"data.neighbours={data['neighbours']}: pictures have no neighbouring slices; leave it out, or choose data "
            "of volumes"
        )
    if data["view"] is None:
        _require_no_volume_keys(data)
    else:
        _require_volume_keys(data)


def _require_no_volume_keys(data: Mapping[str, Any]) -> None:
    for key in ("patch", "spacing"):
        if data[key] is not None:
            raise UserError(f"data.{key}={shown(data[key])}: is for volumes; leave it out, or choose data of volumes")


def _require_volume_keys(data: Mapping[str, Any]) -> None:
    view, patch = data["view"], data["patch"]
    if data["normalise"] == "image":
        raise UserError(
            "data.normalise=image: Hounsfield units mean the same in every scan, which it would undo; "
            "take imagenet, dataset or [mean,deviation]"
        )
    if view == "slices" and patch is None and data["spacing"] is not None:
        raise UserError(
            f"data.spacing={shown(data['spacing'])}: whole slices are brought to data.size; leave it out, "
            "or give data.patch=[1,96,96], too"
        )
    if view == "slices" and patch is not None and patch[0] != 1:
        raise UserError(
            f"data.patch={shown(patch)}: with data.view=slices a patch is of one slice; expected "
            f"[1,{patch[1]},{patch[2]}], or data.view=patches"
        )


def _require_a_fitting_net(config: Mapping[str, Any]) -> None:
    """Nets for volumes see patches of them, and no other net does."""
    target, view = config["model"]["_target_"], config["data"]["view"]
    if target == VOLUME_NET and view != "patches":
        raise UserError(
            "model=unet3d: sees volumes; add data.view=patches with data of volumes, or take model=unet, which sees "
            "pictures and slices"
        )
    if target.startswith("lungseg.models.") and target != VOLUME_NET and view == "patches":
        raise UserError(
            f"data.view=patches: model={config['model']['name']} sees pictures and slices; take model=unet3d, or "
            "data.view=slices"
        )


def require_halvable(patch: Sequence[int], depth: int, strides: str | Sequence[Sequence[int]]) -> None:
    """Refuses a net for volumes whose levels do not divide a patch [z, y, x]."""
    if isinstance(strides, str):
        fitting = max(halvings(side) for side in patch)
        if depth > fitting:
            raise UserError(
                f"model.depth={depth}: data.patch={shown(list(patch))} can be halved {_times(fitting)} (to 4 voxels or "
                f"more); expected {f'model.depth={fitting} or ' if fitting else ''}a patch with a side of "
                f"{4 * 2**depth}"
            )
        return
    whole = [prod(step[axis] for step in strides) for axis in range(3)]
    sides = [-(-side // each) * each for side, each in zip(patch, whole, strict=True)]
    if sides == whole:  # instance norm of a single voxel is always 0
        sides[-2:] = [2 * side for side in sides[-2:]]
    if sides != list(patch):
        raise UserError(
            f"model.strides={shown([list(step) for step in strides])}: data.patch={shown(list(patch))} is divided by "
            f"{shown(whole)} and must be a multiple of it, of more than one voxel; expected for example "
            f"data.patch={shown(sides)}"
        )


def _times(number: int) -> str:
    return {0: "not once", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _require_no_mirror(config: Mapping[str, Any]) -> None:
    """A mirrored image has its left lung on the right."""
    sided = [name for name in config["task"].get("regions", []) if name.startswith(("left_", "right_"))]
    mirrors = [transform["_target_"].rpartition(".")[2] for transform in config["augment"]["transforms"]]
    for mirror in (name for name in mirrors if name in MIRRORS):
        if sided:
            raise UserError(
                f"augment: {mirror} mirrors images, and task.regions={shown(sided)} are of one side: "
                "take augment=ct or augment=light, which mirror nothing"
            )


def _require_poolings(config: Mapping[str, Any]) -> None:
    """Each pooling halves the image: beyond its last pixel it would be padded to many times its size."""
    model, side = config["model"], config["data"]["size"]
    depth = model.get("depth")
    if model["_target_"] == "lungseg.models.unet_classic.build" and depth and 2**depth > side:
        parameters = classic_parameters(
            1, max(len(config["task"].get("regions", [])), 1), model.get("width", 64), depth, False
        )
        raise UserError(
            f"model.depth={depth}: {depth} poolings leave nothing of data.size={side}, and the net would have "
            f"{size(parameters)}; expected at most {side.bit_length() - 1}, for example 4"
        )


def _require_a_loss(loss: Mapping[str, Any]) -> None:
    terms = {key: value for key, value in loss.items() if key in ("bce", "dice")}
    if loss["_target_"] == "lungseg.tasks.losses.segmentation.BCEDice" and len(terms) == 2 and not any(terms.values()):
        raise UserError("loss.bce=0 and loss.dice=0: the loss would always be 0; expected one above 0")


def _require_clipping(config: Mapping[str, Any]) -> None:
    trainer = config["trainer"]
    if trainer["precision"] in HALF and config["optim"].get("fused") and trainer.get("gradient_clip_val"):
        raise UserError(
            f"optim.fused=true with trainer.precision={trainer['precision']}: scales gradients itself, so that they "
            "cannot be clipped; take trainer.precision=bf16-mixed, optim.fused=false or trainer.gradient_clip_val=0"
        )
