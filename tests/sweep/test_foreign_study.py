"""A study from a stranger: its YAML, its record, its storage and what lies beside; none of it runs code or leaves its
folder."""

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import cmaes
import numpy as np
import optuna
import pytest
import yaml
from optuna.trial import TrialState, create_trial

from lungseg.cli.main import main
from lungseg.core.errors import UserError
from lungseg.sweep.executors.slurm_queue import how_it_ended
from lungseg.sweep.run.join import Help, typed_by, work
from lungseg.sweep.search.results import write_experiment
from lungseg.sweep.search.samplers import make_sampler
from lungseg.sweep.spec.settings import Settings
from lungseg.sweep.spec.study_file import read_study
from lungseg.sweep.spec.untrusted_values import typed_modules
from lungseg.sweep.state.storage import open_storage
from lungseg.sweep.state.study_record import record, recorded
from lungseg.sweep.state.trial_queue import TrialQueue

GRID = {"base": {"model": "unet_classic", "data.count": 24}, "grid": {"seed": [0, 1]}}
SEARCH = {
    "base": {"model": "unet_classic", "data.count": 24},
    "search": {"optim.lr": {"low": 1e-4, "high": 1e-1, "log": True}},
    "budget": {"trials": 3},
}
TARGETS = [
    "subprocess.getoutput", "os.system", "builtins.eval", "torch.load", "torch.hub.load", "pickle.load", "numpy.load",
    "importlib.import_module", "runpy.run_path", "shutil.rmtree", "hydra.utils.get_method", "albumentations.load",
    "timm.create_model", "studies.theirs.payload.Net", "payload.Net", "lungseg.core.run_directory.subprocess.getoutput",
    "torch.optim.adam.torch.load", "segmentation_models_pytorch.from_pretrained", "yaml.unsafe_load", "code.interact",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_runs(tmp_path, monkeypatch):
    """Their code leaves a file when it is imported or called."""
    (tmp_path / "payload.py").write_text(f"open({str(tmp_path / 'RAN')!r}, 'w')\nclass Net: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SECRET", "of-the-reader")
    yield
    sys.modules.pop("payload", None)
    assert not (tmp_path / "RAN").exists()


def ran(*words):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *words])
    return ended.value.code


def refused(capsys, *words, code=1):
    """The one line that a command answers, and nothing was begun."""
    assert ran(*words) == code
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert "of-the-reader" not in said.out + line
    return line


def theirs(content, name="theirs.yaml"):
    Path(name).write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return name


