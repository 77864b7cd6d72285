"""Names the exit codes of every program: what a script or a scheduler may rely on."""

DONE = 0
MENDABLE = 1  # the user can mend it; also an error that nobody foresaw
USAGE = 2  # a command line or a config that cannot be understood
PARTLY_DONE = 3  # of several runs or trials some are finished and some failed
PRUNED = 75  # the search that the run belongs to told it to give up


def of_signal(number: int) -> int:
    """Returns what a process that a signal ended exits with; never 0: the work is not done."""
    return 128 + number
