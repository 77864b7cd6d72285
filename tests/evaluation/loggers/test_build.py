import csv
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
import torch

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.config.trainer_config import LoggerConfig, WandbConfig
from lungseg.core.errors import UserError
from lungseg.data.visualize.overlay import Overlay
from lungseg.evaluation.evaluate import evaluate
from lungseg.evaluation.loggers import build, wandb_run
from lungseg.training.metrics_file import MetricsFile
from lungseg.training.train import train

SMALL = ["experiment=quick", "data.pixels=32", "data.size=32", "model=unet_classic", "model.width=4", "model.depth=2"]
WANDB = Path(sys.executable).with_name("wandb")
KEY = "0" * 40


def inspect(folder, *flags):
    words = [str(WANDB), "leet", "inspect", *flags, "--json", str(folder)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout


def overlay(k=2):
    reference = np.zeros((k, 16, 16), bool)
    reference[0, 2:12, 2:12] = True
    reference[-1, 4:8, 4:8] = True
    return Overlay(
        "case-7",
        "COVID-19",
        np.zeros((16, 16), np.uint8),
        reference,
        reference.copy(),
        {"lung": 0.5, "infection": 0.25},
    )


@pytest.fixture(scope="module")
def offline_run(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "wb"
    patch = pytest.MonkeyPatch()
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        patch.delenv(name, raising=False)
    patch.setenv("HOME", str(run_dir.parent))
    train(train_config([*SMALL, "trainer=cpu", "task=lung_infection", f"run_dir={run_dir}"]))
    evaluate(evaluate_config([f"run={run_dir}", "split=val"]))
    patch.undo()
    return run_dir


def test_an_offline_run_holds_config_metrics_by_epoch_pictures_and_the_table_of_cases(offline_run):
    first, second = sorted((offline_run / "wandb").glob("offline-run-*"))
    summary = json.loads(inspect(first, "--summary"))
    assert summary["config"]["model"]["name"] == "unet_classic"
    assert summary["config"]["data"]["workers"] == 0
    records = [json.loads(line) for line in inspect(first).splitlines()]
    text = json.dumps([record for record in records if record["type"] == "history"])
    assert text.count('"val/lung/dice"') == 2
    for part in ("trainer/global_step", "epoch", "train/loss", "lr", "val/overlays", "phantom-test/cases"):
        assert part in text
    table = json.loads(next(first.glob("files/media/table/phantom-test/*.table.json")).read_text())
    rows = list(csv.DictReader((offline_run / "evaluation" / "phantom-test" / "cases.csv").open()))
    assert table["columns"] == list(rows[0])
    assert [row[0] for row in table["data"]] == [row["id"] for row in rows]
    assert list(first.glob("files/media/images/val/overlays_*.png"))
    assert list(first.glob("files/media/images/mask/val/overlays_*.png"))
    assert summary["run_id"] == json.loads(inspect(second, "--summary"))["run_id"]
    assert list(second.glob("files/media/table/phantom-val/*.table.json"))


def test_masks_can_be_switched_and_have_names(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    made = build.build(LoggerConfig(WandbConfig("p")), tmp_path, name="n", config={})
    build.log_overlays(made, "val/overlays", [overlay()], 3, 1)
    build.finish(made)
    text = inspect(next((tmp_path / "wandb").glob("offline-run-*")))
    for part in ("prediction", "reference"):
        assert part in text
    assert "case-7" in text
    assert "infection Dice 0.250" in text
    label_map = build._innermost(overlay().reference)
    assert np.unique(label_map).tolist() == [0, 1, 2]
    assert label_map[5, 5] == 2


def test_without_a_key_it_is_offline_with_one_line_that_can_be_pasted(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loggers_made = _to_screen_and_build(Path("run"))
    build.finish(loggers_made)
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert len(lines) == 1
    pattern = lines[0].split("wandb sync ")[1]
    assert len(list(Path().glob(pattern))) == 1


def _to_screen_and_build(path):
    from lungseg.core import log_output

    log_output.to_screen()
    path.mkdir(exist_ok=True)
    return build.build(LoggerConfig(WandbConfig()), path, name="n", config={"a": 1})


class _Broken(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def server(request):
    """An address where a server refuses, never answers, or answers every request with an error."""
    if request.param == "refused":
        yield "http://127.0.0.1:9"
    elif request.param == "silent":
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    else:
        http = HTTPServer(("127.0.0.1", 0), _Broken)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize("server", ["refused", "silent", "broken"], indirect=True)
def test_a_server_that_cannot_be_reached_costs_seconds_and_no_run(tmp_path, server, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_BASE_URL", server)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    started = time.monotonic()
    made = _to_screen_and_build(Path("run"))
    made[0].log_metrics({"a": 1.0}, 0)
    build.finish(made)
    assert time.monotonic() - started < 10
    out = capsys.readouterr().out
    assert "logging offline" in out
    assert len(list(Path().glob(out.split("wandb sync ")[1].strip()))) == 1


def test_the_environment_can_switch_it_off(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert build.build(LoggerConfig(WandbConfig()), tmp_path, name="n", config={}) == []
    assert not (tmp_path / "wandb").exists()


def test_settings_that_came_with_a_run_are_not_the_readers(tmp_path, monkeypatch, caplog):
    """W&B reads wandb/settings of the folder it is started in; within somebody's run that file is theirs."""
    run = tmp_path / "theirs"
    (run / "wandb").mkdir(parents=True)
    (run / "wandb" / "settings").write_text("[default]\nbase_url = http://127.0.0.1:9\nentity = theirs\n")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(run)
    asked = {"name": "a", "project": "p", "group": None, "config": {}}
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    with caplog.at_level("INFO", logger="lungseg"):
        assert wandb_run.start(run, **asked) is None
    assert f"its settings here are {run / 'wandb' / 'settings'}, which came with the run" in caplog.text
    monkeypatch.chdir(tmp_path)
    started = wandb_run.start(run, **asked)
    assert started.settings.base_url != "http://127.0.0.1:9"
    assert started.settings.entity is None
    wandb_run.finish(started)


def test_a_key_is_found_where_wandb_keeps_it(tmp_path, monkeypatch):
    assert not wandb_run._has_key()
    (tmp_path / "netrc").write_text(
        f"machine {urlparse(wandb_run._server()).hostname}\n  login user\n  password {KEY}\n"
    )
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert wandb_run._has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://elsewhere.example")
    assert not wandb_run._has_key()


def test_tensorboard_has_scalars_and_pictures(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(train_config([*SMALL, "trainer=cpu", "logger=tensorboard", f"run_dir={tmp_path / 'run'}"]))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert len(events.Scalars("val/lung/dice")) == 2
    assert "phantom-test/lung/dice" in events.Tags()["scalars"]
    assert any(tag.startswith("val/overlays/phantom-") for tag in events.Tags()["images"])


def test_a_missing_package_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="uv sync --extra tensorboard"):
        build.build(LoggerConfig(tensorboard=True), tmp_path, name="n", config={})


def test_metrics_csv_takes_new_columns_and_drops_what_a_resumed_run_measures_again(tmp_path):
    path = tmp_path / "metrics.csv"
    first = MetricsFile(path)
    first.log_metrics({"train/loss": 1.0, "epoch": 0}, 9)
    first.log_metrics({"val/dice": 0.5, "epoch": 0}, 9)
    first.log_metrics({"train/loss": torch.tensor(0.5), "epoch": 1}, 19)
    first.save()
    assert list(csv.DictReader(path.open())) == [
        {"epoch": "1", "step": "9", "train/loss": "1.0", "val/dice": "0.5"},
        {"epoch": "2", "step": "19", "train/loss": "0.5", "val/dice": ""},
    ]
    resumed = MetricsFile(path, step=15)
    resumed.log_metrics({"lr": 0.1, "epoch": 1}, 19)
    resumed.save()
    rows = list(csv.DictReader(path.open()))
    assert [row["step"] for row in rows] == ["9", "19"]
    assert rows[0]["train/loss"] == "1.0"
    assert (rows[1]["lr"], rows[1]["train/loss"]) == ("0.1", "")
    assert MetricsFile(path).rows == []
