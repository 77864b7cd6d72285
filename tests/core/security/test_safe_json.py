"""JSON that is damaged, or a stranger's: one line that names the file."""

import json
import os

import pytest

from lungseg.core.cached_json import read_cached
from lungseg.core.errors import UserError
from lungseg.core.security import safe_json
from lungseg.core.security.safe_json import is_kind, read_json, read_object

HOSTILE = {
    "empty": (b"", "it is empty"),
    "spaces": (b" \n", "it is empty"),
    "half": (b'{"a": [1, 2', "no JSON"),
    "nested": (b"[" * 3000 + b"]" * 3000, "nested more than 64 deep"),
    "nested objects": (b'{"a":' * 3000 + b"1" + b"}" * 3000, "nested more than 64 deep"),
    "nested a little": (b"[" * 70 + b"]" * 70, "nested more than 64 deep"),
    "deep": (b"[" * 200_000, "nested more than 64 deep"),
    "twice": (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' is there twice"),
    "NaN": (b'{"a": NaN}', "NaN is no JSON number"),
    "infinite": (b'{"a": -Infinity}', "-Infinity is no JSON number"),
    "huge": (b'{"a": 1e999}', "1e999 is beyond every number"),
    "huge integer": (b'{"a": 1' + b"0" * 5000 + b"}", "cannot be read"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "byte 7 is no UTF-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "byte 0 is no UTF-8"),
    "binary": (os.urandom(500) + b"\xff", "cannot be read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_read_is_one_line(tmp_path, name):
    content, said = HOSTILE[name]
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_json(path, "restore it")
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be read (")
    assert said in message
    assert message.endswith("; restore it")
    assert len(message.splitlines()) == 1
    assert len(message) < len(str(path)) + 400


def test_a_folder_a_pipe_a_missing_and_a_large_file_are_refused_without_reading(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_text("[" + "1," * 600 + "1]")
    monkeypatch.setattr(safe_json.read_json, "__defaults__", (1000,))
    for name, said in (("pipe", "it is no plain file"), ("folder", "it is a folder"), ("nothing", "No such file"),
                       ("large", "it has 1,203 bytes; expected at most 1,000")):  # fmt: skip
        with pytest.raises(UserError, match=rf"{name}: cannot be read \(.*{said}"):
            read_json(tmp_path / name, "restore it")


def test_what_lungseg_writes_is_read_as_it_is(tmp_path):
    content = {"a": [1, 2.5, None, True, "é"], "b": {"c": {}}, "n": -1e-7}
    (tmp_path / "a.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (tmp_path / "b.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())  # as an editor may save it
    assert read_object(tmp_path / "a.json", "") == read_object(tmp_path / "b.json", "") == content
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"a\.json: holds a list of 2; expected an object, \{\.\.\.\}; restore it"):
        read_object(tmp_path / "a.json", "restore it")


@pytest.mark.parametrize(
    ("value", "kinds", "fits"),
    [
        (True, int, False), (True, bool, True), (1, float, True), (1, bool, False), (1.0, int, False),
        (2**63, int, False), (2**70, float, False), ("1", int, False), (None, (str, type(None)), True),
    ],
)  # fmt: skip
def test_true_is_no_number_and_a_whole_number_is_one(value, kinds, fits):
    assert is_kind(value, kinds) is fits


def test_a_damaged_cache_is_made_again(tmp_path):
    path = tmp_path / "boxes.json"
    assert read_cached(path, dict) is None
    for content in (b"{", b"[1]", b"[" * 3000):
        path.write_bytes(content)
        assert read_cached(path, lambda content: {key: len(value) for key, value in content.items()}) is None
    path.write_text('{"a": [1, 2]}')
    assert read_cached(path, lambda content: {key: len(value) for key, value in content.items()}) == {"a": 2}
