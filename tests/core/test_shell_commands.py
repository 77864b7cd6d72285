"""Every command that is printed can be pasted into a shell, whatever its paths are called."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from lungseg.cli import evaluate as evaluate_program
from lungseg.cli import main as lungseg_cli
from lungseg.cli import train as train_program
from lungseg.cli.hydra_app import main
from lungseg.core import shell_commands
from lungseg.core.run_directory import Run
from lungseg.core.shell_commands import hydra_value, setting, shell_word
from lungseg.tasks.segmentation.module import SegmentationModule
from lungseg.training.resume import MAY_CHANGE

ODD = ["two words", """it's "quoted" """, "a,b [c] {d}=e", "$HOME ~ \\ `x`; #!&", "ünï (x):y*?"]
ODDEST = ["""it's "a,b" [c]=$HOME""", "{x} ~ \\ `ü`; #!&(*)?"]  # where each name takes seconds
SMALL = ["data.count=36", "data.pixels=64", "data.size=32", "data.batch_size=4", "data.workers=0", "trainer=cpu"]
SMALL += ["model=unet_classic", "model.width=4", "model.depth=2", "trainer.max_epochs=2", "logger=none"]


@pytest.fixture(params=ODD)
def odd(request, tmp_path, monkeypatch):
    """A folder with an odd name within a folder with that name, where everything runs."""
    folder = tmp_path / request.param
    (folder / request.param).mkdir(parents=True)
    monkeypatch.chdir(folder)
    return Path(request.param)


@pytest.fixture(params=ODDEST)
def oddest(request, tmp_path, monkeypatch):
    """The same, with more in fewer names."""
    folder = tmp_path / request.param
    (folder / request.param).mkdir(parents=True)
    monkeypatch.chdir(folder)
    return Path(request.param)


