"""Checks values that are sound alone and not together."""

from collections.abc import Mapping
from typing import Any

from lungseg.core.config.value_types import shown
from lungseg.core.errors import UserError
from lungseg.core.net_size import classic_parameters, size

HALF = ("16-mixed", 16)  # precisions whose gradients are scaled


def require_combinations(config: Mapping[str, Any]) -> None:
    """Checks the values of a whole config together, each of which is known to be of its kind."""
    _require_shares(config["data"])
    _require_a_view(config["data"])
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
    for key in ("crop", "clahe") if data["view"] is not None else ():
        if data[key]:
            raise UserError(f"data.{key}={shown(data[key])}: is for pictures; volumes are seen whole: leave it out")


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
