"""Each value of each key: its kind, its range, what is said of a wrong one, and what still works."""

import sys

import pytest
from omegaconf import OmegaConf

from lungseg.cli import main
from lungseg.core.config import validation
from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.config.compose import compose, options, plain, with_task
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.config.validation import require_values
from lungseg.core.errors import UsageError, UserError
from lungseg.evaluation.evaluate import evaluate
from lungseg.tasks.build import build_module
from lungseg.training.train import train
from tests.helpers import GROUPS, run_program, run_warm


def checked(*words):
    return require_values(plain(compose(list(words))))


@pytest.fixture
def no_signature(monkeypatch):
    """Whatever is looked up by importing it fails the test."""

    def refuse(*_):
        raise AssertionError("a key of conf/ is not declared")

    monkeypatch.setattr(validation, "signature_of", refuse)


@pytest.mark.parametrize("group", GROUPS)
def test_every_key_of_conf_is_declared_and_every_value_there_is_sound(group, no_signature):
    for option in options(group):
        words = [f"{group}={option}", *(["data.root=x"] if group == "data" and option != "phantom" else [])]
        words += ["data.view=patches"] if option == "unet3d" else []
        config = plain(compose(words))
        assert require_values(config) == config


def test_every_key_refuses_what_cannot_be_its_value():
    """Of each key of the default config: a list of odd things is none, whatever is expected."""
    config = plain(compose(["data=phantom", "model=unet_classic", "optim=sgd"]))
    flat = [(group, key) for group, part in config.items() if isinstance(part, dict) for key in part]
    flat += [("", key) for key, part in config.items() if not isinstance(part, dict)]
    for group, key in flat:
        changed = plain(OmegaConf.create(config))
        (changed[group] if group else changed)[key] = [[], [None]]
        with pytest.raises(UserError, match=f"{group}.?{key}") as caught:
            require_values(changed)
        assert "expected" in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("data.clahe=maybe", "data.clahe=maybe: expected true or false, for example true"),
        ("data.pack=maybe", "data.pack=maybe: expected true or false, for example true"),
        ("data.drop_leaks=perhaps", "data.drop_leaks=perhaps: expected true or false, for example true"),
        ("optim.lr=inf", "optim.lr=inf: expected a number above 0 and at most 1000, for example 1e-3"),
        ("trainer.gradient_clip_val=nan", "trainer.gradient_clip_val=nan: expected a number, at least 0, or null, for"),
        ("data.normalise=[0,0]", "data.normalise=[0,0]: expected imagenet, image, dataset or [mean, deviation] in 0"),
        ("data.fold=1", "data.fold=1: a part of how many? expected data.folds=, too, for example data.folds=5"),
        ("data.folds=5", "data.folds=5: expected data.fold=, too, one of 0 to 4, the part left out"),
        ("data.folds=5 data.fold=5", "data.fold=5: expected one of 0 to 4"),
        ("data.size=1000000000", "data.size=1000000000: expected a whole number from 32 to 8192, for example 256"),
        ("data.size=2.5", "data.size=2.5: expected a whole number"),
        ("resume=", "resume=: expected a run directory or null, for example runs/my_run"),
        ("run_dir=", "run_dir=: expected a folder or null, for example runs/my_run"),
        ("label=", "label=: expected text or null"),
        ("data.count=true", "data.count=true: expected a whole number"),
        ("data.mix={Normal:2}", "data.mix={Normal:2}: expected a share for each class"),
        ("data=folder data.root=1e5", "data.root=100000.0: expected a path"),
        ("loss=focal loss.gamma=-1", "loss.gamma=-1: expected a number, at least 0"),
        ("loss=bce_dice loss.bce=0 loss.dice=0", "loss.bce=0 and loss.dice=0: the loss would always be 0"),
        ("schedule.warmup=1", "schedule.warmup=1: expected a number, at least 0 and below 1, for example 0.05"),
        ("augment.transforms.0.p=2", "augment.transforms.0.p=2: expected a number from 0 to 1"),
        ("augment.transforms=3", "augment.transforms=3: expected a list"),
        ("trainer.devices=none", "trainer.devices=none: expected auto, a whole number from 1 to 4096 or which ones as"),
        ("trainer._target_=os.system", "trainer._target_=os.system: expected lungseg.training.trainer.build"),
        ("task.regions=lung", "task.regions=lung: expected a list of regions, for example [lung]"),
        ("model=unet_classic model.depth=9", "model.depth=9: 9 poolings leave nothing of data.size=128, and the net w"),
        ("+optim.fused=perhaps", "optim.fused=perhaps: expected true, false or null, for example true"),
        ("+optim.betas=[0.9,x]", "optim.betas=[0.9,x]: expected 2 values"),
        ("+trainer.deterministic=maybe", "trainer.deterministic=maybe: expected true, false, warn or null"),
        ("+model.decoder_channels=5", "model.decoder_channels=5: expected a list"),
        ("+augment.transforms.0.shear=x", "augment.transforms.0.shear=x: expected"),
        ("trainer.precision=16-mixed +optim.fused=true", "optim.fused=true with trainer.precision=16-mixed: scales"),
    ],
)
def test_a_value_that_cannot_be_is_one_line_with_an_example(words, message):
    with pytest.raises(UserError) as caught:
        checked(*words.split(" "))
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("+modle=1", "modle: no such key; did you mean model?"),
        ("+foo=1", "foo: no such key"),
        ("~data.size", "data.size: a value is needed; add data.size=256"),
        ("~seed", "seed: a value is needed; add seed=0"),
        ("~task.regions", "task.regions: a value is needed"),
        ("~trainer.devices", "trainer.devices: a value is needed"),
        ("~optim._target_", "optim._target_: a value is needed"),
        ("+optim.fusd=true", "optim.fusd: AdamW has no such option; did you mean fused?"),
        ("+augment.transforms.0.sheer=3", "augment.transforms.0.sheer: Affine has no such option; did you mean shear?"),
        ("+trainer.callbacks=[]", "trainer.callbacks: is set by lungseg itself; leave it out"),
        ("+schedule.steps=3", "schedule.steps: is set by lungseg itself"),
        ("+logger.wandb.tags=[a]", "logger.wandb.tags: no such key; there are project, group"),
    ],
)
def test_a_key_that_is_not_there_or_missing_is_usage(words, message):
    with pytest.raises(UsageError) as caught:
        checked(*words.split(" "))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        ('optim.lr="0.01"', "optim.lr", 0.01),
        ("optim.lr=${oc.env:RATE}", "optim.lr", 0.002),
        ("data.size=${oc.env:SIDE}", "data.size", 64),
        ("data.limit=1e3", "data.limit", 1000),
        ("data.clahe=yes", "data.clahe", True),
        ("data.pack=0", "data.pack", False),
        ("data.drop_leaks=${oc.env:NO}", "data.drop_leaks", False),
        ("logger.wandb.project=2024", "logger.wandb.project", "2024"),
        ("data.normalise=[0.5,0.2]", "data.normalise", [0.5, 0.2]),
        ("trainer.devices=[0,1]", "trainer.devices", [0, 1]),
        ('trainer.devices="0,1"', "trainer.devices", "0,1"),
        ("trainer.precision=16", "trainer.precision", 16),
        ("+optim.fused=true", "optim.fused", True),
        ("+trainer.deterministic=true", "trainer.deterministic", True),
        ("+trainer.limit_train_batches=1.0", "trainer.limit_train_batches", 1.0),
        ("+model.decoder_channels=[64,32,16,8,8]", "model.decoder_channels", [64, 32, 16, 8, 8]),
    ],
)
def test_what_can_be_read_as_the_keys_kind_is_converted(words, key, value, monkeypatch):
    for name, text in (("RATE", "2e-3"), ("SIDE", "64"), ("NO", "false")):
        monkeypatch.setenv(name, text)
    content = checked(words)
    for part in key.split("."):
        content = content[part]
    assert content == value
    assert type(content) is type(value)


