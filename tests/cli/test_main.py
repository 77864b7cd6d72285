"""The command lungseg: one way to say things, help for each command, and what a shell completes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lungseg.cli.completion import KEYS, candidates
from lungseg.cli.help_text import COMMANDS
from lungseg.cli.key_value import with_out_as
from lungseg.cli.main import main
from lungseg.core.config.compose import compose
from lungseg.core.errors import UsageError
from lungseg.core.shell_commands import hydra_value

TINY = ["count=24", "pixels=48"]


def ran(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    return ended.value.code, out, err


@pytest.mark.parametrize(
    "words", [["-o", "a b"], ["--out", "a b"], ["--out=a b"], ["-o=a b"], ["out=a b"]], ids=lambda words: words[0]
)
def test_a_folder_can_be_said_in_each_way(words):
    assert with_out_as("out", ["x", *words, "y=1"]) == ["x", "out=a b", "y=1"]
    assert with_out_as("run_dir", ["-o", "a b"], hydra_value) == ['run_dir="a b"']


@pytest.mark.parametrize("words", [["-o"], ["--out="], ["-o", "--help"], ["out=a", "-o", "b"], ["-o", "a", "-o", "b"]])
def test_a_folder_that_is_missing_or_said_twice_is_refused(words):
    with pytest.raises(UsageError, match=r"a folder is needed|given twice"):
        with_out_as("out", words)


def test_a_command_writes_where_either_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, words in enumerate((["out=a0"], ["-o", "a1"], ["--out", "a2"])):
        assert ran(capsys, "data", "check", "phantom", *TINY, *words)[0] == 0
        assert (tmp_path / f"a{number}").is_dir()
    texts = [sorted(path.name for path in (tmp_path / f"a{n}").iterdir()) for n in range(3)]
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_command_has_help_with_lines_to_paste(capsys, command, flag):
    if command.name in ("train", "evaluate"):
        pytest.skip("is Hydra's own help, tested with the programs")
    code, out, err = ran(capsys, *command.name.split(), flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: lungseg {command.name} {command.usage}\n")
    assert command.examples
    for line in command.examples:
        assert f"\n  {line}\n" in out
        assert f"lungseg {command.name}" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["swep"],
            "swep: no such command; there are train, evaluate, data, sweep, compare, completion; did you mean sw",
        ),
        (["data"], "data: a command is needed; expected one of get, check, audit, split"),
        (
            ["data", "chek"],
            "data: invalid choice: 'chek'; expected one of get, check, audit, split; did you mean check?",
        ),
        (["data", "check"], "data check: which data set? one of covid19_ct"),
        (["data", "check", "phantom", "-x"], "-x: expected KEY=VALUE"),
        (["sweep"], "sweep: which study?"),
        (["compare", "--wand"], "--wand: no such flag"),
        (["completion", "tcsh"], "completion tcsh: expected one of bash, zsh, fish"),
        (["train", "-o"], "-o: a folder is needed, for example -o my_folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, words, said):
    code, out, err = ran(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("lungseg ", ["train", "data", "completion", "--help"]),
        ("lungseg sw", ["sweep"]),
        ("lungseg data ", ["get", "check", "audit", "split"]),
        ("lungseg data check ph", ["phantom"]),
        ("lungseg data check phantom ro", ["root="]),
        ("lungseg train mod", ["model=", "model.encoder="]),
        ("lungseg train model=unet_c", ["model=unet_classic"]),
        ("lungseg train model=unet_classic model.w", ["model.width="]),
        ("lungseg train pretrained=", ["pretrained=true", "pretrained=false"]),
        ("lungseg evaluate tt", ["tta="]),
        ("lungseg sweep sweeps/lo", ["sweeps/losses.yaml"]),
        ("lungseg sweep ret", ["retrain", "retries="]),
        ("lungseg compare runs thr", ["threshold="]),
        ("lungseg compare runs threshold=", ["threshold=chosen", "threshold=tuned"]),
        ("lungseg completion ", ["bash", "zsh", "fish"]),
        ("lungseg compare my_f", []),  # a file, which the shell knows
    ],
)
def test_what_may_follow(line, some, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    found = candidates(line)
    assert set(some) <= set(found)
    assert bool(found) == bool(some)
    assert all(one.startswith(line.rpartition(" ")[2]) for one in found)


def test_no_key_is_completed_that_a_command_refuses():
    known = {f"data.{key}" for key in compose(["data=folder", "data.root=x"]).data} | {"data.part", "data.folds"}
    for name in ("data check", "data audit", "data split"):
        assert {f"data.{key}" for key in KEYS[name]} - {"data.out", "data.task"} <= known


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this system")
@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("lungseg tr", ["train"]),
        ("lungseg train model=unet_c", ["unet_classic"]),
        ("lungseg data check phantom_", ["phantom_ct"]),
    ],
)
def test_a_real_shell_completes(tmp_path, line, becomes):
    script = f"""
        PATH={Path(sys.executable).parent}:$PATH
        source <(lungseg completion bash)
        COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({line.replace("=", " = ")}); COMP_CWORD=2
        _lungseg 2>/dev/null
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert result.stdout.split() == becomes, result.stderr