@pytest.fixture
def shell(tmp_path):
    """What a real shell makes of a command: the words that ``python`` or ``lungseg`` is given."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python", "lungseg"):
        text = f"#!{sys.executable} -I\nimport json, sys\nprint(json.dumps([{name!r}, *sys.argv[1:]]))\n"
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def words(command):
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, (command, done.stderr)
        assert len(done.stdout.splitlines()) == 1, command
        return json.loads(done.stdout)

    return words


def do(words, *more):
    """What a printed command of train.py or evaluate.py does, in this process: its exit code."""
    program = {"train.py": train_program, "evaluate.py": evaluate_program}[words[1]]
    before, sys.argv = sys.argv, [words[1], *words[2:], *more]
    GlobalHydra.instance().clear()
    try:
        main(program.job, Path(words[1]).stem)
    except SystemExit as ended:
        return ended.code
    finally:
        sys.argv = before
    return 0


def command_in(text, begin):
    """From ``begin`` to the end of its line."""
    program, sign, key = begin.rpartition(" ")
    found = re.findall(rf"(?:^|[ (])({re.escape(program + sign)}[$']*{re.escape(key)}[^\n]*)", text, re.MULTILINE)
    assert found, text
    return found[-1]


def lungseg(*words):
    with pytest.raises(SystemExit) as ended:
        lungseg_cli.main(list(map(str, words)))
    return ended.value.code


def interrupt(monkeypatch, step):
    steps, original = [0], SegmentationModule.training_step

    def training_step(self, batch, batch_idx):
        steps[0] += 1
        if steps[0] == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(SegmentationModule, "training_step", training_step)


def test_a_run_is_stopped_gone_on_with_judged_again_and_compared(oddest, shell, lung_runs, monkeypatch, capsys):
    run = oddest / "run"
    with monkeypatch.context() as patched:
        interrupt(patched, 8)
        assert do(["python", "train.py", *SMALL, "task=lung", f"run_dir={hydra_value(run)}"]) == 128 + signal.SIGTERM
    assert do(shell(command_in(capsys.readouterr().err, "python train.py resume="))) == 0
    assert Run(run).manifest()["status"] == "finished"

    assert do(["python", "train.py", f"resume={hydra_value(run)}"]) == 1
    (run / "evaluation" / "phantom-test" / "pictures.zip").unlink()
    judge = shell(command_in(capsys.readouterr().err, "python evaluate.py run="))
    assert do(judge) == 0
    assert (run / "evaluation" / "phantom-test" / "pictures.zip").is_file()

    shutil.rmtree(run / "evaluation")
    assert lungseg("compare", run, lung_runs / "a") == 1
    assert shell(command_in(capsys.readouterr().err, "python evaluate.py run=")) == judge
    assert do(["python", "train.py", *SMALL, f"run_dir={hydra_value(run)}"]) == 1
    (pasted,) = re.findall(r"go on with it by (.*), or choose another run_dir=", capsys.readouterr().err)
    assert shell(f"python train.py {pasted}") == ["python", "train.py", f"resume={hydra_value(run)}"]


def test_a_split_of_data_is_trained_on_by_what_is_printed(oddest, shell, folder_data, capsys):
    odd = oddest
    data = shutil.move(folder_data, odd / "x rays")
    assert lungseg("data", "split", "folder", f"root={hydra_value(data)}", f"out={odd / 'splits'}", "test=0.3") == 0
    command = command_in(capsys.readouterr().out, "python train.py data=folder")
    small = [word for word in SMALL if not re.match(r"data\.(count|pixels)", word)]
    assert do(shell(command), "task=lung", *small, "run_dir=made") == 0
    assert Run(Path("made")).manifest()["status"] == "finished"
    cfg = Run(Path("made")).config()
    assert (cfg.data.source.root, cfg.data.split.splits) == (str(data), str(odd / "splits" / "split.json"))


def test_a_study_is_joined_gone_on_with_and_looked_at_by_what_is_printed(odd, shell, capsys):
    from lungseg.sweep.run.trial_process import alone, words_now
    from lungseg.sweep.spec.study_file import read_study
    from lungseg.sweep.state.continue_command import command_of
    from lungseg.sweep.state.study_record import record, recorded

    file, out = odd / "study.yaml", odd / "out"
    file.write_text("base: {data: phantom, data.count: 36}\ngrid: {seed: [0, 1]}\n")
    study = read_study(file, "full", {"label": hydra_value(f"x {odd}")}, out)
    record(study, command_of(study, out))
    with alone(out):
        assert lungseg(*shell(command_of(study, out))[1:]) == 1
    words = shell(command_in(capsys.readouterr().err, "lungseg sweep join"))
    assert words == ["lungseg", "sweep", "join", str(out)]
    assert lungseg("sweep", "status", out) == 0
    begun = shell(command_in(capsys.readouterr().out, "lungseg sweep"))
    again = recorded(out)[0]
    assert begun[1:3] == ["sweep", str(file)]
    assert record(again, "") == again  # the same trials, from the command line as from the file
    part = again.trials[0].parts[0]
    (part.run_dir / "checkpoints").mkdir(parents=True)
    (part.run_dir / "checkpoints" / "last.ckpt").write_text("")
    resumed = shell(shell_commands.shell_line(["python", "train.py", *words_now(part)]))
    assert value_of(resumed[2]) == str(part.run_dir)
    assert set(MAY_CHANGE) >= {word.partition("=")[0] for word in resumed[3:]}
    assert value_of(next(word for word in part.words if word.startswith("label="))) == f"x {odd}"


def test_data_is_fetched_and_checked_by_what_is_printed(odd, shell, capsys, monkeypatch):
    monkeypatch.setattr("lungseg.data.download.kaggle.shutil.which", lambda name: None)
    into = odd / "data"
    assert lungseg("data", "get", "covid_qu_ex", f"into={into}") == 1
    out = capsys.readouterr().out
    again, check = (command_in(out, f"lungseg data {name}") for name in ("get", "check"))
    assert shell(again) == ["lungseg", "data", "get", "covid_qu_ex", f"into={into}"]
    assert lungseg(*shell(check)[1:]) == 1
    assert f"data.root={into}: " in capsys.readouterr().err
    moved = command_in(out, "mkdir -p").partition(" && ")[0]
    subprocess.run(["bash", "-c", moved], check=True)
    assert (into / ".download").is_dir()


def value_of(word):
    """What a program gets from KEY=VALUE."""
    override = OverridesParser.create().parse_override(word)
    found = override.value()
    return OmegaConf.create({"key": getattr(found, "text", found)}).key


@pytest.mark.parametrize(
    "text",
    ["", "null", "True", "1", "1e5", ".5", "nan", "a b", '"', "'", "\\", 'a\\"b', "\\\\ x", "ends in \\", "a,b", "[a]",
     "{a:b}", "a=b", "$x", "${x}", "\\${x}", "~", "~/x", "-x", "#x", "!x", "%x%", "é", "日本", "a\nb", "a\tb",
     "a\x1b[31mb", "(a)", "a;b", "a|b", "`a`", "$(a)", "*", "?", "a/b.c-d_e+f@g%h:i"],
)  # fmt: skip
def test_a_value_reaches_the_program_as_it_is_and_nothing_else_reaches_the_terminal(shell, text):
    printed = setting("run_dir", text)
    assert not re.search(r"[\x00-\x1f\x7f]", printed)
    (word,) = shell(f"python {printed}")[1:]
    assert (value_of(word), type(value_of(word))) == (text, str)
    (plain,) = shell(f"python {shell_word(text)}")[1:]
    assert plain == text


def test_numbers_and_lists_are_values_of_their_kind():
    assert hydra_value(["a b", 1, None, True, 0.5]) == '["a b",1,null,true,0.5]'


def test_the_trust_that_a_command_needs_is_added_once(monkeypatch):
    monkeypatch.setenv("LUNGSEG_TRUST", "my_package.module")
    assert shell_commands.resume_command("runs/a") == "python train.py resume=runs/a trust=my_package.module"
    assert shell_commands.shell_command("lungseg", "sweep", "join", Path("-a"), "trust=my_package.module") == (
        "lungseg sweep join ./-a trust=my_package.module"
    )
    assert shell_commands.shell_command("lungseg", "data", "get", "x") == "lungseg data get x"
