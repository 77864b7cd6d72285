"""Makes what files and strangers say safe to print: nothing in it moves the cursor or hides text."""

import logging
import re
import sys
from pathlib import PurePath

# Control characters (C0 but for tab and line feed, DEL, C1), line and paragraph separators, characters that turn the
# direction of writing around, and halves of characters, which is how Python holds a file name that is not UTF-8.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
UNSAFE_IN_A_LINE = re.compile(f"[\\n\\t]|{UNSAFE.pattern}")


def printable(text: str) -> str:
    """Show control characters as escapes, as in a Python string; letters of any script, line breaks and tabs stay."""
    return UNSAFE.sub(_escape, text)


def one_line(text: object) -> str:
    """Show line breaks and tabs as escapes, too: for a name, a cell of a table, an error."""
    return UNSAFE_IN_A_LINE.sub(_escape, str(text))


def is_printable(text: str) -> bool:
    """Returns whether ``one_line`` would leave a name as it is."""
    return UNSAFE_IN_A_LINE.search(text) is None


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def print_error(error: object) -> None:
    """Print an error as one line to standard error."""
    print(f"error: {one_line(error)}", file=sys.stderr, flush=True)


class SafeFormatter(logging.Formatter):
    """Formats messages so that no file, label or path in them can reach the terminal as a command to it."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple) and any(isinstance(one, PurePath) for one in record.args):
            record = logging.makeLogRecord(record.__dict__)
            args = record.args if isinstance(record.args, tuple) else ()
            record.args = tuple(one_line(one) if isinstance(one, PurePath) else one for one in args)
        return printable(super().format(record))
