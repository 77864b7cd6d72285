"""A rank that rank zero has started on its own machine: python -m lungseg.training.distributed.rank_process."""

from lungseg.core import fast_startup
from lungseg.core.parent_death import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    with fast_startup.swift_end():
        with fast_startup.importing():
            from lungseg.training.distributed.worker import follow
        raise SystemExit(follow())