@pytest.mark.parametrize("target", TARGETS)
def test_no_place_of_a_study_names_code(target, capsys):
    nested = [{"_target_": "albumentations.OneOf", "transforms": [{"_target_": target, "_args_": ["x"]}]}]
    for content in (
        {"base": {"data._target_": target}, "grid": {"seed": [0]}},
        {"base": {"model": "unet", "model.arch": target}, "grid": {"seed": [0]}},
        {"grid": {"loss._target_": ["lungseg.tasks.losses.segmentation.BCE", target]}},
        {"grid": {"arm": {"a": {}, "b": {"optim._target_": target}}}},
        {"base": {"augment.transforms": nested}, "grid": {"seed": [0]}},
        {"base": {"+loss.part": {"_target_": target}}, "grid": {"seed": [0]}},
        {"grid": {"cut": {"a": {"data.crop": "<first>"}}}, "before": {"first": {"schedule._target_": target}}},
        {"grid": {"seed": [0]}, "sizes": {"full": {"base": {"trainer._target_": target}}}},
        {"search": {"model._target_": ["lungseg.models.smp.build", target]}, "budget": {"trials": 1}},
        {**SEARCH, "base": {"schedule._target_": target}},
    ):
        assert target in refused(capsys, theirs(content))
        assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ({"label": "${oc.env:SECRET}"}, "label is ${oc.env:SECRET}, an interpolation"),
        ({"data.root": "x ${oc.env:SECRET}"}, "an interpolation"),
        ({"augment.transforms": [{"_target_": "albumentations.RandomGamma", "p": "${seed}"}]}, "an interpolation"),
        ({"hydra.callbacks": {"a": {"_target_": "payload.Net"}}}, "hydra.callbacks: a study's file does not configure"),
        ({"hydra.searchpath": ["file:///tmp"]}, "hydra.searchpath: a study's file does not configure Hydra"),
        ({"hydra/launcher": "x"}, "hydra/launcher is no key"),
        ({"--config-dir": "/tmp"}, "--config-dir is no key"),
        ({"-m": "x"}, "-m is no key"),
        ({"data[_target_]": "payload.Net"}, "data[_target_] is no key"),
        ({"model@data": "unet"}, "model@data is no key"),
        ({"model": "../../../tmp/theirs"}, "model=../../../tmp/theirs: no such option"),
        ({"+experiment": "/tmp/theirs"}, "experiment=/tmp/theirs: no such option"),
        ({"trust": "payload"}, "trust: is the study's own business"),
        ({"++trust": "payload"}, "trust: is the study's own business"),
        ({"+resume": "theirs"}, "resume: is the study's own business"),
        ({"~run_dir": "x"}, "run_dir: is the study's own business"),
        ({"+size.x": "x"}, "size.x: is not said by a study's file"),
        ({"augment": "evil"}, "augment=evil: no such option"),
        ({"model": "unet", "model.encoder": "tu-hf-hub:theirs/net"}, "model.encoder is tu-hf-hub:theirs/net"),
        ({"model": "unet", "+model.checkpoint_path": "theirs.pth"}, "model.checkpoint_path is refused"),
        ({"+trainer.model_registry": "x/y"}, "trainer.model_registry is refused"),
        ({"+trainer.callbacks": [{"_target_": "payload.Net"}]}, "trainer.callbacks"),
    ],
)
def test_a_study_sets_nothing_but_an_experiment(base, said, capsys):
    code = 2 if "business" in said or "no such option" in said else 1
    line = refused(capsys, theirs({"base": base, "grid": {"seed": [0]}}), code=code)
    assert said in line


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"slurm": {"setup": ["touch RAN"]}}, "slurm.setup: is not taken from a study's file"),
        ({"slurm": {"srun_args": ["--task-prolog=x"]}}, "slurm.srun_args: is not taken"),
        ({"slurm": {"additional_parameters": {"wrap": "touch RAN"}}}, "slurm.additional_parameters: is not taken"),
        ({"slurm": {"partition": "gpu\ntouch RAN"}}, "slurm.partition is 'gpu\\ntouch RAN'"),
        ({"slurm": {"comment": "$(touch RAN)"}}, "slurm.comment is"),
        ({"slurm": {"time": ["x"]}}, "slurm.time is"),
        ({"ray": {"address": "ray://theirs:10001"}}, "ray.address is ray://theirs:10001; expected auto or local"),
        ({"storage": "theirs+driver://host/x"}, "storage is theirs+driver://host/x"),
        ({"storage": "mysql+pymysql://host/x?local_infile=1"}, "storage is mysql+pymysql://host/x?local_infile=1"),
        ({"storage": "sqlite:////tmp/elsewhere.db"}, "storage is sqlite:////tmp/elsewhere.db, a file elsewhere"),
        ({"storage": "sqlite:///../elsewhere.db"}, "a file elsewhere"),
        ({"workers": 10**9}, "workers=1000000000: expected at most 100000"),
        ({"heartbeat": float("inf")}, "heartbeat=inf: expected at most 86400"),
        ({"slots": 20_000}, "slots=20000: expected at most 1024"),
        ({"grid": {f"a{n}": list(range(10)) for n in range(12)}}, "its axes make over 100,000 trials"),
        ({"grid": {"trust": {"payload": {"seed": 0}}}}, "grid.trust: an axis cannot be called so"),
        ({"grid": {"seed": [0]}, "before": {"journal.log": {}}}, "before.journal.log: "),
        ({"grid": None, "search": {"optim.lr": {"low": 0, "high": 10**90}}}, "search.optim.lr.high is 1000"),
        ({"grid": None, "search": {"optim.lr": {"low": 0, "high": 10**400}}}, "has over 100 digits"),
        ({"grid": None, "search": {"optim.lr": {"low": 0, "high": 1e9, "step": 1e-9}}}, "makes over 1e+09 values"),
        ({"grid": None, "search": SEARCH["search"], "folds": 10**9}, "folds=1000000000: expected at most 1000"),
        ({"grid": None, "search": SEARCH["search"], "retrain": 10**9}, "retrain=1000000000: expected at most 1000"),
        ({"sizes": {"full": {"slurm": {"setup": ["x"]}}}}, "sizes.full.slurm.setup"),
    ],
)
def test_no_setting_runs_commands_or_reaches_for_another_cluster(settings, said, capsys):
    assert said in refused(capsys, theirs({**GRID, **settings}))


