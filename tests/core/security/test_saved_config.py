"""A run directory from a stranger: whatever its config names, none of it runs."""

import hashlib
import json
import os
import shutil
import sys

import pytest
import yaml
from omegaconf import OmegaConf

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.config.compose import CONF, compose
from lungseg.core.errors import UsageError, UserError
from lungseg.core.run_directory import Run, open_run
from lungseg.evaluation.evaluate import evaluate
from lungseg.inference.load_run import rebuild
from lungseg.inference.lung_runs import open_lung_run
from lungseg.tasks.build import build_module
from lungseg.training.train import train
from tests.helpers import run_program

SMALL = ["data.count=24", "data.pixels=64", "data.size=32", "data.batch_size=4", "data.workers=0", "model=unet_classic"]
SMALL += ["model.width=4", "model.depth=2", "trainer=cpu", "trainer.max_epochs=1", "logger=none"]
TARGETS = [
    "subprocess.getoutput", "os.system", "os.popen", "posix.system", "builtins.eval", "builtins.exec", "builtins.open",
    "importlib.import_module", "runpy.run_path", "shutil.rmtree", "pickle.load", "ctypes.CDLL", "code.interact",
    "torch.load", "torch.hub.load", "torch.utils.cpp_extension.load_inline", "torch.jit.load", "numpy.load",
    "pandas.read_pickle", "joblib.load", "hydra.utils.get_method", "hydra.utils.instantiate", "yaml.unsafe_load",
    "albumentations.load", "albumentations.core.serialization.os.system", "torch.optim.adam.torch.hub.load",
    "segmentation_models_pytorch.from_pretrained", "segmentation_models_pytorch.base.model.torch.load",
    "timm.create_model", "lungseg.core.run_directory.subprocess.getoutput", "lungseg.training.train.shutil.rmtree",
    "lungseg.models.weights.read_tensors", "theirs.Net", "runs.theirs.payload.Net", "payload.Net", "antigravity.x",
]  # fmt: skip
SLOTS = ["data", "model", "loss", "optim", "schedule", "trainer"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of both regions, so that every entrance takes it."""
    path = tmp_path_factory.mktemp("trained") / "run"
    return train(train_config([*SMALL, "task=lung_infection", f"run_dir={path}"]))


@pytest.fixture
def theirs(trained, tmp_path, monkeypatch):
    """Their run beside a module of theirs that leaves a file when it is imported; ``edit`` changes its config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "runs" / "theirs"
    shutil.copytree(trained.path, path)
    payload = f"open({str(tmp_path / 'RAN')!r}, 'w')\nclass Net: pass\ndef cases(**options): pass\n"
    for place in (path / "payload.py", tmp_path / "payload.py", tmp_path / "theirs.py"):
        place.write_text(payload)
    yield path
    for name in [name for name in sys.modules if name.split(".")[0] in ("runs", "payload", "theirs", "my_code")]:
        del sys.modules[name]
    assert not (tmp_path / "RAN").exists()


def edit(path, key, value):
    """The value of a dotted key, whatever was there; a run that was written so by somebody else."""
    file = path / "config.yaml"
    content = yaml.safe_load(file.read_text())
    *outer, last = key.split(".")
    node = content
    for part in outer:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node[int(last) if isinstance(node, list) else last] = value
    file.write_text(yaml.safe_dump(content))
    vouch(path)


def vouch(path):
    """What the manifest says of the config fits it again: the stranger wrote both."""
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["sha256"]["config.yaml"] = hashlib.sha256((path / "config.yaml").read_bytes()).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))


def refused(action, *words):
    with pytest.raises(UserError) as caught:
        action()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "config.yaml: " in message
    assert all(word in message for word in words), message
    return message


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("target", TARGETS)
def test_no_slot_takes_a_target_that_is_not_lungsegs_own(theirs, slot, target):
    edit(theirs, f"{slot}._target_", target)
    loaded = set(sys.modules)
    message = refused(Run(theirs).config, f"{slot}._target_ is {target}")
    assert not {name for name in set(sys.modules) - loaded if name.startswith(target.split(".")[0])}
    own = target.split(".")[0] in ("theirs", "runs", "payload")
    assert ("add trust=" in message) == own


