import logging

import numpy as np
import pytest

from lungseg.comparison.discover import Wanted, gather
from lungseg.comparison.grouping import group
from lungseg.core.atomic_io import write_json
from lungseg.core.errors import UserError
from lungseg.data.case import short_checksum
from tests.comparison.runs import entries_of, make_run, people, scores_of, spoil
from tests.helpers import vouch


def run(root, name, cases, seed=0, **more):
    """The same case has the same reference in every run."""
    numbers = [int(case.id[-4:]) for case in cases]
    return make_run(root / name, cases, scores_of(20, seed=seed)[numbers], pictures=False, **more)


def refused(found, *said, **options):
    with pytest.raises(UserError) as error:
        group(found, **options)
    for words in said:
        assert words in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


def test_runs_are_paired_by_case_whatever_their_order(tmp_path):
    cases = people(8)
    one, other = run(tmp_path, "a", cases, 1), run(tmp_path, "b", cases[::-1], 2)
    (found,) = group(entries_of(one, other))
    assert found.table.id == [case.id for case in cases]
    expected = np.stack([scores_of(20, seed=seed)[:8] for seed in (1, 2)], axis=1)
    assert np.allclose(found.scores["infection/dice"], expected, atol=1e-3, equal_nan=True)


def test_each_task_and_data_is_a_group_and_what_is_alone_is_left_out(tmp_path, capsys):
    cases = people(6)
    places = [run(tmp_path, "a", cases), run(tmp_path, "b", cases, seed=1)]
    for name in ("lung-a", "lung-b"):
        places.append(run(tmp_path, name, cases, regions=("lung",), task__name="lung"))
    alone = run(tmp_path, "alone", people(6, prefix="else"), data__name="elsewhere")
    found = group(entries_of(*places, alone))
    assert [[entry.run.path.name for entry in one.entries] for one in found] == [["a", "b"], ["lung-a", "lung-b"]]
    refused(entries_of(places[0], alone, places[2]), "no two of these runs have the same task and test data", "alone")


def test_one_task_with_other_regions_is_a_group_that_a_page_can_tell(tmp_path):
    cases = people(6)
    places = [run(tmp_path, name, cases) for name in "ab"]
    assert group(entries_of(*places))[0].name == "infection · phantom · test"
    places += [run(tmp_path, f"lung-{name}", cases, regions=("lung",)) for name in "ab"]
    names = [one.name for one in group(entries_of(*places))]
    assert names == ["infection (infection) · phantom · test", "infection (lung) · phantom · test"]


def test_other_test_cases_are_refused_and_said(tmp_path):
    one, other = run(tmp_path, "a", people(8)), run(tmp_path, "b", people(9)[1:])
    found = entries_of(one, other)
    refused(
        found,
        str(one),
        str(other),
        "1 are only in the first, 1 only in the second",
        "case-0000 is not in",
        "common=true",
    )


def test_a_case_that_one_run_lacks_is_named(tmp_path):
    one, other = run(tmp_path, "a", people(8)), run(tmp_path, "b", people(7))
    refused(entries_of(one, other), "case-0007 is not in", "b/evaluation/phantom-test/cases.csv")


def test_training_on_the_others_test_cases_is_said_with_other_tests(tmp_path):
    cases = people(12)
    one = run(tmp_path, "a", cases[:6], trained=cases[6:])
    other = run(tmp_path, "b", cases[6:], trained=cases[:4])
    refused(entries_of(one, other), f"{other} was trained on 4 of the other's test images", f"{one} was trained on 6")


def test_training_on_the_test_cases_of_all_is_refused_where_not_all_did(tmp_path):
    cases = people(8)
    one, other = run(tmp_path, "a", cases), run(tmp_path, "b", cases, trained=cases[2:5])
    refused(entries_of(one, other), f"{other}: was trained on 3 of the test images (case-0002)", f"which {one} was not")