def test_what_is_typed_needs_no_check(monkeypatch):
    monkeypatch.setattr("lungseg.sweep.spec.study_file.require_executor", lambda kind: None)
    theirs({**GRID, "slurm": {"partition": "gpu", "mem_gb": 8}})
    given = {"slurm.setup": "[module load cuda]", "label": "'${seed}'", "ray.address": "10.0.0.1:6379"}
    given["loss._target_"] = "payload_of_mine.Loss"
    Path("payload_of_mine.py").write_text(
        "from lungseg.tasks.losses.segmentation import BCEDice\nclass Loss(BCEDice): pass\n"
    )
    study = read_study(Path("theirs.yaml"), given=given)
    assert study.settings.slurm["setup"] == ["module load cuda"]
    assert study.trials[0].parts[0].overrides["loss._target_"] == "payload_of_mine.Loss"
    assert typed_modules(given) == ["payload_of_mine"]
    assert (
        typed_modules(
            {"loss._target_": "lungseg.tasks.losses.segmentation.BCE", "optim._target_": "torch.optim.RMSprop"}
        )
        == []
    )
    sys.modules.pop("payload_of_mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grid: &g {seed: [0, *g]}\n", "alias *g stands within what it names"),
        ("base: &b\n  seed: *b\ngrid: {seed: [0]}\n", "alias *b stands within"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{n}: &{n} [{', '.join([f'*{o}'] * 9)}]\n"
         for o, n in zip("abcdefgh", "bcdefghi", strict=True)), "its aliases expand to over"),
        ("grid: " + "[" * 3000 + "]" * 3000, "nest"),
        ("grid: {seed: [!!python/object/apply:os.system ['touch RAN']]}", "not readable as YAML"),
    ],
)  # fmt: skip
def test_yaml_that_explodes_is_refused_at_once(text, said, capsys):
    assert said in refused(capsys, theirs(text))


def test_harmless_aliases_are_taken():
    theirs("about: x\nbase: &b {model: unet_classic, data.count: 24}\ngrid: {arm: {a: {<<: *b, seed: 1}, b: *b}}\n")
    assert [trial.name for trial in read_study(Path("theirs.yaml")).trials] == ["a", "b"]


@pytest.fixture
def begun():
    """A study that was begun elsewhere and sent to somebody with its folder; ``changes`` are made to its record."""

    def begin(honest=GRID, given=None, **changes):
        theirs(honest)
        study = read_study(Path("theirs.yaml"), given=given if "content" not in changes else None)
        study = record(study, "rm -rf ~")
        TrialQueue(study).fill([trial.name for trial in study.trials], [])
        path = study.folder / "study.json"
        content = json.loads(path.read_text())
        content |= {**changes, "given": given or {}}
        path.write_text(json.dumps(content))
        return study.folder

    return begin


@pytest.mark.parametrize("command", ["join", "retrain"])
@pytest.mark.parametrize(
    ("content", "given", "said"),
    [
        ({"base": {"data._target_": "subprocess.getoutput"}, "grid": {"seed": [0]}}, {}, "subprocess.getoutput"),
        (GRID, {"loss._target_": "payload.Net"}, "add trust=payload"),
        (GRID, {"hydra.callbacks": "{a:{_target_:payload.Net}}"}, "does not configure Hydra"),
        (GRID, {"label": "${oc.env:SECRET}"}, "an interpolation"),
        (GRID, {"slurm.setup": "[touch RAN]"}, "slurm.setup: is not taken"),
        (GRID, {"--config-dir": "x"}, "--config-dir is no key"),
    ],
)
def test_join_and_retrain_believe_no_record(begun, capsys, command, content, given, said):
    content = {"search": SEARCH["search"], "budget": {"trials": 1}, **content} if command == "retrain" else content
    if command == "retrain":
        content.pop("grid")
    folder = begun(GRID if command == "join" else SEARCH, content=content, given=given)
    assert said in refused(capsys, command, str(folder))
    assert not list(folder.glob("*/checkpoints"))


