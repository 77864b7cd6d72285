"""Rank zero's part in bringing the others to work and home again."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from functools import partial

from lightning_fabric.plugins.environments.lightning import find_free_network_port

from lungseg.core import rank_environment
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import UserError
from lungseg.core.failure_file import write_failure
from lungseg.core.rank_environment import RankEnvironment
from lungseg.core.run_directory import Run
from lungseg.core.signals import Interrupted
from lungseg.data.boxes import AnyBox, numbers_of
from lungseg.training import trainer
from lungseg.training.distributed.connection import RankLost
from lungseg.training.distributed.coordinator import Coordinator
from lungseg.training.distributed.local_ranks import LocalRanks
from lungseg.training.trainer import Ranks

log = logging.getLogger("lungseg")


class RankGroup:
    """All ranks of a run; one alone needs nothing of this."""

    def __init__(self, place: RankEnvironment) -> None:
        self.place = place
        self.leader = Coordinator(place) if place.ranks > 1 else None
        self.processes: LocalRanks | None = None
        self.ranks = Ranks(place, self.leader, find_free_network_port() if self.leader else 0)

    def begin(
        self, cfg: TrainConfig, run: Run, going_on: bool, *, fingerprint: str, boxes: Mapping[str, AnyBox] | None
    ) -> None:
        """The others do what ``cfg`` says from here on; those of one machine are started first."""
        if self.leader is None:
            return
        self.leader.at_last = partial(_keep_loss, run)
        if not self.place.by:
            self.processes = LocalRanks(self.leader)
        self.leader.begin(
            cfg.trainer.rank_timeout_minutes,
            config=cfg.to_dict(),
            run=str(run.path),
            fingerprint=fingerprint,
            boxes={id: numbers_of(box) for id, box in boxes.items()} if boxes else None,
            going_on=going_on,
            port=self.ranks.port,
        )

    def end(self, code: int) -> None:
        """Every rank leaves with ``code``."""
        if self.leader is not None:
            self.leader.end(code)
        if self.processes is not None:
            self.processes.stop()


def _keep_loss(run: Run, lost: RankLost) -> None:
    """Says in the run directory that a rank was lost, by a process that cannot end in the usual way."""
    run.update_manifest(status="failed", reason=str(lost))
    write_failure(run.path, lost)


@contextlib.contextmanager
def team_of(cfg: TrainConfig) -> Iterator[RankGroup]:
    """However the block ends, no other rank stays behind."""
    found = RankGroup(trainer.place_of(cfg.trainer, rank_environment.place()))
    code = 1
    try:
        yield found
        code = 0
    except Interrupted as error:
        code = 128 + error.number
        raise
    except UserError as error:
        code = error.exit_code
        raise
    finally:
        found.end(code)