def test_a_copy_of_a_test_image_in_training_counts_whatever_its_name(tmp_path):
    cases = people(8)
    one, other = run(tmp_path, "a", cases), run(tmp_path, "b", cases)

    def leak(splits):
        splits["val"]["other name"] = splits["test"]["case-0003"]

    spoil(other / "splits.json", leak)
    vouch(other)
    refused(entries_of(one, other), "1 of the test images (case-0003)")
    spoil(one / "splits.json", leak)
    vouch(one)
    (found,) = group(entries_of(one, other))
    assert found.shared_leaks == 1


def test_the_common_cases_can_be_asked_for(tmp_path):
    one, other = run(tmp_path, "a", people(9)), run(tmp_path, "b", people(11)[2:])
    third = run(tmp_path, "c", people(3))
    elsewhere = [run(tmp_path, name, people(3, prefix=name)) for name in ("d", "e")]
    found = entries_of(one, third)
    assert group(found, common=True)[0].table.id == [f"case-{n:04d}" for n in range(3)]
    refused(entries_of(other, third), "one test case only", common=True)
    refused(entries_of(*elsewhere), "no test case in common", common=True)
    half = run(tmp_path, "f", people(9)[:2] + people(2, prefix="d"))
    refused(entries_of(half, third, elsewhere[0]), "no test case", common=True)


def test_one_case_only_is_refused(tmp_path):
    refused(entries_of(run(tmp_path, "a", people(1)), run(tmp_path, "b", people(1))), "one test case only")


def test_another_image_or_mask_or_unit_under_the_same_name_is_refused(tmp_path):
    cases = people(8)
    one, other, third = (run(tmp_path, name, cases) for name in "abc")
    table = other / "evaluation" / "phantom-test" / "cases.csv"
    image = short_checksum(repr(cases[3].image))
    kept = table.read_text()
    table.write_text(kept.replace(image, "0" * 12))
    refused(entries_of(one, other), "the case 'case-0003' is another image in each")
    table.write_text(kept)
    fewer = scores_of(20)[:8]
    fewer[3] = np.nan
    masked = make_run(tmp_path / "masked", cases, fewer, pictures=False)
    refused(entries_of(one, masked), "the case 'case-0003' has another infection mask in each")
    spoil(third / "evaluation" / "phantom-test" / "summary.json", lambda summary: summary.update(unit="mm"))
    refused(entries_of(one, third), "distances are in px and in mm")


def test_a_splits_file_that_is_something_else_is_named(tmp_path):
    cases = people(8)
    one, other = run(tmp_path, "a", cases), run(tmp_path, "b", cases)
    write_json(other / "splits.json", {"train": []})
    vouch(other)
    with pytest.raises(UserError, match=r"b/splits\.json: train has a list of 0"):
        entries_of(one, other)


def test_only_scores_that_every_run_has_are_compared(tmp_path):
    cases = people(8)
    one, other = run(tmp_path, "a", cases), run(tmp_path, "b", cases)
    table = other / "evaluation" / "phantom-test" / "cases.csv"
    table.write_text(table.read_text().replace("infection_nsd_4", "infection_nsd_8"))
    (found,) = group(entries_of(one, other))
    assert "infection/nsd_2" in found.scores
    assert not {"infection/nsd_4", "infection/nsd_8"} & set(found.scores)


def test_in_a_folder_those_that_were_tested_as_most_are_compared_and_the_others_told(tmp_path, caplog, monkeypatch):
    for number in range(3):
        make_run(tmp_path / "runs" / f"alike-{number}", people(12), scores_of(12, seed=number), pictures=False)
    other = people(12, prefix="other")
    make_run(tmp_path / "runs" / "other", other, scores_of(12), pictures=False)
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    with caplog.at_level("INFO", "lungseg"):
        (found,) = group(gather([tmp_path / "runs"], Wanted()))
    assert [entry.run.path.name for entry in found.entries] == ["alike-0", "alike-1", "alike-2"]
    assert f"left out: {tmp_path / 'runs' / 'other'} was tested on other cases than" in caplog.text
    with pytest.raises(UserError, match="were tested on different cases"):  # who names it wants it compared
        group(gather([tmp_path / "runs" / name for name in ("alike-0", "alike-1", "other")], Wanted()))