def test_an_environment_variable_that_holds_no_number_is_refused_in_those_words(monkeypatch):
    monkeypatch.setenv("RATE", "fast")
    with pytest.raises(UserError, match=r"^optim\.lr=fast: expected a number above 0"):
        checked("optim.lr=${oc.env:RATE}")


def test_the_columns_of_a_folder_are_named_as_the_readme_says():
    assert checked("data=folder", "data.root=x", "data.columns={patient: 5}")["data"]["columns"] == {"patient": "5"}


def test_what_was_converted_is_what_the_run_is_trained_with(tmp_path, monkeypatch):
    monkeypatch.setenv("RATE", "0.01")
    words = ["data.count=24", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "logger=none"]
    words += ["model=unet_classic", "model.width=2", "model.depth=1", "trainer=cpu", "trainer.max_epochs=1"]
    run = train(train_config([*words, "optim.lr=${oc.env:RATE}", "+optim.fused=true", f"run_dir={tmp_path / 'run'}"]))
    assert run.config().optim.options["lr"] == 0.01
    assert run.config().optim.options["fused"] is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("threshold=1.5", "threshold=1.5: expected a probability between 0 and 1, for example 0.5"),
        ("tta=turn", "tta=turn: expected none or flip, for example flip"),
        ("split=half", "split=half: expected test, val, all or null, for example test"),
        ("split=train", "split=train: a score on training images says nothing of new patients; expected test, val or"),
        ("batch_size=0", "batch_size=0: expected a whole number from 1 to 10000 or null, for example 16"),
        ("accelerator=xyz", "accelerator=xyz: expected auto, cpu, gpu or mps"),
        ("tolerances=[1,inf]", "tolerances=[1,inf]: expected distances above 0, for example [1,2,4]"),
        ("out=", "out=: expected a folder or null"),
        ("gate=", "gate=: expected a run directory or null"),
        ("+foo=1", "foo: no such key"),
        ("data=folder data.root=x +data.columns=3", "data.columns=3: expected the name of a column for each of ours"),
    ],
)
def test_evaluate_checks_its_values_too(words, message):
    with pytest.raises(UserError) as caught:
        evaluate(evaluate_config(["run=nowhere", *words.split(" ")]))
    assert str(caught.value).startswith(message)


