"""What a data set holds, case by case, and what of it would harm a training."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from lungseg.core.arrays import Gray, Mask
from lungseg.core.config.data_config import DataConfig
from lungseg.core.cpu_count import cores
from lungseg.core.errors import UserError
from lungseg.data.audit.plausibility import implausible, turned
from lungseg.data.build import build_splits
from lungseg.data.case import Case, MaskFile, Picture, files, place
from lungseg.data.io import nifti
from lungseg.data.io.image import MaskError, MaskSizeError, labelled, read_image, read_mask
from lungseg.data.io.label_map import LungLabels, lung_sides
from lungseg.data.io.pixel_values import require_spread
from lungseg.data.io.volume import read_volume_file
from lungseg.data.sources.issues import Problem
from lungseg.data.sources.mask_matching import ending


@dataclass(frozen=True)
class Finding:
    """One case: its size, bits, the share of each region, what is wrong; a small picture where one was asked for."""

    case: Case
    shape: tuple[int, ...] = ()
    kind: str = ""
    coverage: dict[str, float] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    thumbnail: Gray | None = None
    outlines: Mask | None = None  # [K, H, W] of the thumbnail
    is_volume: bool = False


def inspect_all(cases: Sequence[Case], shown: frozenset[str] = frozenset(), show: bool = True) -> Iterator[Finding]:
    """Findings in the cases' order, read by all cores; ``shown`` are the ids to make thumbnails of."""
    wanted = [case.id in shown for case in cases]
    with ProcessPoolExecutor(cores()) as pool:
        found = pool.map(inspect, cases, wanted, chunksize=16)
        yield from tqdm(found, "checking", len(cases), leave=False, disable=None if show else True)


def inspect(case: Case, thumbnail: bool = False) -> Finding:
    """Read all of a case; what cannot be read is a problem, not an error."""
    path = next(iter(files(case.image)), None)
    if path is not None and ending(path) in (".nii", ".nii.gz"):
        with contextlib.suppress(UserError):  # told below
            if nifti.read_header(path).is_volume:
                return _volume(case, path)
    try:
        image = read_image(case.image)
    except UserError as error:
        return Finding(case, problems=(_problem(error, Path(place(case))),))
    problems: list[Problem] = []
    masks: dict[str, Mask] = {}
    for region, picture in case.masks.items():
        try:
            masks[region] = read_mask(picture, case.image, image.shape)
        except UserError as error:
            problems.append(_problem(error, next(iter(files(picture)), Path(place(case)))))
    problems += implausible(case, masks, image) + turned(case, masks)
    small, lines = shrunk(image, masks) if thumbnail else (None, None)
    return Finding(case, image.shape, _kind(case), _coverage(masks), tuple(problems), small, lines)


def _volume(case: Case, path: Path) -> Finding:
    """As an image; its masks' voxels must be as many and as large as its own."""
    header = nifti.read_header(path)
    problems: list[Problem] = []
    masks: dict[str, Mask] = {}
    for region, picture in case.masks.items():
        for file in files(picture) if _side(picture) is None else ():  # a lung's side is in the file of both
            try:
                other = nifti.read_header(file)
                if other.shape != header.shape:
                    said = f"the mask is {_by(other.shape)} voxels, its scan {path.name} {_by(header.shape)}"
                    raise MaskSizeError(f"{file}: {said}")
                labels = getattr(picture, "labels", None) or (1,)
                found = labelled(nifti.read_volume(file), labels, file)
                masks[region] = masks[region] | found if region in masks else found
            except UserError as error:
                problems.append(_problem(error, file))
                continue
            if not np.allclose(other.spacing, header.spacing, rtol=1e-2):
                said = f"its voxels are {other.spacing} mm, those of {path.name} {header.spacing}"
                problems.append(Problem("mask spacing", file, said, harm=False))
    problems += _sides(case)
    try:
        voxels = nifti.read_volume(path)
        problems += implausible(case, masks, voxels)
        require_spread(voxels, float(voxels.min()), float(voxels.max()), path)
    except UserError as error:
        problems.append(_problem(error, path))
    spacing = "x".join(f"{size:.3g}" for size in header.spacing[:3])
    kind = f"volume, {spacing} mm"
    return Finding(case, header.shape[::-1], kind, _coverage(masks), tuple(problems), is_volume=True)


def _side(picture: Picture) -> str | None:
    return picture.side if isinstance(picture, MaskFile) else None