@pytest.mark.parametrize("target", TARGETS)
def test_no_architecture_transform_or_part_is_another_object(theirs, target):
    safe = yaml.safe_load((theirs / "config.yaml").read_text())
    nested = {"_target_": target, "_args_": ["x"], "_partial_": True}
    transform = {"_target_": "albumentations.OneOf", "transforms": [nested], "p": 1}
    for key, value in {
        "model.arch": target, "augment.transforms": [nested], "augment.transforms.0": transform,
        "loss.part": nested, "optim.betas": nested, "task.extra": [[nested]], "seed": nested, "logger.wandb": nested,
        "data.mix": nested, "model.width": {"a": {"b": nested}},
    }.items():  # fmt: skip
        (theirs / "config.yaml").write_text(yaml.safe_dump(safe))
        if key == "model.arch":
            edit(theirs, "model._target_", "lungseg.models.smp.build")
        edit(theirs, key, value)
        refused(Run(theirs).config, target)


def test_a_known_name_in_another_slot_is_refused(theirs):
    edit(theirs, "loss._target_", "lungseg.models.smp.build")
    refused(Run(theirs).config, "loss._target_")
    edit(theirs, "loss._target_", "lungseg.tasks.losses.segmentation.BCE")
    edit(theirs, "model.part", {"_target_": "lungseg.tasks.losses.segmentation.BCE"})
    refused(
        Run(theirs).config,
        "model.part._target_ is lungseg.tasks.losses.segmentation.BCE, where no component of lungseg stands",
    )


