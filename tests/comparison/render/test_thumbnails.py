import base64
import io
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

from lungseg.comparison.grouping import group
from lungseg.comparison.render.thumbnails import album, worth_a_look
from lungseg.comparison.report import report
from lungseg.core.errors import UserError
from tests.comparison.runs import entries_of, family, make_run, people, report_of, scores_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return family(tmp_path_factory.mktemp("family"))


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made, tmp_path / "runs")


def three(root):
    return report_of(*(root / name for name in ("best-0", "tuned", "plain")))


def unpacked(text, regions, runs):
    jpeg, bits = text.split("|")
    with Image.open(io.BytesIO(base64.b64decode(jpeg))) as picture:
        size = picture.height, picture.width
    planes = np.frombuffer(zlib.decompress(base64.b64decode(bits)), np.uint8).reshape((1 + runs) * regions, -1)
    return size, np.unpackbits(planes, axis=1)[:, : size[0] * size[1]].reshape(-1, *size)


def test_every_case_has_its_image_its_reference_and_each_runs_mask(root):
    report = three(root)
    found = album(report, 24, show=False)
    assert sorted(found) == list(range(24))
    for case in (0, 5, 23):
        size, planes = unpacked(found[case], 1, 3)
        assert size == (100, 100)
        reference, *predictions = planes
        score = report.group.scores["infection/dice"][case]
        for dice, mask in zip(score, predictions, strict=True):
            if np.isnan(dice):
                assert not reference.any()
            else:
                overlap = 2 * (reference & mask).sum() / (reference.sum() + mask.sum())
                assert overlap == pytest.approx(dice, abs=0.02)


def test_regions_have_planes_of_their_own(root):
    found = album(report_of(root / "lung-a", root / "lung-b"), 24, show=False)
    _, planes = unpacked(found[4], 2, 2)
    lung, infection = planes[0], planes[1]
    assert lung.any()
    assert not infection.any()  # case 4 has none


def test_pictures_follow_the_case_where_runs_have_other_orders_and_others(tmp_path):
    cases = people(9)
    make_run(tmp_path / "a", cases, scores_of(9, empty=10))
    dice = scores_of(9, empty=10)
    dice[:] = 0.5
    make_run(tmp_path / "b", cases[3:][::-1], dice[3:], model__name="other")
    (found,) = group(entries_of(tmp_path), common=True)
    whole = report(found, show=False)
    masks = [unpacked(text, 1, 2)[1].sum(axis=(1, 2)) for _, text in sorted(album(whole, 24, show=False).items())]
    assert len(masks) == 6
    expected = cases[3].image.read()
    with Image.open(io.BytesIO(base64.b64decode(album(whole, 24, show=False)[0].split("|")[0]))) as picture:
        assert np.abs(np.asarray(picture).astype(int) - expected).mean() < 20


def test_the_budget_bounds_it_and_the_telling_cases_come_first(root):
    report = three(root)
    assert album(report, 0, show=False) == {}
    few = album(report, 0.02, show=False)
    assert 0 < len(few) < 24
    order = list(worth_a_look(report))
    assert sorted(order) == list(range(24))
    assert list(few) == order[: len(few)]
    values = report.analyses["infection/dice"].values
    first = order[:12]
    assert int(np.nanargmax(np.ptp(values, axis=1))) in first
    assert int(np.nanargmin(values.mean(axis=1))) in first
    area = report.analyses["infection/false_alarm_area"].values.mean(axis=1)
    assert int(np.nanargmax(area)) in first


def test_without_pictures_there_is_an_empty_album(root):
    (root / "tuned" / "evaluation" / "phantom-test" / "pictures.zip").unlink()
    assert album(three(root), 24, show=False) == {}


@pytest.mark.parametrize("size", [0, 100, -2000])
def test_pictures_that_were_cut_off_are_named(root, size):
    path = root / "tuned" / "evaluation" / "phantom-test" / "pictures.zip"
    path.write_bytes(path.read_bytes()[: size or None] if size else b"")
    with pytest.raises(UserError, match=r"tuned/evaluation/phantom-test/pictures.zip: .*python evaluate.py run="):
        album(three(root), 24, show=False)


def test_pictures_of_fewer_cases_are_named(root):
    from tests.comparison.runs import write_pictures

    path = root / "best-0" / "evaluation" / "phantom-test" / "pictures.zip"
    write_pictures(path, people(5), [np.full(5, 0.8)], ["infection"])
    with pytest.raises(UserError, match=r"best-0/evaluation/phantom-test/pictures.zip: image/\d+.jpg"):
        album(three(root), 24, show=False)
