"""Judged runs without a training: a directory as train.py leaves it, from scores that are given."""

import copy
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lungseg.core.atomic_io import write_json
from lungseg.core.run_directory import Run
from lungseg.core.text_tables import write_table
from lungseg.data.attributes import cells
from lungseg.data.case import Case, checksum, short_checksum
from lungseg.data.visualize.overlay import Overlay
from lungseg.evaluation.case_table import row as row_of
from lungseg.evaluation.thumbnails import STAMP, PictureWriter
from lungseg.tasks.segmentation.case_table import COUNTED, SEVERITY, Judged, summarise
from lungseg.tasks.segmentation.columns import METRICS
from tests.helpers import segmentation

SIDE = 100  # pixels of a judged image
CLASSES = ("COVID-19", "Normal", "Non-COVID")
CONFIG = {
    "task": {"name": "infection", "regions": ["infection"]},
    "data": {
        "size": 64, "batch_size": 8, "workers": 0, "val": 0.15, "test": 0.15, "split_seed": 0, "splits": None,
        "clahe": False, "overfit": None, "name": "phantom", "_target_": "lungseg.data.sources.phantom.cases",
        "mix": {"COVID-19": 0.4, "Normal": 0.6}, "domains": None,
    },
    "model": {
        "name": "unet", "_target_": "lungseg.models.unet.build", "encoder": "resnet18", "width": 8, "weights": None,
        "freeze": False,
    },
    "loss": {"_target_": "lungseg.tasks.losses.segmentation.BCEDice", "bce": 1.0, "dice": 1.0},
    "optim": {"_target_": "torch.optim.AdamW", "lr": 0.005},
    "trainer": {"_target_": "lungseg.training.trainer.build", "max_epochs": 12},
    "logger": {}, "pretrained": False, "freeze_encoder": False, "seed": 0, "resume": None, "run_dir": None,
    "traceback": False,
}  # fmt: skip
MANIFEST = {
    "status": "finished",
    "git": {"commit": "6b4e479d2d2042f4593ada0ba12c6b5d81343376", "dirty": False},
    "command": "python train.py data=phantom",
    "device": "CPU, 1 threads",
    "cases": {"train": 164, "val": 37, "test": 39},
    "epochs": 12,
    "training_seconds": 16.0,
}
CALIBRATION = {
    "expected_error": 0.02, "maximum_error": 0.2, "brier": 0.03, "bins": [[0.05, 0.02], None, [0.6, 0.5], [0.9, 0.95]],
}  # fmt: skip


@dataclass(frozen=True)
class Film:
    """An image that is computed from its name."""

    name: str

    def read(self):
        rng = np.random.default_rng(sum(map(ord, self.name)))
        return rng.integers(0, 255, (SIDE, SIDE), dtype=np.uint8)


def people(count, patients=None, prefix="case", domains=(None,)):
    """Cases 001.., patients in turn, every third of a class."""
    return [
        Case(
            id=f"{prefix}-{n:04d}", image=Film(f"{prefix}-{n:04d}"), patient=f"patient-{n % (patients or count):04d}",
            label=CLASSES[n % 3], domain=domains[n % len(domains)],
        )
        for n in range(count)
    ]  # fmt: skip


def counts_of(dice, cases, alarms=None, zoom=1):
    """[N] -> [N, 4]: areas that have such a Dice, to 0.001; NaN: no reference, and ``alarms`` [N] pixels invented.

    ``zoom``: so many times as many pixels on a side, for a finer Dice.
    """
    dice = np.asarray(dice, np.float64)
    number = np.array([int(case.id[-4:]) for case in cases])
    area = np.where(np.isnan(dice), 0, (1000 + 100 * (number % 7)) * zoom**2)
    invented = np.zeros(len(dice)) if alarms is None else np.asarray(alarms)
    hit = np.where(np.isnan(dice), 0, np.round(np.nan_to_num(dice) * area))
    extra = np.where(np.isnan(dice), invented, area - hit)
    return np.stack([hit, extra, area - hit, (zoom * SIDE) ** 2 - area - extra], axis=1).astype(np.int64)


def further_of(counts):
    """[N, 4] -> the other numbers of cases.csv, [N] each, made up from the Dice."""
    dice, predicted = METRICS["dice"](counts), counts[:, 0] + counts[:, 1]
    lesions = np.where(np.isnan(dice), 0, 1 + np.arange(len(dice)) % 3)
    found = np.round(np.nan_to_num(dice) * lesions)
    invented = lesions + (predicted > counts[:, 0])
    with np.errstate(invalid="ignore"):
        f1 = np.where(lesions > 0, 2 * found / (lesions + invented), np.nan)
    return {
        "hd95": 60 * (1 - dice), "assd": 15 * (1 - dice), "nsd_1": dice**2, "nsd_2": dice**1.5, "nsd_4": np.sqrt(dice),
        "brier": 0.01 + 0.05 * (1 - np.nan_to_num(dice)), "lesions": lesions, "lesions_predicted": invented,
        "lesions_found": found, "lesion_f1": f1, "severity_reference": (counts[:, 0] + counts[:, 2]) / 5000,
        "severity_predicted": predicted / 5000,
    }  # fmt: skip


