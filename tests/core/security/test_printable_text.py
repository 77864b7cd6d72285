"""What strangers' files say never reaches the terminal as a command to it."""

import io
import logging
from pathlib import Path

import pytest

from lungseg.core import log_output
from lungseg.core.security.printable_text import SafeFormatter, is_printable, one_line, print_error, printable

UNSAFE = [chr(n) for n in (*range(32), *range(0x7F, 0xA0)) if chr(n) not in "\n\t"]
UNSAFE += [chr(n) for n in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029, 0xD800, 0xDCFF, 0xDFFF)]
KEPT = "Übel é 漢字 Норма نام‌ה 😀 \u00a0µ±·"


@pytest.mark.parametrize("letter", UNSAFE)
def test_control_characters_are_shown_as_escapes(letter):
    for shown in (printable(f"a{letter}b"), one_line(f"a{letter}b")):
        assert letter not in shown
        assert shown.startswith("a\\")
        assert shown.encode("utf-8")
    assert not is_printable(letter)


def test_letters_of_any_script_stay():
    assert printable(KEPT) == one_line(KEPT) == KEPT
    assert is_printable(KEPT)


def test_line_breaks_of_ours_stay_and_those_of_a_name_do_not():
    assert printable("a\n\tb") == "a\n\tb"
    assert one_line("a\n\tb") == "a\\n\\tb"


def test_an_error_is_one_line(capsys):
    print_error(ValueError("file\x1b[2J\nerror: another\rfile\udcff"))
    assert capsys.readouterr().err == "error: file\\x1b[2J\\nerror: another\\rfile\\udcff\n"


@pytest.mark.parametrize("made", [logging.Formatter, SafeFormatter])
def test_messages_keep_their_lines_and_lose_what_moves_the_cursor(made):
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(made("%(message)s"))
    record = logging.makeLogRecord({"msg": "two\nlines of %s in %s", "args": ("\x1b[2Jx", Path("a\nerror: b"))})
    handler.emit(record)
    safe = "two\nlines of \\x1b[2Jx in a\\nerror: b\n"
    assert (said.getvalue() == safe) == (made is SafeFormatter)
    assert record.args == ("\x1b[2Jx", Path("a\nerror: b"))


def test_the_screen_and_the_log_file_of_a_run_are_safe(tmp_path, capsys, monkeypatch):
    log = logging.getLogger("lungseg")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", log.propagate)
    log_output.to_screen()
    with log_output.to_file(tmp_path / "log.txt"):
        log.info("class %s\nnext", "\x1b]0;title\x07\x9b31m\u202e")
    for said in (capsys.readouterr().out, (tmp_path / "log.txt").read_text()):
        assert "\\x1b]0;title\\x07\\x9b31m\\u202e\nnext" in said
        assert all(is_printable(line) for line in said.splitlines())
