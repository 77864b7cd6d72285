class UserError(Exception):
    """What the user can mend: one line that names the thing, what was found, what was expected, what to do.

    The programs print it without a traceback and exit with ``exit_code``.
    """

    exit_code = 1


class UsageError(UserError):
    """A command line that cannot be understood."""

    exit_code = 2


class Stopped(UserError):  # noqa: N818
    """A signal: the state is saved, the message says how to go on. Never exit code 0: the work is not done."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal = signal_number
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[object, ...]:
        return Stopped, (str(self), self.signal)  # from a job that was started elsewhere


class Pruned(UserError):  # noqa: N818
    """The search that a run belongs to has told it to give up."""

    exit_code = 75