def test_trust_lets_ones_own_code_be_joined(begun, pretended, capsys):
    Path("mine_to_join.py").write_text(
        "from lungseg.tasks.losses.segmentation import BCEDice\nclass Loss(BCEDice): pass\n"
    )
    folder = begun(given={"loss._target_": "mine_to_join.Loss"})
    assert "add trust=mine_to_join" in refused(capsys, "join", str(folder))
    assert ran("join", str(folder), "slots=1", "trust=mine_to_join") == 0
    assert "2 trials taken here" in capsys.readouterr().out
    sys.modules.pop("mine_to_join", None)


def test_workers_that_the_leader_sends_need_not_be_told_again(begun, pretended, monkeypatch):
    """What the leader typed reaches its workers through the leader, not through the file."""
    Path("mine_to_send.py").write_text(
        "from lungseg.tasks.losses.segmentation import BCEDice\nclass Loss(BCEDice): pass\n"
    )
    folder = begun(given={"loss._target_": "mine_to_send.Loss", "label": "'${seed}'"})
    study = read_study(Path("theirs.yaml"), given={"loss._target_": "mine_to_send.Loss", "label": "'${seed}'"})
    typed = pickle.loads(pickle.dumps(typed_by(study)))
    work(folder, Help("slurm", 1), said=lambda *_: None, typed=typed)
    assert [row.state for row in TrialQueue(recorded(folder)[0]).rows()] == ["finished", "finished"]
    record_file = folder / "study.json"
    content = json.loads(record_file.read_text())
    content["given"]["loss._target_"] = "payload.Net"  # changed by somebody since
    record_file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"payload\.Net"):
        work(folder, Help("slurm", 1), typed=typed)
    sys.modules.pop("mine_to_send", None)


def put(folder, study, **attrs):
    """A row that somebody wrote into the storage."""
    storage = open_storage(None, folder)
    id = storage.get_study_id_from_name(study.id)
    storage.create_new_trial(id, template_trial=create_trial(state=TrialState.WAITING, **attrs))


@pytest.mark.parametrize("name", ["../../precious", "/tmp/precious", "..", ".hidden", "a/b", "a\nb", ""])
@pytest.mark.parametrize("content", [GRID, SEARCH])
def test_a_name_in_the_storage_never_leads_out_of_the_folder(begun, pretended, capsys, tmp_path, name, content):
    """A run directory of that name without a checkpoint would be removed."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("years of work")
    folder = begun(content)
    study, _ = recorded(folder)
    put(folder, study, user_attrs={"name": name, "words": {"optim.lr": "0.01"}})
    assert "its storage holds a trial" in refused(capsys, "join", str(folder), "slots=1")
    assert (tmp_path / "precious" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    "words",
    [{"data._target_": "payload.Net"}, {"optim.lr": "5"}, {"optim.lr": "${oc.env:SECRET}"}, {"--config-dir": "x"}],
)
def test_what_a_storage_chose_must_be_of_the_search(begun, pretended, capsys, words):
    folder = begun(SEARCH)
    study, _ = recorded(folder)
    put(folder, study, user_attrs={"name": "trial-0009", "words": words})
    assert "its storage chose" in refused(capsys, "join", str(folder), "slots=1")


@pytest.mark.parametrize(
    "shrunk", [{"data._target_": "payload.Net"}, {"data.batch_size": "${seed}"}, "x", ["a"], {"data.batch_size": "4"}]
)
def test_what_a_storage_shrank_must_be_a_batch(begun, pretended, capsys, shrunk):
    folder = begun(SEARCH)
    study, _ = recorded(folder)
    put(folder, study, user_attrs={"name": "trial-0009", "words": {"optim.lr": "0.01"}, "shrunk": shrunk})
    assert "says shrunk=" in refused(capsys, "join", str(folder), "slots=1")


@pytest.mark.parametrize(
    "attrs",
    [
        {"attempt": "x"},
        {"ended": 3},
        {"ended": ["a"]},
        {"words": ["a"], "name": "trial-0009"},
        {"words": 5, "name": "trial-0009"},
    ],
)
def test_a_row_that_no_sweep_wrote_is_one_line(begun, pretended, capsys, attrs):
    folder = begun(SEARCH)
    study, _ = recorded(folder)
    put(folder, study, user_attrs={"name": "trial-0009", **attrs})
    refused(capsys, "join", str(folder), "slots=1")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_an_optimizer_in_the_storage_is_read_without_running_anything(tmp_path):
    """Optuna unpickles what CMA-ES has left in a storage."""
    study = optuna.create_study(sampler=make_sampler(Settings(sampler="cmaes"), "a"))
    distributions = {name: optuna.distributions.FloatDistribution(0, 1) for name in "ab"}
    hexed = pickle.dumps(Payload(tmp_path / "RAN")).hex()
    for _ in range(3):
        attrs = {"cma:optimizer:0": hexed}
        study.add_trial(create_trial(params=dict.fromkeys("ab", 0.1), distributions=distributions, value=1.0,
                                     system_attrs=attrs))  # fmt: skip
    trial = study.ask()
    with pytest.raises(UserError, match="a state that no search has written"):
        [trial.suggest_float(name, 0, 1) for name in "ab"]


class Large:
    def __reduce__(self):
        return np._core.multiarray._reconstruct, (np.ndarray, (10**13,), b"b")


@pytest.mark.parametrize("content", [[], "x", Large(), np.zeros(3)])
def test_a_state_that_is_no_optimizer_is_refused(content):
    study = optuna.create_study(sampler=make_sampler(Settings(sampler="cmaes"), "a"))
    distributions = {name: optuna.distributions.FloatDistribution(0, 1) for name in "ab"}
    attrs = {"cma:optimizer:0": pickle.dumps(content).hex()}
    trial = create_trial(params=dict.fromkeys("ab", 0.1), distributions=distributions, value=1.0, system_attrs=attrs)
    study.add_trials([trial] * 3)
    asked = study.ask()
    with pytest.raises(UserError, match="a state that no search has written"):
        [asked.suggest_float(name, 0, 1) for name in "ab"]


def test_an_optimizer_of_cma_es_goes_on_as_it_was():
    """The same numbers as Optuna's own sampler gives, which unpickles anything."""

    def searched(sampler):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: sum(trial.suggest_float(name, -1, 1) ** 2 for name in "abc"), n_trials=40)
        return [trial.params for trial in study.trials]

    assert searched(make_sampler(Settings(sampler="cmaes"), "a")) == searched(
        optuna.samplers.CmaEsSampler(seed=make_sampler(Settings(sampler="cmaes"), "a")._cma_rng.rng.get_state()[1][0])
    )
    assert isinstance(pickle.loads(pickle.dumps(cmaes.CMA(mean=np.zeros(2), sigma=1.0))), cmaes.CMA)


