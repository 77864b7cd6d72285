"""Labels, patients and file names of a stranger go through every command, and none reaches the terminal as it is."""

import csv
import re

import pytest

from lungseg.cli.main import main
from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.security.printable_text import is_printable
from lungseg.evaluation.evaluate import evaluate
from lungseg.evaluation.read_case_table import read_cases
from lungseg.training.train import train

LABELS = ("\x1b[31mred\x1b[2J\u202e\x9b", "=cmd|' /C calc'!A0")
SMALL = ["model=unet_classic", "model.width=4", "model.depth=2", "data.size=32", "data.batch_size=4", "trainer=cpu"]
SMALL += ["trainer.max_epochs=1", "data.workers=0", "logger=none", "task=lung"]


@pytest.fixture
def hostile(folder_data):
    for n in range(12):
        for part in ("images", "lung_masks", "infection_masks"):
            (folder_data / part / f"p{n:02d}.png").rename(folder_data / part / f"=p{n:02d}é.png")
    rows = [[f"=p{n:02d}é.png", f"@patient\x07{n}", LABELS[n % 2]] for n in range(12)]
    with (folder_data / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "patient", "class"], *rows])
    return folder_data


def said_by(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["data", *words])
    said = capsys.readouterr()
    return ended.value.code, said.out + said.err


@pytest.mark.parametrize("command", ["check", "audit", "split"])
def test_commands_on_data_print_no_control_character(hostile, tmp_path, capsys, command):
    code, said = said_by(capsys, command, "folder", f"root={hostile}", f"out={tmp_path / 'out'}")
    assert code == 0, said
    assert all(is_printable(line) for line in said.splitlines())
    assert r"\x1b[31mred\x1b[2J\u202e\x9b" in said or command == "audit"
    for path in (tmp_path / "out").glob("*.csv"):
        with path.open(newline="") as file:
            assert not [cell for row in csv.reader(file) for cell in row if cell.startswith(("=", "@"))]


def test_training_and_its_test_print_none_either(hostile, tmp_path, capsys):
    run = train(train_config(["data=folder", f"data.root={hostile}", f"run_dir={tmp_path / 'run'}", *SMALL]))
    evaluate(evaluate_config([f"run={run.path}"]))
    said = capsys.readouterr().out + (run.path / "train.log").read_text()
    assert "test of folder" in said
    assert all(is_printable(line) for line in said.split("\n"))
    table = read_cases(tmp_path / "run" / "evaluation" / "folder-test")
    assert all(re.fullmatch(r"=p\d\dé", id) for id in table.id)
    assert all(re.fullmatch("@patient\x07\\d+", patient) for patient in table.patient)
    assert set(table.label) <= {"\x1b[31mred\x1b[2J\u202e\x9b", LABELS[1]}


@pytest.mark.parametrize("name", ["a\nerror: b.png", "a\x1b[2J.png", "a\udcff.png"])
@pytest.mark.parametrize("command", ["check", "audit", "split"])
def test_a_file_whose_name_cannot_be_printed_is_one_line(folder_data, tmp_path, capsys, name, command):
    (folder_data / "images" / "p00.png").rename(folder_data / "images" / name)
    code, said = said_by(capsys, command, "folder", f"root={folder_data}", f"out={tmp_path / 'out'}")
    assert code == 1
    assert all(is_printable(line) for line in said.splitlines())
    assert not [line for line in said.splitlines() if line.startswith("error: b")]
    shown = name.encode("unicode_escape", "surrogatepass").decode().replace("\\\\", "\\")
    assert f"{folder_data / 'images'}/{shown}: its path holds a line break or another control character" in said
