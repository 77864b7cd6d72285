"""Any rank but the first: it does what rank zero tells it, says nothing, and leaves with rank zero's exit code."""

import traceback
from pathlib import Path

from lungseg.core import log_output, rank_environment
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import Pruned, Stopped, UserError
from lungseg.core.run_directory import Run
from lungseg.core.security.printable_text import print_error
from lungseg.core.shell_commands import resume_command
from lungseg.core.signals import Interrupted, Signals
from lungseg.data.boxes import box_of
from lungseg.data.build import build_cases
from lungseg.data.case import fingerprint
from lungseg.data.saved_splits import load_splits
from lungseg.tasks.build import build_data, build_module
from lungseg.training.distributed.connection import FollowerRank, RankLost
from lungseg.training.fit import build_trainer, fit
from lungseg.training.trainer import Ranks


def follow() -> int:
    """The exit code."""
    log_output.to_screen()
    place = rank_environment.place()
    with Signals() as signals:
        try:
            line = FollowerRank(place)
        except Interrupted as error:
            return 128 + error.number
        try:
            return _follow(line, signals)
        finally:
            line.close()


def _follow(line: FollowerRank, signals: Signals) -> int:
    try:
        _train(line, signals)
    except (Stopped, Pruned) as error:
        with signals.ignored():
            line.end()
        return error.exit_code
    except RankLost as error:
        if line.speaks:
            command = resume_command((line.told or {}).get("run", "RUN"))
            print_error(f"{error}; go on from what was saved by: {command}")
        return error.exit_code
    except Interrupted as error:
        line.fail(f"was {error}", 128 + error.number)
        return 128 + error.number
    except UserError as error:
        line.fail(f"failed: {error}", error.exit_code)
        return error.exit_code
    except Exception as error:
        traceback.print_exc()
        line.fail(f"failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}", 1)
        return 1
    with signals.ignored():
        return line.end()


def _train(line: FollowerRank, signals: Signals) -> None:
    told = line.begin()
    cfg, run = TrainConfig.of(told["config"]), Run(Path(told["run"]))
    cases = build_cases(cfg.data.source)
    if fingerprint(cases) != told["fingerprint"]:
        raise UserError("data.root: the data of this node is not rank zero's; give all nodes the same files")
    splits = load_splits(cases, run.splits_file)
    boxes = {id: box_of(values) for id, values in told["boxes"].items()} if told["boxes"] else None
    data = build_data(cfg, splits, boxes, show=False)
    module = build_module(cfg)
    ranks = Ranks(line.place, line, told["port"])
    fitter = build_trainer(cfg, run, module.task, signals, ranks, [])
    fit(fitter, module, data, ranks, run.last if told["going_on"] else None)