def test_what_a_job_left_is_read_without_running_anything(tmp_path):
    (tmp_path / "7_0_result.pkl").write_bytes(pickle.dumps(("error", Payload(tmp_path / "RAN"))))
    (tmp_path / "7_0_log.err").write_text("slurmstepd: killed\n")
    assert how_it_ended(tmp_path, "7") == "slurmstepd: killed"
    (tmp_path / "8_0_result.pkl").write_bytes(pickle.dumps(("error", "Traceback\nValueError: no")))
    assert how_it_ended(tmp_path, "8") == "ValueError: no"
    (tmp_path / "9_0_result.pkl").write_bytes(pickle.dumps(("success", None)))
    assert how_it_ended(tmp_path, "9") is None


def test_an_axis_that_is_typed_makes_nothing_of_the_file_typed(capsys):
    """augment=light chooses an option of the file's, which may set anything."""
    evil = [{"_target_": "payload.Net"}]
    theirs({"grid": {"augment": {"light": {"augment": {"transforms": evil}, "seed": 0}, "none": {"seed": 1}}}})
    assert "augment={transforms:" in refused(capsys, "theirs.yaml", "augment=light", code=2)


def test_no_folder_of_theirs_is_a_place_to_import_from(begun, pretended, tmp_path, monkeypatch, capsys):
    """Their study says in which folder its trials work; an empty entry of PYTHONPATH is the folder of now."""
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    folder = begun()
    (there / "sitecustomize.py").write_text(f"open({str(tmp_path / 'RAN')!r}, 'w')\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "lib"]))
    monkeypatch.delenv("WANDB_DIR", raising=False)
    assert ran("join", str(there / folder), "slots=1") == 0
    assert "2 trials taken here" in capsys.readouterr().out
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "here"), str(tmp_path / "here" / "lib")]
    assert os.environ["WANDB_DIR"] == str(tmp_path / "here")


def test_status_proposes_no_word_that_is_trusted_when_typed(begun, capsys):
    words = {"data._target_": "payload.Net", "hydra.callbacks": "x", "out": "/elsewhere"}
    folder = begun(given={**words, "label": "mine;touch RAN"}, content=GRID)
    assert ran("status", str(folder)) == 0
    said = capsys.readouterr().out
    command = said[said.index("go on") :].partition("(")[0]
    assert not any(word in command for word in ("trust", "payload", "hydra", "elsewhere"))
    assert "'label=mine;touch RAN'" in said
    assert "trust: is the study's own business" in refused(
        capsys, "status", str(begun(given={"trust": "x"}, content=GRID)), code=2
    )


