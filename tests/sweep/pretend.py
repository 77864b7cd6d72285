"""A train.py that only pretends: it takes no time but what it is told to, and fails as it is told to."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import csv, json, math, os, pathlib, signal, sys, time
sys.path.insert(0, {root!r})
from lungseg.core import errors
from lungseg.core.failure_file import report_failure
from lungseg.core.parent_death import end_with_parent
end_with_parent()
def fail(error):
    report_failure(error)
    sys.exit(f"error: {{error}}")
words = dict(word.split("=", 1) for word in sys.argv[1:])
print(*sys.argv[1:], flush=True)
run = pathlib.Path((words.get("run_dir") or words["resume"]).strip('"'))
if "resume" in words:
    words = json.loads((run / "words.json").read_text())
rate = float(words.get("optim.lr", 1))
if rate == 7:
    fail(errors.UserError("optim.lr=7: too much; give less"))
if rate == 8:
    report_failure(RuntimeError("a bug"))
    raise RuntimeError("a bug")
if words.get("pretrained") == "true":
    fail(errors.WeightsMissingError("pretrained=true: the weights of model.encoder=resnet18 (x) cannot be fetched"))
(run / "checkpoints").mkdir(parents=True, exist_ok=True)
(run / "words.json").write_text(json.dumps(words))
batch = int(words.get("data.batch_size", 8))
config = {{"data": {{"batch_size": batch}}, "trainer": {{"accumulate_grad_batches": 1}}}}
config |= {{key: {{}} for key in ("task", "model", "loss")}} | {{"seed": 0}}
(run / "config.yaml").write_text(json.dumps(config))
if rate == 6 and batch > 4:
    fail(errors.OutOfMemoryError(f"out of memory of the GPU with data.batch_size={{batch}}: take less"))
stopped = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: stopped.append(number))
last, epochs = run / "checkpoints" / "last.ckpt", int(words.get("trainer.max_epochs", 1))
done = int(last.read_text()) if last.exists() else 0
value = -((math.log10(rate) + 2) ** 2)
report = None
if os.environ.get("LUNGSEG_REPORT"):
    from lungseg.sweep.search.reporter import reporter
    report = reporter(epochs)
with (run / "epochs").open("a") as log:
    for epoch in range(done + 1, epochs + 1):
        if stopped:
            sys.exit(128 + stopped[0])
        time.sleep(float(words.get("trainer.save_every_minutes", 0)))
        print(epoch, os.getpid(), file=log, flush=True)
        last.write_text(str(epoch))
        while rate == 1 and pathlib.Path("hold").exists():  # a test wants this trial to be under way until it says so
            time.sleep(0.02)
        if report and report.hopeless(epoch, value - 1 / epoch):
            (run / "manifest.json").write_text(json.dumps({{"status": "pruned"}}))
            sys.exit(75)
        if rate == 5 and epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
with (run / "metrics.csv").open("w") as file:
    print("epoch,val/loss,val/dice", file=file)
    print(f"{{epochs}},{{-value}},{{value}}", file=file)
about = {{"status": "finished", "best_epoch": epochs, "milliseconds_per_image": 1 / rate}}
(run / "manifest.json").write_text(json.dumps(about))
"""

COMMAND = "import sys, pathlib, lungseg.sweep.run.trial_process as p\np.PROGRAM = pathlib.Path(sys.argv.pop(1))\n"
COMMAND += "import types\nstub = types.ModuleType('lungseg.cli.compare')\n"
COMMAND += "stub.compare = lambda *_, **__: 0\nsys.modules[stub.__name__] = stub\n"
COMMAND += "from lungseg.cli.main import main\nmain()"
ROOT = Path(__file__).resolve().parents[2]


def pretend(folder):
    script = Path(folder) / "pretended.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    return script


def start(script, *words, **how):
    """``lungseg ...`` as a process of its own, whose trials pretend."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(script), *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **how,
    )  # fmt: skip


def until(true, seconds=60, process=None):
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)


def epochs(run):
    """What each run of a trial has done: [(epoch, pid), ...]."""
    path = Path(run) / "epochs"
    return [tuple(map(int, line.split())) for line in path.read_text().splitlines()] if path.exists() else []


def running(run):
    """Whether a process of the trial is there."""
    found = epochs(run)
    if not found:
        return False
    try:
        os.kill(found[-1][1], 0)
    except ProcessLookupError:
        return False
    try:
        stat = Path(f"/proc/{found[-1][1]}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def finished(run):
    path = Path(run) / "manifest.json"
    return path.exists() and json.loads(path.read_text())["status"] == "finished"


def end(process, number=signal.SIGKILL):
    """To the whole session, where anything of it is left."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
    process.wait()