def test_other_classes_of_the_right_kind_are_taken(theirs):
    edit(theirs, "optim", {"_target_": "torch.optim.RMSprop", "_partial_": True, "lr": 0.01})
    edit(theirs, "augment.transforms", [
        {"_target_": "albumentations.OneOf", "p": 1.0, "transforms": [{"_target_": "albumentations.RandomGamma"}]},
        {"_target_": "albumentations.augmentations.geometric.flip.Transpose"},
    ])  # fmt: skip
    edit(theirs, "model", {
        "name": "linknet", "_target_": "lungseg.models.smp.build", "arch": "segmentation_models_pytorch.Linknet",
        "encoder": "resnet18", "pretrained": False, "freeze": False, "weights": None, "_convert_": "all",
    })  # fmt: skip
    module = build_module(Run(theirs).config())
    assert type(module.net.net).__name__ == "Linknet"
    assert Run(theirs).config().optim.target == "torch.optim.RMSprop"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data.name", "${oc.env:SECRET}", "an interpolation"),
        ("label", "a ${oc.env:SECRET} b", "an interpolation"),
        ("augment.transforms", [{"_target_": "albumentations.RandomGamma", "p": "${seed}"}], "an interpolation"),
        ("model", 3, "model is 3"),
        ("data", ["a"], "data is "),
        ("logger", None, "logger is None"),
        ("augment.transforms", {"_target_": "albumentations.RandomGamma"}, "augment.transforms is"),
        ("task.regions", "lung", "task.regions is lung"),
        ("task.regions", [], r"task.regions is []"),
        ("task.regions", ["../lung"], r"task.regions is ../lung; expected a name"),
        ("task.name", "a/b", r"task.name is a/b; expected a name"),
        ("data.name", "../../../out", r"data.name is ../../../out; expected a name"),
        ("data.name", "a\nb", r"data.name is 'a\nb'; expected a name"),
        ("data.size", "???", "has no data.size"),
        (
            "loss._target_",
            ["lungseg.tasks.losses.segmentation.BCE"],
            "loss._target_ is ['lungseg.tasks.losses.segmentation.BCE']",
        ),
        (
            "loss._target_",
            "lungseg.tasks.losses.segmentation.BCE\n",
            "loss._target_ is 'lungseg.tasks.losses.segmentation.BCE\\n'",
        ),
        ("loss._target_", "lungseg..losses.BCE", "loss._target_ is"),
        ("loss._convert_", "everything", "loss._convert_ is everything, which Hydra does not know"),
        ("loss._recursive_", 3, "loss._recursive_ is 3"),
        ("loss._args_", "x", "loss._args_ is x"),
        ("loss._init_", "all", "loss._init_ is no key"),
        ("optim._partial_", "yes, do", "optim._partial_ is yes, do, which Hydra does not know"),
        ("hydra", {"callbacks": {}}, "hydra is no key of a run"),
        ("callbacks", [], "callbacks is []; expected its keys and values"),
        (
            "callbacks",
            {"mine": {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint", "dirpath": "/"}},
            "callbacks.mine._target_ is pytorch_lightning.callbacks.ModelCheckpoint",
        ),
        ("callbacks", {"mine": {"_target_": "os.system"}}, "callbacks.mine._target_ is os.system"),
        ("model.encoder", "tu-hf-hub:theirs/net", "model.encoder is tu-hf-hub:theirs/net"),
        ("model.encoder", "tu-local-dir:/tmp/net", "model.encoder is"),
        ("model.checkpoint_path", "theirs.pth", "model.checkpoint_path is refused"),
        ("model.pretrained_cfg_overlay", {"file": "theirs.pth"}, "model.pretrained_cfg_overlay is refused"),
        ("trainer.model_registry", "theirs/registry", "trainer.model_registry is refused"),
        ("trainer.plugins", ["x"], "trainer.plugins is refused"),
    ],
)
def test_what_no_run_holds_is_refused(theirs, monkeypatch, key, value, said):
    monkeypatch.setenv("SECRET", "of-the-reader")
    edit(theirs, key, value)
    assert "of-the-reader" not in refused(Run(theirs).config, said)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "aliases expand to over"),
        ("data: &d {again: *d}\n", r"alias \*d stands within what it names"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested over 40 levels|exceeded maximum nesting depth"),
        ("a: " + "{b: " * 3000 + "}" * 3000, "nested over 40 levels|exceeded maximum nesting depth"),
        (f"a: &a {'[' * 15}1{']' * 15}\nb: &b {'[' * 15}*a{']' * 15}\nc: {'[' * 14}*b{']' * 14}", "nested over 40"),
        ("a: !!python/object/apply:os.system ['touch RAN']\n", "not readable as YAML"),
        ("a: !!python/name:os.system\n", "not readable as YAML"),
        ("a: !!timestamp 2020-01-01\n", "a is a date"),
        ("a: !!binary aGVsbG8=\n", "a is a bytes"),
        ("a: !!set {x, y}\n", "a is a set"),
        ("a: !!timestamp x\n", "not readable as YAML"),
        ("a: !!bool x\n", "not readable as YAML"),
        ("a: !!int ''\n", "not readable as YAML"),
        ("a: 1" + ":59" * 400 + ".5\n", "not readable as YAML"),
        ("a: 0x" + "f" * 5000 + "\n", "a has over 100 digits"),
        ("a: 1" + ":1" * 200_000 + "\n", "a value has over 20,000 characters"),
        ("a: !!python/object/apply:pathlib.Path [/etc/passwd]\n", "a is a "),
        ("seed: 1\nseed: 2\n", "duplicate key"),
        ("a: " + "9" * 10_000, "not readable as YAML"),
        ("b: '" + "x" * 1_000_001 + "'", "bytes; expected at most"),
        ("a: \x00\n", "not readable as YAML"),
    ],
)  # fmt: skip
def test_yaml_that_explodes_or_makes_objects_is_refused(theirs, text, said):
    (theirs / "config.yaml").write_text(text)
    for read in (Run(theirs).config, Run(theirs).saved_values):
        with pytest.raises(UserError, match=said) as caught:
            read()
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["train.log", "manifest.json", "checkpoints", "evaluation", "overlays", "wandb_id", "wandb"]
)
def test_nothing_is_written_through_a_link_of_theirs(theirs, tmp_path, name):
    """A log that is added to somebody's .bashrc is a command there."""
    outside = tmp_path / "home" / "file"
    outside.parent.mkdir()
    outside.write_text("mine\n")
    path = theirs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    for key in ("run", "resume", "data.crop"):
        with pytest.raises(UserError, match="is a link that leads out of its folder"):
            open_run("runs/theirs", key)
    path.unlink()
    path.symlink_to("nowhere")
    assert open_run("runs/theirs")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is no plain file and no folder"):
        open_run("runs/theirs")


def test_a_run_may_be_reached_through_a_link(theirs, tmp_path):
    log = theirs / "wandb" / "offline-run-1" / "logs" / "debug-core.log"  # as W&B leaves it
    log.parent.mkdir(parents=True)
    log.symlink_to(tmp_path / ".cache" / "core.log")
    (tmp_path / "elsewhere").symlink_to(theirs)
    assert open_run(str(tmp_path / "elsewhere")).best.is_file()


def test_bytes_that_are_no_text_are_refused(theirs):
    (theirs / "config.yaml").write_bytes(b"\xff\xfe\x00s")
    refused(Run(theirs).config, "not readable as YAML")


def test_a_run_of_ones_own_comes_back_as_it_was(trained):
    saved = OmegaConf.load(trained.config_file)
    assert trained.config().to_dict() == OmegaConf.to_container(saved)
    assert "trust" not in saved


