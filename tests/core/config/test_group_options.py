"""Words that choose an option of a group: what is none, is taken away, or is one of several, is one line."""

import pytest

from lungseg.cli import main
from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import compose, options
from lungseg.core.errors import UsageError
from lungseg.tasks.build import build_module, resolved
from tests.helpers import GROUPS, run_warm


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("value", ["null", "3", ""])
def test_what_is_no_option_is_told_with_the_options(group, value):
    with pytest.raises(UsageError) as caught:
        compose([f"{group}={value}"])
    assert str(caught.value).startswith(f"{group}={value}: no such option; expected one of {', '.join(options(group))}")


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in ("logger", "experiment")])
def test_a_list_is_refused_where_one_option_is_taken(group):
    first, second = options(group)[:2]
    with pytest.raises(UsageError, match=f"several options; expected one of .*: -m {group}={first},{second}$"):
        compose([f"{group}=[{first},{second}]"])


def test_several_loggers_are_taken():
    assert set(compose(["logger=[csv,wandb]"]).logger) == {"csv", "wandb"}


@pytest.mark.parametrize("words", [["~model"], ["~model", "model.width=4"], ["~model=unet"]])
def test_a_group_that_is_taken_away_is_named_with_its_options(words):
    with pytest.raises(UsageError, match=r"^~model: takes the group model away, which is needed; leave it out, or "):
        compose(words)


@pytest.mark.parametrize("word", ["data=null", "data=7", "task=null"])
def test_evaluate_says_it_too(tmp_path, word):
    result = run_warm("evaluate.py", "run=a", word, cwd=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert result.stderr.startswith(f"error: {word.partition('=')[0]}")
    assert ", phantom, " in result.stderr or "no such key or group" in result.stderr


@pytest.mark.parametrize(
    ("study", "words", "said"),
    [
        ("grid: {loss: [0, 1]}", [], "trial loss0: loss=0: no such option; expected one of bce, "),
        ("base: {model: 3}\ngrid: {seed: [0]}", [], "trial seed0: model=3: no such option; expected one of "),
        ("base: {data: null}\ngrid: {seed: [0]}", [], "trial seed0: data=null: no such option; expected one of "),
        ("grid: {loss: [dice, bce], seed: [0]}", ["loss=null"], "loss=null: no such option; expected one of bce, "),
        ("grid: {seed: [0]}", ["foo=1"], "trial seed0: foo: no such key or group"),
        ("grid: {seed: [0]}", ["data.foo=1"], "trial seed0: data.foo: no such key or group"),
        ("grid: {seed: [0]}", ["+data.foo=1"], "trial seed0: data.foo: phantom has no such option"),
    ],
)
def test_a_study_is_refused_before_it_begins(tmp_path, monkeypatch, capsys, study, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(study + "\n")
    with pytest.raises(SystemExit) as caught:
        main.main(["sweep", "mine.yaml", "logger=none", *words])
    told = capsys.readouterr().err
    assert told.startswith("error: mine.yaml: ")
    assert said in told
    assert (caught.value.code, len(told.splitlines())) == (2, 1)
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["schedule=null"], "schedule=null: no such option; expected one of cosine, none, plateau, restarts"),
        (["-m", "loss=dice,null"], "loss=null: no such option; expected one of "),
        (["optim.lr=${oc.env:NO_SUCH_VARIABLE}"], "optim.lr: "),
        (["optim.lr=${foo.bar}"], "optim.lr: Interpolation key 'foo.bar' not found"),
        (["-m", "seed=1,2", "--cfg", "job"], "--cfg with -m: "),
        (["-m", "seed=1,2", "hydra.sweep.dir=D"], "hydra.sweep.dir: the runs of a grid each make a directory"),
    ],
)
def test_the_program_says_it_in_one_line_and_makes_nothing(tmp_path, words, said):
    result = run_warm("train.py", *words, cwd=tmp_path)
    assert result.stderr.startswith(f"error: {said}")
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["data.crop", "model.weights"])
def test_a_run_that_a_study_names_is_looked_for_before_it_begins(tmp_path, monkeypatch, capsys, key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(f"base: {{logger: none, {key}: nowhere}}\ngrid: {{seed: [0]}}\n")
    with pytest.raises(SystemExit) as caught:
        main.main(["sweep", "mine.yaml"])
    assert capsys.readouterr().err.startswith(f"error: mine.yaml: trial seed0: {key}=nowhere: no such ")
    assert caught.value.code == 1
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize("model", ["unet", "unet_classic"])
def test_a_key_that_a_net_does_not_know_is_usage(model):
    config = resolved(train_config([f"model={model}", "+model.foo=1"]))
    with pytest.raises(UsageError, match=r"^model\.foo: .* has no such option"):
        build_module(config)
