from lungseg.evaluation.table import render

SCORES = {
    "n_reference": 3, "n_empty": 2, "false_alarm_rate": 0.5, "precision": 0.8, "recall": None,
    "dice": 0.7, "dice_low": 0.61, "dice_high": 0.79, "iou": 0.6, "iou_low": None, "iou_high": None,
}  # fmt: skip


def table(**scores):
    return render(
        {
            "split": "test", "data": "mine", "cases": 5, "patients": 4, "threshold": 0.5, "tta": "flip",
            "regions": ["infection"], "results": {"model": {"infection": SCORES | scores}},
        }
    ).splitlines()  # fmt: skip


def test_it_reads_as_columns():
    title, _, region, header, row, _, note = table()
    assert note == "intervals over fewer than 10 patients are rough"
    assert title == "test of mine: 5 cases of 4 patients, threshold 0.5, tta flip"
    assert region == "infection (3 cases with it, 2 without)"
    assert row.split("  ")[1:3] == ["model", "0.700 [0.610, 0.790]"]
    for name, cell in (("Dice", "0.700"), ("IoU", "0.600"), ("precision", "0.800"), ("false", "50%")):
        assert header.index(name) == row.index(cell)
    assert row[header.index("recall")] == "-"


def test_what_was_not_measured_is_a_dash_and_no_number():
    _, _, _, header, row, *_ = table(n_empty=0, false_alarm_rate=float("nan"), dice=float("nan"), dice_low=float("nan"))
    assert row.split() == ["model", "-", "0.600", "0.800", "-"]
    assert "false alarms" not in header  # where every case has the region there can be none