@pytest.mark.parametrize("payload", [
    {"data": {"_target_": "subprocess.getoutput", "cmd": "touch RAN"}},
    {"loss": {"_target_": "torch.hub.load", "repo_or_dir": "hub", "model": "m", "source": "local"}},
    {"loss": {"_target_": "torch.load", "f": "evil.pt", "weights_only": False}},
    {"model": {"_target_": "runs.theirs.payload.Net"}},
    {"model": {"_target_": "lungseg.models.smp.build", "arch": "runs.theirs.payload.Net", "encoder": "resnet18"}},
])  # fmt: skip
def test_every_entrance_refuses_it_before_anything_runs(theirs, trained, tmp_path, payload):
    """The confirmed attacks, at each place that takes a run."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "hubconf.py").write_text(f"open({str(tmp_path / 'RAN')!r}, 'w')\ndef m(): pass\n")
    for group, values in payload.items():
        for key, value in values.items():
            edit(theirs, f"{group}.{key}", value)
    nested = tmp_path / "runs" / "nested"  # the run itself is harmless, the one that crops for it is not
    shutil.copytree(trained.path, nested)
    edit(nested, "data.crop", "elsewhere")
    shutil.copytree(theirs, nested / "crop")
    before = sorted(tmp_path.rglob("*"))

    def judged(*words):
        return lambda: evaluate(evaluate_config([*words]), words)

    said = next(iter(payload))
    refused(judged("run=runs/theirs"), said)
    refused(judged(f"run=[{trained.path},runs/theirs]"), said)
    refused(judged(f"run=[runs/theirs,{trained.path}]"), said)
    refused(judged(f"run={trained.path}", "ask=gate", "gate=runs/theirs"), said)
    refused(judged("run=runs/nested"), said)
    refused(lambda: train(train_config([*SMALL, "data.crop=runs/theirs", "run_dir=runs/new"])), said)
    (theirs / "manifest.json").write_text((theirs / "manifest.json").read_text().replace('"finished"', '"stopped"'))
    refused(lambda: train(train_config([*SMALL, "resume=runs/theirs"]), ["resume=runs/theirs"]), said)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_programs_say_it_in_one_line(theirs):
    edit(theirs, "data._target_", "subprocess.getoutput")
    for words in (["evaluate.py", "run=runs/theirs"], ["train.py", "data.crop=runs/theirs", "logger=none"]):
        ended = run_program(*words, cwd=theirs.parents[1])
        assert ended.returncode == 1
        lines = ended.stderr.strip().splitlines()
        assert lines[-1].startswith("error: runs/theirs/config.yaml: data._target_ is subprocess.getoutput")
        assert "Traceback" not in ended.stderr


MINE = """
from lungseg.data.sources import phantom
from lungseg.tasks.losses.segmentation import BCE

def cases(count, seed, pixels, mix, difficulty, domains):
    return phantom.cases(count=count, seed=seed, pixels=pixels)

class Loss(BCE):
    pass
"""


@pytest.fixture
def my_run(tmp_path, monkeypatch):
    """A run of a user whose data and loss are code of their own, typed on the command line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_code.py").write_text(MINE)
    typed = ["data._target_=my_code.cases", "loss=bce", "loss._target_=my_code.Loss"]
    yield train(train_config([*SMALL, *typed, "run_dir=runs/mine"]))
    sys.modules.pop("my_code", None)


def test_code_of_ones_own_needs_trust_when_it_is_read_back(my_run, monkeypatch):
    assert "LUNGSEG_TRUST" not in os.environ
    refused(my_run.config, "data._target_ is my_code.cases", "add trust=my_code")
    refused(lambda: evaluate(evaluate_config(["run=runs/mine"]), ["run=runs/mine"]), "add trust=my_code")
    refused(lambda: evaluate(evaluate_config(["run=runs/mine", "trust=my_cod"])), "add trust=my_code")
    for words in (["trust=my_code"], ["trust=[other,my_code]"]):
        found = evaluate(evaluate_config(["run=runs/mine", *words]), ["run=runs/mine", *words])
        assert found.rows
    assert "LUNGSEG_TRUST" not in os.environ
    monkeypatch.setenv("LUNGSEG_TRUST", "my_code")
    assert my_run.config().loss.target == "my_code.Loss"
    assert rebuild(my_run, my_run.config())


def test_trust_is_never_said_by_a_file(my_run):
    edit(my_run.path, "trust", "my_code")
    refused(my_run.config, "add trust=my_code")


