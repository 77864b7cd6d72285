class UserError(Exception):
    """What the user can mend: one line that names the thing, what was found, what was expected, what to do.

    The programs print it without a traceback and exit with code 1.
    """


class UsageError(UserError):
    """A command line that cannot be understood: exit code 2."""