def _sides(case: Case) -> list[Problem]:
    """Reports maps whose labels say the other side than their affine."""
    problems = []
    for picture in case.masks.values():
        if isinstance(picture, MaskFile) and picture.side == "left" and picture.labels is not None:
            for path in picture.paths:
                try:
                    said = lung_sides(read_volume_file(path), LungLabels(*picture.labels)).contradiction
                except UserError:  # of no sides at all: said where they are asked for
                    continue
                if said is not None:
                    problems.append(Problem("mask sides", path, said.removeprefix(f"{path}: "), harm=False))
    return problems


def _problem(error: UserError, path: Path) -> Problem:
    kinds: dict[type[UserError], str] = {MaskSizeError: "mask size", MaskError: "mask values"}
    return Problem(kinds.get(type(error), "unreadable"), path, str(error).removeprefix(f"{path}: "))


def _coverage(masks: Mapping[str, Mask]) -> dict[str, float]:
    return {region: float(mask.mean()) for region, mask in masks.items()}


def together(
    cases: Sequence[Case], findings: Sequence[Finding], data: DataConfig, regions: Sequence[str] | None
) -> list[Problem]:
    """Looks for what only all cases show: masks that some have and others lack, a split that cannot be made.

    ``regions`` are those of the task, where one was named.
    """
    wanted = sorted({region for case in cases for region in case.masks} | set(regions or ()))
    problems = [
        Problem("image without mask", Path(place(case)), f"has no {region} mask, {_why(region, regions)}")
        for region in wanted
        for case in cases
        if region not in case.masks
    ]
    volumes = [finding.case for finding in findings if finding.is_volume]
    if len(volumes) < len(cases):
        said = "is a volume among single images; one data set is of one kind: move the volumes elsewhere"
        problems += [Problem("volume", Path(place(case)), said) for case in volumes]
    try:
        build_splits(list(cases), data.without_leak_search())
    except UserError as error:
        problems.append(Problem("split", Path(place(cases[0])).parent, str(error)))
    return problems


def _why(region: str, regions: Sequence[str] | None) -> str:
    return "which this task needs" if region in (regions or ()) else "which others have"


def untrainable(findings: Sequence[Finding], view: str | None) -> str | None:
    """Why no task can be trained on data in which nothing is wrong; None where one can."""
    if not any(finding.case.masks for finding in findings):
        return "there are no masks, so there is nothing to train on"
    if view is None and all(finding.is_volume for finding in findings):
        return "these are volumes, and are trained on with data.view=slices"
    return None


def table(findings: Sequence[Finding]) -> list[list[str]]:
    """Rows by split and class: cases, sizes, kinds, mean share of each region and in how many it is empty."""
    regions = sorted({region for finding in findings for region in finding.coverage}, reverse=True)
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.case.split or "-", finding.case.label].append(finding)
    rows = [["split", "class", "cases", "size", "kind", *(f"{region} (empty)" for region in regions)]]
    for (split, label), group in sorted(groups.items()):
        sizes = Counter(_by(finding.shape[::-1]) for finding in group if finding.shape)
        kinds = Counter(finding.kind for finding in group if finding.kind)
        shares = [[finding.coverage[region] for finding in group if region in finding.coverage] for region in regions]
        rows.append(
            [split, label, str(len(group)), _most(sizes), _most(kinds)]
            + [f"{np.mean(share):.1%} ({sum(value == 0 for value in share)})" if share else "-" for share in shares]
        )
    return rows


def _most(counts: Counter[str]) -> str:
    """The most frequent, and how many others there are."""
    (first, _), *others = counts.most_common() or [("-", 0)]
    return first + (f" +{len(others)}" if others else "")


def _kind(case: Case) -> str:
    paths = files(case.image)
    if not paths:
        return "computed"
    if ending(paths[0]) in (".dcm", ".dicom", ".nii", ".nii.gz"):
        return ending(paths[0])[1:]
    with Image.open(paths[0]) as file:
        return f"{ending(paths[0])[1:]} {file.mode}"


def shrunk(image: Gray, masks: dict[str, Mask], side: int = 160) -> tuple[Gray, Mask]:
    """The image and its masks with a longer side of ``side`` pixels."""
    scale = side / max(image.shape)
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    planes = [cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for mask in masks.values()]
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.asarray(planes, np.bool_).reshape(len(planes), *small.shape)


def _by(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape)
