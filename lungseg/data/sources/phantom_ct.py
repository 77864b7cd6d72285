"""Built-in chest CT scans in Hounsfield units, computed."""

from collections.abc import Iterator, Mapping

import numpy as np

from lungseg.core.errors import DataError
from lungseg.data.case import Case
from lungseg.data.phantom.ct.scan import REGIONS, Scan, Study

CLASSES = ("COVID-19", "Normal")
MIX: Mapping[str, float] = {"COVID-19": 0.8, "Normal": 0.2}
TWICE = 0.2  # share of the patients who are scanned again
NUMBERS = (("count", 1, 40), ("seed", 0, 0), ("pixels", 32, 128), ("slices", 8, 56))  # key, least, usual


def cases(
    *, count: int = 40, seed: int = 0, pixels: int = 128, slices: int = 56, mix: Mapping[str, float] = MIX
) -> list[Case]:
    """``count`` scans of patients with one or two scans each; the first n are the same whatever the ``count``."""
    for (key, least, usual), value in zip(NUMBERS, (count, seed, pixels, slices), strict=True):
        if not isinstance(value, int) or value < least:
            raise DataError(f"data.{key}={value}: expected a whole number from {least} on; give data.{key}={usual}")
    _check_mix(mix)
    made = []
    for index, (patient, number, label) in zip(range(count), _patients(seed, mix), strict=False):
        study = Study(seed, index, patient, label == "COVID-19", pixels, slices)
        name = f"ct-{patient + 1:03d}"
        masks = {region: Scan(study, region) for region in REGIONS}
        made.append(Case(id=f"{name}-{number}", image=Scan(study, "image"), masks=masks, patient=name, label=label))
    return made


def _patients(seed: int, mix: Mapping[str, float]) -> Iterator[tuple[int, int, str]]:
    """Yields (patient, number of the scan from 1, class) without end; classes come in proportion from the start."""
    rng = np.random.Generator(np.random.PCG64([seed, 33]))
    shares = {label: float(mix[label]) for label in CLASSES if mix.get(label, 0) > 0}
    given = dict.fromkeys(shares, 0)
    patient = 0
    while True:
        scans = 1 + int(rng.random() < TWICE)
        total = sum(given.values()) + scans
        owed = {label: share * total - given[label] for label, share in shares.items()}
        label = max(owed, key=lambda name: owed[name])
        given[label] += scans
        for number in range(1, scans + 1):
            yield patient, number, label
        patient += 1


def _check_mix(mix: Mapping[str, float]) -> None:
    known = ", ".join(CLASSES)
    remedy = "give data.mix={COVID-19: 0.8, Normal: 0.2}"
    if not isinstance(mix, Mapping) or not mix or any(label not in CLASSES for label in mix):
        raise DataError(f"data.mix={mix}: expected a share for each of {known}; {remedy}")
    shares = list(mix.values())
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise DataError(f"data.mix={dict(mix)}: expected shares from 0 to 1 that sum to 1; {remedy}")