def make_run(path, cases, dice, *, alarms=None, trained=(), regions=("infection",), tuned=None, pictures=True,
             quick=False, manifest=None, weight="images", **settings):  # fmt: skip
    """A finished run that was judged on ``cases``; ``dice``: [N] or [N, K]. ``settings``: keys of its config, ``__``
    for a dot. ``tuned``: as ``dice``, at another threshold. ``quick``: without intervals in summary.json."""
    run = Run(path)
    path.mkdir(parents=True)
    config = copy.deepcopy(CONFIG) | {"run_dir": str(path)}
    for key, value in {"task__regions": list(regions), **settings}.items():
        group, sign, name = key.partition("__")
        (config[group] if sign else config)[name or group] = value
    run.config_file.write_text(json.dumps(config))  # which is YAML as well
    splits = {"train": trained, "val": (), "test": cases}
    write_json(
        run.splits_file, {name: {case.id: checksum(case.image) for case in them} for name, them in splits.items()}
    )
    split = {"sha256": hashlib.sha256(run.splits_file.read_bytes()).hexdigest()}
    numbers = {"cases": {name: len(them) for name, them in splits.items()}}
    write_json(run.manifest_file, MANIFEST | numbers | {"seed": config["seed"], "split": split} | (manifest or {}))
    epochs = [{"epoch": n, "train/loss_epoch": 1 / n, "val/loss": 1.2 / n, "val/dice": 1 - 1 / n} for n in range(1, 13)]
    write_table(epochs, run.metrics_file)
    write_json(run.thresholds_file, {"none": dict.fromkeys(regions, 0.4)})
    folder = path / "evaluation" / f"{config['data']['name']}-test"
    folder.mkdir(parents=True)
    judge(folder, cases, dice, config, regions=regions, tuned=tuned, alarms=alarms, quick=quick, weight=weight)
    if pictures:
        write_pictures(
            folder / "pictures.zip", cases, [METRICS["dice"](one) for one in _counts(dice, cases, alarms)], regions
        )
    return path


def judge(folder, cases, dice, config, *, regions=("infection",), tuned=None, alarms=None, quick=False, weight="images",
          **more):  # fmt: skip
    """Its tables and summary.json; ``more`` overrides the summary."""
    given = {"model": dice, **({"tuned": tuned} if tuned is not None else {})}
    found = {name: _counts(values, cases, alarms, 10 if quick else 1) for name, values in given.items()}
    empty = np.zeros_like(found["model"])
    there = found["model"][..., 0] + found["model"][..., 2]
    empty[..., 2], empty[..., 3] = there, found["model"][0, 0].sum() - there
    results = {}
    for name, counts in (*found.items(), ("mean_mask", empty), ("all_background", empty)):
        further = [further_of(one) for one in counts] if name in found else []
        rows, results[name] = (
            _fast(cases, counts, further, regions) if quick else _slow(cases, counts, further, regions, weight)
        )
        if name in found:
            write_table(rows, folder / ("cases.csv" if name == "model" else "cases-tuned.csv"))
    about = {
        **{name: config[name]["name"] for name in ("task", "model", "data")}, "run": str(folder.parents[1]),
        "command": None, "split": "test", "tta": "none", "status": "finished", "on_training_images": False,
        "members": 1, "threshold": 0.5, "unit": "px", "tolerances": [1.0, 2.0, 4.0], "regions": list(regions),
        "cases": len(cases), "patients": len({case.patient for case in cases}), "weight": weight,
    }  # fmt: skip
    calibration = dict.fromkeys(regions, CALIBRATION)
    write_json(folder / "summary.json", about | {"results": results, "calibration": calibration, "legacy": None} | more)


def _counts(dice, cases, alarms, zoom=1):
    """[N] or [N, K] -> [K, N, 4]."""
    dice = np.asarray(dice, np.float64)
    return np.stack([counts_of(column, cases, alarms, zoom) for column in (dice if dice.ndim > 1 else dice[:, None]).T])


def _slow(cases, counts, further, regions, weight):
    judged = [
        Judged(
            case, counts[:, n], [{name: float(column[n]) for name, column in columns.items()} for columns in further]
        )
        for n, case in enumerate(cases)
    ]
    task = segmentation(*regions)
    return [row_of(task, one) for one in judged], summarise(judged, regions, weight)


