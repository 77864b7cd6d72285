"""The computed CT scans: tissues in published Hounsfield units, a body that lies as it should, no two alike."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from lungseg.core.errors import DataError
from lungseg.data.case import Case, identity
from lungseg.data.packed_cache import open_pack
from lungseg.data.phantom.ct.scan import REGIONS, Scan, Study
from lungseg.data.sources.phantom_ct import cases
from lungseg.data.splits import split_cases
from lungseg.data.volumes.patch_preprocessing import PatchPreprocessing

# Mean Hounsfield units of tissues, as published:
# lung -900 to -770 (Hoffman & McLennan 1997, air content 70 to 85%, inspiration; Best et al. 2003: mean -850 +- 50);
# fat -115 to -70 (Yoshizumi 1999: -190 to -30 holds fat); muscle 30 to 75 (Aubrey 2014: -29 to 150 holds muscle);
# cancellous bone of vertebrae 90 to 260 (Pickhardt 2013: 110 to 200 in adults); cortical bone above 300;
# ground glass -720 to -400 (Kauczor 2000, -700 to -500; Shen 2020, COVID-19: -700 to -300); consolidation -50 to 80.
PUBLISHED = {"lung": (-900, -770), "fat": (-115, -70), "muscle": (30, 75), "marrow": (90, 260), "glass": (-720, -400)}
DEVIATIONS = {"lung": (15, 130), "fat": (8, 45), "muscle": (8, 45), "marrow": (20, 130), "glass": (40, 190)}


@dataclass
class Rendered:
    """A case with its arrays."""

    case: Case
    scan: np.ndarray
    masks: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def scans():
    """Three scans at the size that is trained on, two of them ill."""
    every = cases(count=12)
    chosen = [case for case in every if case.label == "COVID-19"][:2]
    chosen.append(next(case for case in every if case.label == "Normal"))
    return [Rendered(case, case.image.read(), {region: case.masks[region].read() > 0 for region in REGIONS})
            for case in chosen]  # fmt: skip


def tissues(rendered):
    """Samples of tissues, found by where they are rather than by what was drawn there."""
    case, scan, lung, ill = rendered.case, rendered.scan, rendered.masks["lung"], rendered.masks["infection"]
    sample = {"lung": scan[ndimage.binary_erosion(lung & ~ill, iterations=2) & (scan < -600)]}
    body = ndimage.binary_fill_holes(scan > -300)
    skin = ndimage.distance_transform_edt(ndimage.binary_erosion(body, iterations=1), case.image.spacing)
    below = (skin > 3) & (skin < 6) & ~lung
    sample["fat"] = scan[below & (scan < -40) & (scan > -180)]
    solid = ndimage.binary_erosion((scan > -25) & (scan < 130), iterations=2)
    sample["muscle"] = scan[solid & ~lung]
    dense = ndimage.binary_opening(ndimage.gaussian_filter(scan.astype(np.float32), 0.7) > 120, iterations=2)
    sample["marrow"] = scan[dense & (scan < 400)]
    if ill.any():
        sample["glass"] = scan[ill & (scan < -250)]
    return sample


def test_tissues_have_their_published_units(scans):
    for rendered in scans:
        case, scan = rendered.case, rendered.scan
        for name, values in tissues(rendered).items():
            assert len(values) > 200, name
            low, high = PUBLISHED[name]
            assert low < values.mean() < high, (case.id, name, values.mean())
            low, high = DEVIATIONS[name]
            assert low < values.std() < high, (case.id, name, values.std())
        assert scan.dtype == np.int16
        assert scan[0, 0, 0] in (-1024, *range(-1024, -900))
        assert np.percentile(scan, 99.9) > 300  # cortical bone
    dense = [rendered.scan[rendered.masks["infection"]] for rendered in scans[:2]]
    assert max(np.mean(values > -100) for values in dense) > 0.02  # consolidation in some


def test_a_body_lies_as_all_volumes_do_here(scans):
    """x to the patient's left, y to the back, z to the head."""
    for rendered in scans:
        scan, left, right = rendered.scan, rendered.masks["left_lung"], rendered.masks["right_lung"]
        depth, height, width = scan.shape
        assert np.argwhere(left)[:, 2].mean() > width / 2 > np.argwhere(right)[:, 2].mean()
        assert right.sum() > left.sum()  # the heart lies to the left
        bone = ndimage.gaussian_filter(scan.astype(np.float32), 1)[:, :, width // 2 - 6 : width // 2 + 6] > 130
        assert np.argwhere(bone)[:, 1].mean() > height / 2  # the spine lies at the back
        middle = slice(width // 2 - 12, width // 2 + 12)
        assert (scan[-3, :, middle] < -700).sum() > 4  # the trachea leaves at the head
        assert (left | right)[: depth // 12].mean() < 0.1 * (left | right)[depth // 2].mean()  # there lies the abdomen


def test_regions_hold_together(scans):
    for rendered in scans:
        case, (lung, left, right, ill) = rendered.case, (rendered.masks[region] for region in REGIONS)
        assert not (left & right).any()
        assert np.array_equal(left | right, lung)
        assert not (ill & ~lung).any()
        assert ill.any() == (case.label == "COVID-19")
        millilitres = lung.sum() * np.prod(case.image.spacing) / 1000
        assert 2000 < millilitres < 6500
        assert ndimage.label(ndimage.binary_opening(lung))[1] >= 2


def test_a_scan_depends_on_its_study_alone():
    study = Study(3, 7, 5, ill=True, pixels=48, slices=16)
    first = Scan(study, "image").read()
    other = Scan(Study(3, 8, 5, ill=True, pixels=48, slices=16), "image").read()
    again = pickle.loads(pickle.dumps(Scan(study, "image")))
    assert np.array_equal(first, again.read())
    assert identity(again) == identity(Scan(study, "image"))
    assert not np.array_equal(first, other)
    lungs = [Scan(Study(3, n, patient, ill=False, pixels=48, slices=16), "lung").read() > 0
             for n, patient in ((7, 5), (8, 5), (9, 6))]  # fmt: skip
    overlap = [2 * (lungs[0] & lung).sum() / (lungs[0].sum() + lung.sum()) for lung in lungs[1:]]
    assert overlap[0] > 0.9  # of one patient
    assert overlap[1] < overlap[0]
    assert study.spacing[0] > 1.3 * study.spacing[1]  # anisotropic


def test_patients_stay_on_one_side_and_more_scans_change_none():
    few, many = cases(count=10), cases(count=60)
    assert many[:10] == few
    assert len({case.patient for case in many}) < len(many)  # some are scanned again
    assert 0.7 < np.mean([case.label == "COVID-19" for case in many]) < 0.9
    splits = split_cases(many, val=0.2, test=0.2, seed=0)
    sides = [{case.patient for case in side} for side in splits.values()]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


def test_scans_are_packed_in_their_own_units():
    some = cases(count=2, pixels=48, slices=16)
    how = PatchPreprocessing(window=(-1250, 250), patch=(8, 16, 16))
    pack = open_pack(some, ["lung", "infection"], how, show=False)
    scan, masks = pack.case(some[1].id)
    assert np.array_equal(scan, some[1].image.read())
    assert np.array_equal(masks[0], some[1].masks["lung"].read() > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, r"data\.count=0: expected a whole number from 1 on; give data\.count=40"),
        ({"slices": 4}, r"data\.slices=4: expected a whole number from 8 on"),
        ({"mix": {"Flu": 1.0}}, r"data\.mix=\{'Flu': 1\.0\}: expected a share for each of COVID-19, Normal"),
        ({"mix": {"Normal": 0.5}}, r"data\.mix=\{'Normal': 0\.5\}: expected shares from 0 to 1 that sum to 1"),
    ],
)
def test_options_that_cannot_be_are_one_line(options, message):
    with pytest.raises(DataError, match=f"^{message}"):
        cases(**options)
