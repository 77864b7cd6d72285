"""What a study costs besides its trials: workers that share a storage, many rows.

    uv run benchmarks/sweep.py shared            # 1000 trials that do nothing, 32 processes, each storage
    uv run benchmarks/sweep.py process           # the same by workers that start a process for each
    uv run benchmarks/sweep.py rows              # one claim and one status among 10,000 trials

PostgreSQL is measured where its programs are there; the server is one of its own in a temporary folder.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hardware import RESULTS, machine, save
from lungseg.sweep.run import trial_process
from lungseg.sweep.run.trial_process import Stop
from lungseg.sweep.run.worker import Worker
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.study_file import Reading, as_study
from lungseg.sweep.state.study_record import record
from lungseg.sweep.state.trial_queue import TrialQueue
from storages import CHOICES, insert, storages

ROOT = Path(__file__).resolve().parents[1]
TRIVIAL = """import json, pathlib, sys
run = pathlib.Path(dict(word.split("=", 1) for word in sys.argv[1:])["run_dir"].strip('"'))
run.mkdir(parents=True)
(run / "manifest.json").write_text(json.dumps({"status": "finished", "best_epoch": 1}))
(run / "metrics.csv").write_text("epoch,val/loss,val/dice\\n1,0.5,0.5\\n")
"""
FILLED = 100  # rows that a study is begun with one by one; the others are put there at once


def a_study(folder: Path, trials: int, storage: str | None) -> Study:
    content = {"grid": {"seed": list(range(trials))}, "storage": storage}
    return as_study(content, Path("many.yaml"), "full", {}, folder, Reading(frozenset()))


def filled(study: Study) -> TrialQueue:
    queue = TrialQueue(study, "lead")
    queue.fill([trial.name for trial in study.trials], [])
    return queue


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def take_part(study: Study, number: int, gate: Any, told: Any) -> None:
    """A worker whose trials do nothing."""
    queue, calls = TrialQueue(study, f"worker{number}"), [0]
    call = queue._call

    def counted(action: Any) -> Any:
        calls[0] += 1
        return call(action)

    queue._call = counted  # type: ignore[method-assign]
    queue.rows()
    before, claims, ends = resident(), [], []
    gate.wait()
    while True:
        start = time.perf_counter()
        row = queue.claim(ledger_name := f"worker{number}")
        claimed = time.perf_counter()
        if row is None:
            break
        assert row.worker == ledger_name
        queue.end(row, "finished", [0.5])
        claims.append(claimed - start)
        ends.append(time.perf_counter() - claimed)
    told.put({"claims": claims, "ends": ends, "calls": calls[0], "before": before, "after": resident()})


def start_trivial(study: Study, number: int, gate: Any, told: Any) -> None:
    """A worker as it is, with a program of the shortest kind."""
    trial_process.PROGRAM = Path("trivial.py").resolve()
    began: dict[str, float] = {}
    ends = []

    def said(what: str, row: Any, reason: str) -> None:
        if what == "began":
            began[row.name] = time.perf_counter()
        else:
            assert what == "finished", (what, reason)
            ends.append(time.perf_counter() - began[row.name])

    worker = Worker(study, [{}], Stop(), said)
    before = resident()
    gate.wait()
    worker.run()
    told.put({"claims": [0.0] * len(ends), "ends": ends, "calls": 0, "before": before, "after": resident()})


def together(study: Study, workers: int, target: Any) -> dict[str, Any]:
    """What all of them measured, and what a leader that looks each two seconds did."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lungseg.sweep.run.worker"])
    study = record(study, "")
    began = time.perf_counter()
    queue = filled(study)
    fill = time.perf_counter() - began
    gate, told = context.Barrier(workers + 1), context.Queue()
    group = [context.Process(target=target, args=(study, n, gate, told)) for n in range(workers)]
    for one in group:
        one.start()
    gate.wait()
    done: list[dict[str, Any]] = []
    before, looks, began, ended = resident(), list[float](), time.perf_counter(), threading.Event()

    def collect() -> None:
        done.extend(told.get() for _ in group)
        ended.set()

    threading.Thread(target=collect, daemon=True).start()
    while not ended.wait(2.0):
        start = time.perf_counter()
        queue.find_lost()
        queue.rows()
        queue.over()
        looks.append(time.perf_counter() - start)
        assert all(one.exitcode in (None, 0) for one in group)
    took = time.perf_counter() - began
    for one in group:
        one.join()
    states = Counter(row.state for row in queue.rows())
    assert states == {"finished": len(study.trials)}, states
    return summary(done, took, fill) | {
        "leader MiB": [round(before, 1), round(resident(), 1)],
        "leader's look, worst s": round(max(looks, default=0), 3),
        "KiB": round(sum(f.stat().st_size for f in study.folder.glob("journal.log")) / 1024) or None,
    }


