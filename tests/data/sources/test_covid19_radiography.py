import logging

import numpy as np
import openpyxl
import pytest

from lungseg.core.errors import UserError
from lungseg.data.io.image import read_case
from lungseg.data.sources import covid19_radiography
from lungseg.data.sources.issues import Problem
from lungseg.data.splits import split_cases
from tests.helpers import write_png

NUMBER = 24


@pytest.fixture
def root(tmp_path):
    for label in covid19_radiography.PUBLISHED:
        here = tmp_path / covid19_radiography.NAME / label
        for n in range(1, NUMBER + 1):
            image, mask = np.zeros((299, 299, 3), np.uint8), np.zeros((256, 256, 3), np.uint8)
            image[50:200, 60:150], mask[43:171, 51:128] = 200, 255
            write_png(here / "images" / f"{label}-{n}.png", image)
            write_png(here / "masks" / f"{label}-{n}.png", mask)
    return tmp_path


def write_metadata(root, sources):
    for label in covid19_radiography.PUBLISHED:
        book = openpyxl.Workbook()
        book.active.append(["FILE NAME", "FORMAT", "SIZE", "URL"])
        for n in range(1, NUMBER + 1):
            book.active.append([f"{label.upper()}-{n}", "PNG", "256*256", f"https://example.org/{label}/{n % sources}"])
        book.save(root / covid19_radiography.NAME / f"{label}.metadata.xlsx")


def test_masks_of_another_size_lie_over_their_images(root):
    cases = covid19_radiography.cases(root=str(root))
    assert len(cases) == 4 * NUMBER
    image, (mask,) = read_case(cases[0], ["lung"])
    assert image.shape == mask.shape == (299, 299)
    bright = image > 100
    assert 2 * (bright & mask).sum() / (bright.sum() + mask.sum()) > 0.97


@pytest.mark.parametrize("home", ["", "COVID-19_Radiography_Dataset"])
def test_the_root_may_be_the_folder_or_the_one_above(root, home):
    assert len(covid19_radiography.cases(root=str(root / home))) == 4 * NUMBER


def test_sources_are_kept_on_one_side_where_there_are_enough(root, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    covid19_radiography.cases(root=str(root))
    assert "by image, stratified by class: there is no metadata" in caplog.text
    write_metadata(root, sources=2)
    cases = covid19_radiography.cases(root=str(root))
    assert "by image, stratified by class: the metadata names as few as 2 sources" in caplog.text
    assert len({case.patient for case in cases}) == 4 * NUMBER
    write_metadata(root, sources=12)
    cases = covid19_radiography.cases(root=str(root))
    assert "by source address" in caplog.text
    assert len({case.patient for case in cases}) == 4 * 12
    splits = split_cases(cases, val=0.2, test=0.2, seed=0)
    sides = [{case.patient for case in side} for side in splits.values()]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert {case.label for case in splits["test"]} == set(covid19_radiography.PUBLISHED)


def test_the_site_of_an_address_is_an_attribute_however_it_is_split(root):
    assert covid19_radiography.cases(root=str(root))[0].attributes == ()
    write_metadata(root, sources=2)
    assert {case.attributes for case in covid19_radiography.cases(root=str(root))} == {(("source", "example.org"),)}


def test_counts_strays_and_a_broken_table_are_told(root):
    problems: list[Problem] = []
    covid19_radiography.cases(root=str(root), problems=problems)
    assert "holds 24 images; 1345 were published: 1321 missing" in str(problems[-1])
    with pytest.raises(UserError, match=r"data\.group=patient: expected auto, source or image"):
        covid19_radiography.cases(root=str(root), group="patient")
    table = root / covid19_radiography.NAME / "COVID.metadata.xlsx"
    table.write_text("no spreadsheet")
    with pytest.raises(UserError, match=r"COVID\.metadata\.xlsx: cannot be read as a spreadsheet"):
        covid19_radiography.cases(root=str(root))
    table.unlink()
    (root / covid19_radiography.NAME / "COVID" / "images" / "COVID-3.png").unlink()
    with pytest.raises(UserError, match=r"masks/COVID-3\.png: no image of that name"):
        covid19_radiography.cases(root=str(root))


def test_the_real_tree(realdata):
    cases = covid19_radiography.cases(root=str(realdata / "covid19_radiography"))
    assert {case.label for case in cases} == set(covid19_radiography.PUBLISHED)
    for case in cases:
        image, (mask,) = read_case(case, ["lung"])
        assert image.shape == (299, 299)
        assert 0.02 < mask.mean() < 0.8
