"""A rank that rank zero has started on its own machine: python -m lungseg.parallel.rank."""

from lungseg import lean
from lungseg.parallel.orphan import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    with lean.swift_end():
        with lean.importing():
            from lungseg.parallel.following import follow
        raise SystemExit(follow())