def test_what_a_trusted_module_only_imports_is_not_its_own(theirs, tmp_path, monkeypatch):
    (tmp_path / "my_code.py").write_text("import os\nfrom subprocess import getoutput\nimport torch\n")
    monkeypatch.setenv("LUNGSEG_TRUST", "my_code")
    for target in ("my_code.os.system", "my_code.getoutput", "my_code.torch.hub.load", "my_code.os", "my_code.none"):
        edit(theirs, "loss._target_", target)
        refused(Run(theirs).config, target)


@pytest.mark.parametrize("name", ["subprocess", "os.path", "builtins"])
def test_nobody_trusts_python_itself(my_run, name, monkeypatch):
    with pytest.raises(UsageError, match=f"trust={name}: is a part of Python"):
        evaluate(evaluate_config(["run=runs/mine", f"trust={name}"]))
    monkeypatch.setenv("LUNGSEG_TRUST", name)
    with pytest.raises(UsageError, match=f"LUNGSEG_TRUST={name}: is a part of Python"):
        my_run.config()


def test_a_users_own_configs_never_extend_what_is_accepted(theirs, tmp_path):
    """--config-dir is for what is typed; what it names is no part of lungseg for a run that is read back."""
    (tmp_path / "conf" / "loss").mkdir(parents=True)
    (tmp_path / "conf" / "loss" / "mine.yaml").write_text("_target_: theirs.Net\n")
    edit(theirs, "loss._target_", "theirs.Net")
    ended = run_program("evaluate.py", "--config-dir", "conf", "run=runs/theirs", cwd=tmp_path)
    assert ended.returncode == 1
    assert "loss._target_ is theirs.Net" in ended.stderr


def test_every_component_of_conf_is_accepted_when_read_back(trained, tmp_path):
    """Nothing that lungseg itself offers needs trust."""
    for group in ("model", "loss", "optim", "schedule", "augment", "callbacks"):
        for option in sorted(path.stem for path in (CONF / group).glob("*.yaml")):
            volumes = ["data=phantom_ct", "data.view=patches"] if option == "unet3d" else []
            config = compose([f"{group}={option}", *volumes])
            path = tmp_path / f"{group}-{option}"
            path.mkdir()
            (path / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
            assert Run(path).config().to_dict()[group] == OmegaConf.to_container(config, resolve=True)[group]


def test_a_path_that_a_saved_config_names_is_said_before_it_is_read(folder_data, tmp_path, caplog, monkeypatch):
    words = [word for word in SMALL if not word.startswith(("data.count", "data.pixels"))]
    path = tmp_path / "run"
    train(train_config([*words, "data=folder", f"data.root={folder_data}", f"run_dir={path}"]))
    monkeypatch.setattr("lungseg.core.log_output.to_screen", lambda: None)
    with caplog.at_level("INFO", logger="lungseg"):
        caplog.handler.records.clear()
        __import__("logging").getLogger("lungseg").addHandler(caplog.handler)
        evaluate(evaluate_config([f"run={path}"]), [f"run={path}"])
        said = [record.getMessage() for record in caplog.records]
        caplog.handler.records.clear()
        evaluate(evaluate_config([f"run={path}", f"++data.root={folder_data}"]), [f"run={path}"])
        typed = [record.getMessage() for record in caplog.records]
    expected = f"data.root={folder_data} is read, as {path / 'config.yaml'} says"
    assert expected in said
    assert expected not in typed


@pytest.mark.parametrize(
    "target", ["torch.hub.load", "albumentations.load_cv2", "numpy.load", "lungseg.core.run_directory.Run"]
)
def test_no_library_is_proposed_to_be_trusted(theirs, target):
    edit(theirs, "loss._target_", target)
    assert "trust=torch" not in refused(Run(theirs).config, "do not use this file, unless it is your own")


def test_entity_and_server_of_a_dashboard_are_the_readers_own(theirs):
    edit(theirs, "logger", {"wandb": {"project": "p", "group": None, "entity": "them", "base_url": "http://theirs"}})
    assert Run(theirs).config().logger.to_dict() == {"wandb": {"project": "p", "group": None}}
    edit(theirs, "logger", {"theirs": {"server": "http://theirs"}})
    assert Run(theirs).config().logger.to_dict() == {}


def test_a_cropper_is_checked_as_well(theirs):
    edit(theirs, "loss._target_", "torch.load")
    refused(lambda: open_lung_run("runs/theirs", "data.crop"), "torch.load")