def _fast(cases, counts, further, regions):
    """The same without intervals, all cases at once."""
    rows, results = [_who(case) for case in cases], {}
    for k, region in enumerate(regions):
        columns = {name: metric(counts[k]) for name, metric in METRICS.items()} | (further[k] if further else {})
        with np.errstate(invalid="ignore"):
            results[region] = {
                name: float(np.nanmean(values)) if not np.isnan(values).all() else None
                for name, values in columns.items()
                if name not in (*COUNTED, *SEVERITY)
            }
        reference, predicted = counts[k, :, 0] + counts[k, :, 2], counts[k, :, 0] + counts[k, :, 1]
        columns |= {"reference_area": reference, "predicted_area": predicted}
        for name, values in columns.items():
            whole = name in COUNTED or name.endswith("_area")
            told = [None if there != there else int(there) if whole else round(there, 6) for there in values.tolist()]
            for row, value in zip(rows, told, strict=True):
                row[f"{region}_{name}"] = value
    for row in rows:
        row["image_area"] = int(counts[0, 0].sum())
    return rows, results


def _who(case):
    image = short_checksum(checksum(case.image))
    who = {"id": case.id, "patient": case.patient, "class": case.label, "domain": case.domain, "image": image}
    return who | cells(case.attributes)


def write_pictures(path, cases, dice, regions):
    """A square is the reference; as much of it as the Dice says is found."""
    with zipfile.ZipFile(path, "w") as archive:
        writer = PictureWriter(archive, regions)
        for n, case in enumerate(cases):
            masks = [_masks(float(dice[k][n])) for k in range(len(regions))]
            reference, prediction = (np.stack(one) for one in zip(*masks, strict=True))
            writer.add(Overlay(case.id, case.label, case.image.read(), reference, prediction, {}))


def _masks(dice):
    reference, prediction = np.zeros((2, SIDE, SIDE), np.bool_)
    if np.isnan(dice):
        prediction[40:44, 40:44] = True
    else:
        reference[30:70, 30:70] = True
        prediction[30:70, 30 + round(40 * (1 - dice)) : 70 + round(40 * (1 - dice))] = True
    return reference, prediction


def quick_pictures(path, cases, which=("image", "reference", "prediction"), side=192, seed=0, pool=40):
    """As many pictures of the size of real ones, from a few that are encoded once."""
    rng = np.random.default_rng(seed)
    encoded = {name: [_encoded(rng, name, side) for _ in range(pool)] for name in which}
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(len(cases)):
            for name in which:
                file = f"image/{n}.jpg" if name == "image" else f"{name}/infection/{n}.png"
                archive.writestr(zipfile.ZipInfo(file, STAMP), encoded[name][rng.integers(pool)])


def _encoded(rng, name, side):
    yy, xx = np.mgrid[:side, :side]
    blob = np.zeros((side, side))
    for _ in range(5):
        y, x, size = rng.uniform(0.2, 0.8) * side, rng.uniform(0.2, 0.8) * side, rng.uniform(6, 24)
        blob += np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / size**2)
    content = io.BytesIO()
    if name == "image":
        pixels = (120 * blob + rng.normal(60, 12, (side, side))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(content, "JPEG", quality=82)
    else:
        Image.fromarray(blob + rng.normal(0, 0.02, blob.shape) > 0.5).save(content, "PNG")
    return content.getvalue()


def spoil(path, change):
    """Reads a JSON file, lets ``change`` alter it, writes it back."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def scores_of(count, level=0.8, noise=0.05, seed=0, empty=4):
    """[N] Dice about a level that the case has, a quarter of the cases without the region."""
    hard = np.random.default_rng(99).normal(0, 0.08, count)
    dice = np.clip(level + hard + np.random.default_rng(seed).normal(0, noise, count), 0, 1)
    dice[::empty] = np.nan
    return dice


def family(root, count=24, **more):
    """Three nets of one task, the first with two seeds and surely the best, and two runs of another task."""
    cases = people(count, count // 2)
    alarms = np.arange(count) * 3 % 40
    many = {"alarms": alarms, **more}
    make_run(root / "best-0", cases, scores_of(count, 0.9, seed=1), **many)
    make_run(root / "best-1", cases, scores_of(count, 0.9, seed=2), seed=1, **many)
    tuned = {"model__name": "tuned", "pretrained": True, "model__encoder": "mit_b0"}
    make_run(root / "tuned", cases, scores_of(count, 0.7, seed=3), **tuned, **many | {"alarms": alarms * 2})
    make_run(root / "plain", cases, scores_of(count, 0.69, seed=4), model__name="plain", **many | {"alarms": None})
    for name, level in (("lung-a", 0.95), ("lung-b", 0.9)):
        lungs = np.stack([np.clip(scores_of(count, level, 0.01, empty=count + 1), 0, 1)] * 2, axis=1)
        lungs[::4, 1] = np.nan
        make_run(root / name, cases, lungs, regions=("lung", "infection"), task__name="both", model__name=name, **more)
    return root


def entries_of(*paths, tuned=False):
    from lungseg.comparison.discover import Wanted, gather

    return gather(paths, Wanted(tuned=tuned))


def report_of(*paths, weight="images", **options):
    """Of the only group."""
    from lungseg.comparison.grouping import group
    from lungseg.comparison.report import report

    (found,) = group(entries_of(*paths), **options)
    return report(found, show=False, weight=weight)
