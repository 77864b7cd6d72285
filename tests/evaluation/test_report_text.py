from lungseg.evaluation.report_text import render
from tests.helpers import segmentation

SCORES = {
    "n_reference": 3, "n_empty": 2, "false_alarm_rate": 0.5, "precision": 0.8, "recall": None, "specificity": 0.9,
    "dice": 0.7, "dice_low": 0.61, "dice_high": 0.79, "iou": 0.6, "iou_low": None, "iou_high": None,
}  # fmt: skip


def table(**scores):
    return render(
        segmentation("infection"),
        {
            "split": "test", "data": "mine", "cases": 5, "patients": 4, "threshold": 0.5, "tta": "flip",
            "regions": ["infection"], "results": {"model": {"infection": SCORES | scores}},
        }
    ).splitlines()  # fmt: skip


def test_it_reads_as_columns():
    title, _, region, header, row = table()
    assert title == "test of mine: 5 cases of 4 patients, threshold 0.5, tta flip"
    assert region == "infection (3 cases with it, 2 without)"
    assert row.split("  ")[1:3] == ["model", "0.700 [0.610, 0.790]"]
    for name, cell in (
        ("Dice", "0.700"),
        ("IoU", "0.600"),
        ("precision", "0.800"),
        ("specificity", "0.900"),
        ("false", "50%"),
    ):
        assert header.index(name) == row.index(cell)
    assert row[header.index("recall")] == "-"


def test_what_was_not_measured_is_a_dash_and_no_number():
    _, _, _, header, row, *_ = table(n_empty=0, false_alarm_rate=float("nan"), dice=float("nan"), dice_low=float("nan"))
    assert row.split() == ["model", "-", "0.600", "0.800", "-", "0.900"]
    assert "false alarms" not in header  # where every case has the region there can be none


FURTHER = {
    "hd95": 3.21, "hd95_low": 2.0, "hd95_high": 4.0, "assd": 1.0, "assd_low": None, "assd_high": None,
    "nsd_0.5": 0.5, "nsd_0.5_low": 0.4, "nsd_0.5_high": 0.6, "nsd_3": 0.9, "nsd_3_low": None, "nsd_3_high": None,
    "pooled_dice": 0.71, "pooled_iou": 0.61, "pooled_precision": 0.81, "pooled_recall": 0.64,
    "pooled_specificity": 0.99, "n_missed": 1,
    "false_alarm_rate_low": 0.1, "false_alarm_rate_high": 0.9, "false_alarm_area": 0.00123,
    "lesions": 7, "lesions_predicted": 5, "lesions_found": 4, "lesion_f1_pooled": 0.667,
    "lesion_f1": 0.6, "lesion_f1_low": None, "lesion_f1_high": None,
    "lesions_small": 4, "lesions_found_small": 1, "lesions_medium": 3, "lesions_found_medium": 3,
    "lesions_large": 0, "lesions_found_large": 0,
    "severity": {
        "bias": -0.012, "mean_absolute_error": 0.02, "lower_limit": None, "upper_limit": None,
        "pearson": 0.8, "concordance": None, "cases": 4,
    },
}  # fmt: skip


def whole(legacy=None, **summary):
    return render(
        segmentation("infection"),
        {
            "split": "val", "data": "mine", "cases": 5, "patients": 4, "threshold": 0.5, "tta": "none", "unit": "mm",
            "members": 3, "tolerances": [3.0, 0.5], "regions": ["infection"], "legacy": legacy,
            "results": {"model": {"infection": SCORES | FURTHER}, "tuned": {"infection": SCORES | FURTHER}},
            "thresholds_from_validation": {"infection": 0.37},
            "calibration": {"infection": {"expected_error": 0.05, "maximum_error": 0.4, "brier": 0.0123}},
        } | summary
    )  # fmt: skip


def test_all_that_is_measured_is_told_in_its_unit():
    text = whole()
    for said in (
        "ensemble of 3",
        "at 0.37, by validation",
        "all pixels pooled: Dice 0.710, IoU 0.610, precision 0.810, recall 0.640, specificity 0.990",
        "HD95 3.2 [2.0, 4.0] mm, ASSD 1.00 mm (the image's diagonal in 1 where nothing was found)",
        "surface Dice: 0.500 [0.400, 0.600] within 0.5 mm, 0.900 within 3 mm",
        "a false alarm in 50% [10%, 90%] of the 2 cases, on 0.12% of the image on average",
        "lesions: 4 of 7 found, 5 predicted: F1 0.667, per case 0.600",
        "by size: small (under 0.1%) 1 of 4, medium 3 of 3",
        "infected share of the lungs (4 of 5 cases): bias -1.2%, mean error 2.0%, correlation 0.80",
        "expected error 0.050, of the worst bin 0.400, Brier 0.0123",
    ):
        assert said in text
    assert "nan" not in text
    assert "None" not in text


def test_a_threshold_is_said_to_flatter_where_it_is_judged_on_what_chose_it():
    assert "at 0.37, chosen on these cases" in whole(tuned_on_these_cases=True)


def test_definitions_that_flatter_stand_apart_with_their_reason():
    found = {
        name: {"value": value, "why": f"because of {name}"}
        for name, value in (
            ("two_channel_dice", 0.99),
            ("smoothed_dice", 0.8),
            ("soft_dice", 0.7),
            ("batch_dice", None),
        )
    }
    lines = whole({"infection": found}).splitlines()
    start = next(n for n, line in enumerate(lines) if "definitions that circulate" in line)
    assert lines[start + 1].split() == ["two-channel", "Dice", "0.990", "because", "of", "two_channel_dice"]
    assert lines[start + 4].split()[:3] == ["batch-pooled", "Dice", "-"]
    assert "definitions that circulate" not in whole()


def test_few_effective_patients_are_named_for_each_score_that_has_an_interval():
    effective = {"dice": 9.96, "iou": 9.96, "hd95": 4.0, "assd": 4.0, "nsd_0.5": 20.0, "false_alarm_rate": 15.0,
                 "brier": 3.0, "lesion_f1": 2.0}  # fmt: skip
    text = whole(results={"model": {"infection": SCORES | FURTHER | {"iou_low": 0.5, "iou_high": 0.7,
                                                                     "effective_patients": effective}}})  # fmt: skip
    assert "  fewer than 15 effective patients, so intervals are rough: 9.9 for Dice, IoU; 4 for HD95\n" in text + "\n"
    assert "effective" not in whole(
        results={"model": {"infection": SCORES | FURTHER | {"effective_patients": dict.fromkeys(effective, 15.0)}}}
    )


def test_equal_scores_have_no_interval_and_that_is_said():
    lines = table(dice=0.0, dice_low=None, dice_high=None, effective_patients={"dice": 20.0, "iou": 1.0})
    assert "0.000 (all equal)  0.600 " in lines[4]


def test_means_over_patients_are_said_to_be_such():
    assert "means over patients" in whole(weight="patients").splitlines()[0]
    assert "infected share of the lungs (4 of 4 cases)" in whole(weight="patients", cases=4)
    assert "means over patients" not in whole(weight="images")