def summary(done: list[dict[str, Any]], took: float, fill: float) -> dict[str, Any]:
    claims = [t for one in done for t in one["claims"]]
    both = sorted(c + e for one in done for c, e in zip(one["claims"], one["ends"], strict=True))
    grown = [one["after"] - one["before"] for one in done]
    return {
        "trials/s": round(len(both) / took, 1),
        "median ms": round(1000 * statistics.median(both), 1),
        "p95 ms": round(1000 * both[int(0.95 * len(both))], 1),
        "worst claim s": round(max(claims), 2),
        "operations/s": round(sum(one["calls"] for one in done) / took),
        "fill s": round(fill, 1),
        "worker MiB": [round(statistics.median(one["before"] for one in done), 1),
                       round(statistics.median(one["after"] for one in done), 1)],
        "worker grew, most MiB": round(max(grown), 1),
    }  # fmt: skip


def shared(given: argparse.Namespace) -> dict[str, Any]:
    """Storage, workers -> what was measured."""
    target = start_trivial if given.what == "process" else take_part
    found: dict[str, Any] = {}
    with storages(given.storage) as makers:
        Path("trivial.py").write_text(TRIVIAL)
        for number, workers in enumerate(given.workers):
            for name, make in makers.items():
                folder = Path(f"{name}-{number}")
                study = a_study(folder, given.trials, make(number, folder))
                found[f"{name}, {workers}"] = together(study, workers, target)
                shutil.rmtree(folder)
    columns = list(next(iter(found.values())))
    print("storage, workers".ljust(20), *(c.rjust(max(len(c), 14)) for c in columns))
    for name, values in found.items():
        print(name.ljust(20), *(str(values[c]).rjust(max(len(c), 14)) for c in columns))
    return {"trials": given.trials, "found": found}


def rows(given: argparse.Namespace) -> dict[str, Any]:
    """Of each storage: seconds of one claim, of a look, of opening and of a status; half of the trials are finished."""
    found: dict[str, Any] = {}
    with storages(given.storage) as makers:
        for name, make in makers.items():
            study = record(a_study(Path(name), given.trials, make(19, Path(name))), "again")
            found[name] = among_many(study, given.rounds)
            print(name, {key: round(value, 4) for key, value in found[name].items()}, "s", flush=True)
    return {"trials": given.trials, "seconds": found}


def among_many(study: Study, rounds: int) -> dict[str, float]:
    queue = TrialQueue(study, "lead")
    _, filled_in = timed(lambda: queue.fill([trial.name for trial in study.trials[:FILLED]], []))
    insert(queue, [trial.name for trial in study.trials[FILLED:]], len(study.trials) // 2, FILLED)
    ours, opened = timed(lambda: (one := TrialQueue(study, "a"), one.rows())[0])
    claims, looks = [], []
    for _ in range(rounds):
        row, took = timed(lambda: ours.claim("a"))
        claims.append(took)
        queue.end(row, "finished", [0.5])
        looks.append(timed(ours.rows)[1])
    command = [sys.executable, "-c", "from lungseg.cli.main import main; main()", "sweep", "status", str(study.folder)]
    states = [timed(lambda: subprocess.run(command, check=True, capture_output=True))[1] for _ in range(3)]
    medians = {"claim": claims, "look": looks, "status": states}
    return {f"fill, {FILLED} rows": filled_in, "open": opened} | {
        name: statistics.median(each) for name, each in medians.items()
    }


def timed(action: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    answer = action()
    return answer, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["shared", "process", "rows"])
    parser.add_argument("--storage", default="all", choices=["all", *CHOICES])
    parser.add_argument("--trials", type=int)
    parser.add_argument("--workers", type=int, nargs="+")
    parser.add_argument("--rounds", type=int)
    given = parser.parse_args()
    least = {"shared": (1000, [32], 1), "process": (64, [8], 1), "rows": (10_000, [1], 9)}
    for key, value in zip(("trials", "workers", "rounds"), least[given.what], strict=True):
        setattr(given, key, getattr(given, key) or value)
    measured = {"shared": shared, "process": shared, "rows": rows}[given.what](given)
    before = json.loads(path.read_text()) if (path := RESULTS / "sweep.json").exists() else {}
    about = machine("lungseg", "optuna", "sqlalchemy", "torch")
    name = f"{given.what}, {given.storage}, {' '.join(map(str, given.workers))} workers"
    print(f"written to {save('sweep', before | {name: {**about, **measured}})}")


if __name__ == "__main__":
    main()
