"""A rank that rank zero has started on its own machine: python -m lungseg.rank."""

from lungseg.processes import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    from lungseg.following import follow

    raise SystemExit(follow())