@pytest.mark.parametrize("name", ["journal.log", "logs/seed0.log", ".lock"])
def test_a_pipe_or_a_link_in_their_folder_is_no_matter_to_status(begun, capsys, tmp_path, name):
    folder = begun()
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert "is no plain file" in refused(capsys, "status", str(folder))
    path.unlink()
    (tmp_path / "secret").write_text("aws_key=of-the-reader\n")
    path.symlink_to(tmp_path / "secret")
    assert "is a link that leads out" in refused(capsys, "status", str(folder))
    assert "is a link that leads out" in refused(capsys, "theirs.yaml", f"out={folder}")
    assert (tmp_path / "secret").read_text() == "aws_key=of-the-reader\n"


def test_status_makes_no_database_elsewhere(begun, capsys, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-elsewhere.db"
    folder = begun()
    record_file = folder / "study.json"
    content = json.loads(record_file.read_text())
    content["content"]["storage"] = f"sqlite:///{outside}"
    record_file.write_text(json.dumps(content))
    assert "a file elsewhere" in refused(capsys, "status", str(folder))
    assert not outside.exists()
    optuna.create_study(storage=f"sqlite:///{outside}", study_name=content["id"])  # the owner's own, made before
    assert ran("status", str(folder)) == 0
    outside.unlink()


@pytest.mark.parametrize(
    "row",
    [
        {"state": TrialState.FAIL, "user_attrs": {"ended": ["failed", 5]}},
        {"user_attrs": {"worker": ["a"]}},
        {"user_attrs": {"worker": {}}},
    ],
)
def test_status_of_rows_that_no_sweep_wrote_is_one_line(begun, capsys, row):
    folder = begun(SEARCH)
    study, _ = recorded(folder)
    storage = open_storage(None, folder)
    attrs = {"name": "trial-0009", **row["user_attrs"]}
    template = create_trial(state=row.get("state", TrialState.WAITING), user_attrs=attrs)
    storage.create_new_trial(storage.get_study_id_from_name(study.id), template_trial=template)
    assert "which no sweep has written" in refused(capsys, "status", str(folder))


@pytest.mark.parametrize("slots", ["x", [1], None])
def test_a_worker_that_no_sweep_started_is_not_counted(begun, capsys, slots):
    folder = begun()
    (folder / "workers").mkdir(exist_ok=True)
    (folder / "workers" / "w1.json").write_text(json.dumps({"slots": slots, "executor": "local"}))
    assert ran("status", str(folder)) == 0


@pytest.mark.parametrize("name", ["journal.log", "logs/seed0.log", ".lock", "workers", "locks/seed0.lock"])
def test_nothing_is_written_through_a_link_in_their_folder(begun, capsys, tmp_path, name):
    folder = begun()
    outside = tmp_path / "home" / "file"
    outside.parent.mkdir()
    outside.write_text("mine\n")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    assert "is a link that leads out of its folder" in refused(capsys, "join", str(folder), "slots=1")
    assert outside.read_text() == "mine\n"


def test_no_name_of_theirs_writes_a_line_into_the_experiment(tmp_path):
    """What is trained by the printed command is typed, so nothing checks it any more."""
    path = write_experiment(tmp_path, "best", {"optim.lr": "0.01"}, "the best of x.yaml\nloss: {_target_: payload.Net}")
    assert yaml.safe_load(path.read_text()) == {"optim": {"lr": 0.01}}


def test_a_damaged_journal_is_one_line(begun, capsys):
    folder = begun()
    for text in ("{", "[]\n", "[1, 2]\n", '{"op_code": 99, "worker_id": "x"}\n', "\xff\xfe\n"):
        copy = Path("copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        content = json.loads((copy / "study.json").read_text())
        (copy / "study.json").write_text(json.dumps({**content, "folder": "copy"}))
        with (copy / "journal.log").open("a", encoding="latin-1") as file:
            file.write(text if text.endswith("\n") else text + "\n")
        assert "journal.log" in refused(capsys, "join", str(copy), "slots=1")
    assert os.environ.get("LUNGSEG_TRUST") is None