def test_data_that_ask_what_the_run_needs_are_not_refused():
    given = evaluate_config(["run=x", "data=covid_qu_ex", "data.root=y"]).data
    assert given["part"] == "auto"
    assert with_task(given, {"name": "lung", "regions": ["lung"]})["regions"] == ["lung"]


def test_a_wrong_value_is_told_before_torch_is_imported_and_nothing_is_made(tmp_path):
    for program, words in (("train.py", ["optim.lr=inf"]), ("evaluate.py", ["run=x", "threshold=2"])):
        result = run_program(program, *words, cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})
        assert result.returncode == 1
        imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines() if "|" in line}
        assert "hydra" in imported
        assert not imported & {"torch", "pytorch_lightning", "albumentations"}
        assert result.stderr.splitlines()[-1].startswith(f"error: {words[-1]}")
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_key_is_one_line_of_the_program(tmp_path):
    result = run_program("train.py", "~data.size", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (2, "error: data.size: a value is needed; add data.size=256\n")


def test_a_study_is_refused_for_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("base: {data.clahe: maybe, logger: none}\ngrid: {seed: [0, 1]}\n")
    with pytest.raises(SystemExit):
        main.main(["sweep", "mine.yaml"])
    said = capsys.readouterr().err
    assert said.startswith("error: mine.yaml: trial seed0: data.clahe=maybe: expected true or false")
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize("key", ["hydra.run.dir", "++hydra.run.dir"])
def test_hydras_own_key_for_the_folder_is_run_dir(tmp_path, key):
    words = ["data.count=24", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "logger=none"]
    words += ["model=unet_classic", "model.width=2", "model.depth=1", "trainer=cpu", "trainer.max_epochs=1"]
    result = run_warm("train.py", *words, f"{key}=my runs", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["my runs"]
    assert (tmp_path / "my runs" / "checkpoints" / "best.ckpt").is_file()


def test_two_words_for_the_folder_are_refused(tmp_path):
    result = run_program("train.py", "hydra.run.dir=a", "run_dir=b", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "error: hydra.run.dir: means the same as run_dir=, which is given, too; leave one out\n"
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_by_hydra_is_told_to_its_end():
    config = plain(compose(["loss=dice", "+loss.command=x", "loss._target_=os.system", "model=unet_classic"]))
    with pytest.raises(UserError, match=r"is blocklisted because it allows config data to control .*family") as caught:
        build_module(TrainConfig.of(config))
    assert len(str(caught.value).splitlines()) == 1


def test_the_data_commands_check_the_values_of_the_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lungseg"])
    with pytest.raises(SystemExit):
        main.main(["data", "split", "phantom", "count=many"])
    assert capsys.readouterr().err.startswith("error: data.count=many: expected a whole number")
    assert list(tmp_path.iterdir()) == []
