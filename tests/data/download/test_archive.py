"""Archives that are good, hostile, damaged, too large, or interrupted; the folder around the target never changes."""

import errno
import gzip
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections import namedtuple

import pytest

from lungseg.core.errors import UserError
from lungseg.data.download import archive as unpacking
from lungseg.data.download.archive import unpack

FILES = {"set/images/a.png": b"a" * 1000, "set/images/b.png": b"b" * 2000, "set/readme.txt": b"", "more/c.png": b"c"}


def write_zip(path, files, **modes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = modes.get("mode", 0) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def write_tar(path, files, kind=tarfile.REGTYPE, target="", mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(content))
    return path


def tree(folder):
    """Every path below with its bytes, or where it leads."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def contents(folder):
    return {name: content for name, content in tree(folder).items() if content is not False}


@pytest.fixture
def into(tmp_path):
    """The target, in a folder that must stay as it is."""
    (tmp_path / "keep.txt").write_text("kept")
    return tmp_path / "target"


@pytest.fixture
def make(tmp_path_factory):
    """An archive in a folder of its own."""
    folder = tmp_path_factory.mktemp("archive")
    return lambda name, *args, **kwargs: (write_tar if ".tar" in name else write_zip)(folder / name, *args, **kwargs)


def refused(archive, into, match):
    before = contents(into.parent)
    with pytest.raises(UserError, match=match) as caught:
        unpack(archive, into)
    assert "\n" not in str(caught.value)
    assert contents(into.parent) == before


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_all_files_are_unpacked_and_again_is_nothing_new(make, into, name):
    archive = make(name, FILES, **({"mode": "w"} if name == "a.tar" else {}))
    assert unpack(archive, into) == len(FILES)
    assert contents(into) == FILES
    assert unpack(archive, into) == 0
    assert contents(into) == FILES
    assert tree(into.parent)["keep.txt"] == b"kept"


def test_folders_and_dots_in_names_are_nothing_special(tmp_path_factory, into):
    path = tmp_path_factory.mktemp("archive") / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in (".", "./set", "./set/images"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("./set/images/a..png"))
    assert unpack(path, into) == 1
    assert contents(into) == {"set/images/a..png": b""}


@pytest.mark.parametrize("archive", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../out.png", "may lead out of the folder"),
        ("set/../../out.png", "may lead out of the folder"),
        ("/tmp/out.png", "absolute path"),
        ("//server/out.png", "absolute path"),
        ("C:/out.png", "absolute path"),
        ("c:out.png", "absolute path"),
        ("..\\out.png", "may lead out of the folder"),
        ("set\\out.png", "may lead out of the folder"),
        ("out\n.png", "no name for a file"),
        (".download/covidqu.zip", "kept for the download itself"),
        (".partial-unpack/a.png", "kept for the download itself"),
    ],
)
def test_names_that_leave_the_folder_are_refused(make, into, archive, name, match):
    refused(make(archive, {**FILES, name: b"out"}), into, match)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
    ],
)
def test_links_and_devices_of_a_tar_are_refused(make, into, kind, match):
    refused(make("a.tar.gz", {"x": b""}, kind=kind, target="../keep.txt"), into, match)


@pytest.mark.parametrize(("mode", "match"), [(stat.S_IFLNK | 0o777, "is a link"), (stat.S_IFCHR | 0o600, "a device")])
def test_links_and_devices_of_a_zip_are_refused(make, into, mode, match):
    refused(make("a.zip", {"x": b"../keep.txt"}, mode=mode), into, match)


@pytest.mark.parametrize("archive", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("other", ["set/images/A.png", "SET/images/a.png"])
def test_names_differing_in_case_are_refused(make, into, archive, other):
    refused(make(archive, {**FILES, other: b"other"}), into, "would overwrite 'set/images/a.png'")


def test_one_name_twice_and_a_file_that_is_a_folder_are_refused(make, into):
    twice = make("a.zip", FILES)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("set/images/a.png", b"other")
    refused(twice, into, "would overwrite")
    refused(make("b.zip", {"set": b"file", **FILES}), into, "both a file and a folder")


def test_a_bomb_is_refused(make, into):
    refused(make("a.zip", {f"{n}.png": bytes(60_000_000) for n in range(2)}), into, "a zip bomb")


def test_a_bomb_in_a_tar_is_refused(make, into, monkeypatch):
    monkeypatch.setattr(unpacking, "ALWAYS", 10**5)
    refused(make("a.tar.gz", {"a.png": bytes(10**6)}), into, "a zip bomb")


def test_an_encrypted_file_is_refused(make, into):
    archive = make("a.zip", {"a.png": b"a"})
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(raw)
    refused(archive, into, "'a.png' is encrypted")


def _cut(archive):
    archive.write_bytes(archive.read_bytes()[:-200])


def _flip(archive):
    raw = bytearray(archive.read_bytes())
    raw[60] ^= 255
    archive.write_bytes(raw)


def _text(archive):
    archive.write_text("<html>sign in</html>")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("harm", [_cut, _flip, _text])
def test_a_damaged_archive_is_one_line_and_leaves_nothing(make, into, name, harm):
    archive = make(name, {name: os.urandom(5000) for name in FILES})
    harm(archive)
    refused(archive, into, "damaged or cut short .*; remove it and download it again")
    assert tree(into) == {}


def test_damage_that_still_unpacks_is_told_by_the_checksum_at_the_end(make, into):
    archive = make("a.tar.gz", {name: os.urandom(5000) for name in FILES})
    raw = gzip.decompress(archive.read_bytes())
    spoilt = bytearray(gzip.compress(raw.replace(raw[600:700], bytes(100), 1)))
    spoilt[-8:-4] = archive.read_bytes()[-8:-4]
    archive.write_bytes(spoilt)
    refused(archive, into, "damaged or cut short .*; remove it and download it again")
    assert tree(into) == {}


def test_an_archive_that_is_not_there_is_named(tmp_path, into):
    refused(tmp_path / "none.zip", into, r"none\.zip: no such archive")
    assert not into.exists()


def test_a_file_that_differs_is_kept_and_nothing_is_unpacked(make, into):
    (into / "set" / "images").mkdir(parents=True)
    (into / "set" / "images" / "b.png").write_bytes(b"B" * 2000)
    with pytest.raises(UserError, match=r"b\.png: is there already and differs"):
        unpack(make("a.zip", FILES), into)
    assert contents(into) == {"set/images/b.png": b"B" * 2000}


def test_files_that_are_the_same_are_kept_and_the_others_join_them(make, into):
    (into / "set" / "images").mkdir(parents=True)
    (into / "set" / "images" / "b.png").write_bytes(FILES["set/images/b.png"])
    (into / "mine.txt").write_text("mine")
    assert unpack(make("a.zip", FILES), into) == len(FILES) - 1
    assert contents(into) == {**FILES, "mine.txt": b"mine"}


@pytest.mark.parametrize("place", ["set", "set/images", "set/images/a.png", ".partial-unpack"])
def test_a_link_in_the_target_is_not_followed(make, into, place):
    outside = into.parent / "outside"
    outside.mkdir()
    (into / place).parent.mkdir(parents=True)
    (into / place).symlink_to(outside)
    before = tree(into.parent)
    with pytest.raises(UserError, match=r"in the way of|File exists"):
        unpack(make("a.zip", FILES), into)
    assert tree(into.parent) == before


def test_a_file_where_a_folder_must_be_is_refused(make, into):
    into.mkdir()
    (into / "set").write_text("a file")
    with pytest.raises(UserError, match="set: is in the way of a folder"):
        unpack(make("a.zip", FILES), into)
    assert contents(into) == {"set": b"a file"}


def test_too_little_room_is_said_before_anything_is_written(make, into, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "total used free")(10**9, 10**9, 3000))
    with pytest.raises(UserError, match=r"needed, .* free; free space or choose another folder"):
        unpack(make("a.zip", FILES), into)
    assert contents(into) == {}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(make, into, monkeypatch, number):
    copy = shutil.copyfileobj

    def full(source, file, length):
        copy(source, file, length)
        if file.name.endswith("b.png"):
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(UserError, match="target: cannot be written: the disk is full; free space") as caught:
            unpack(make("a.zip", FILES), into)
    assert "\n" not in str(caught.value)
    assert tree(into) == {}
    assert unpack(make("a.zip", FILES), into) == len(FILES)


def test_a_target_that_is_a_file_is_one_line(make, into):
    into.write_text("file")
    with pytest.raises(UserError, match="target: cannot be written: File exists"):
        unpack(make("a.zip", FILES), into)
    assert into.read_text() == "file"


def test_ctrl_c_leaves_nothing_half_written(make, into, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(make("a.zip", FILES), into)
    assert tree(into) == {}


KILLED = """
import os, shutil, sys
from pathlib import Path
from lungseg.data.download.archive import unpack
at, archive, into = sys.argv[1:]
if at == "writing":
    copy = shutil.copyfileobj
    shutil.copyfileobj = lambda source, file, length: file.write(b"ha") and os._exit(9)
else:
    rename = Path.rename
    Path.rename = lambda path, target: (rename(path, target), os._exit(9))
unpack(Path(archive), Path(into))
"""


@pytest.mark.parametrize("at", ["writing", "moving"])
def test_a_kill_can_be_repeated(make, into, at):
    archive = make("a.zip", FILES)
    killed = subprocess.run([sys.executable, "-c", KILLED, at, str(archive), str(into)], check=False)
    assert killed.returncode == 9
    assert (into / ".partial-unpack").is_dir()
    assert all(FILES[name] == found for name, found in contents(into).items() if not name.startswith(".partial"))
    assert unpack(archive, into) == (len(FILES) if at == "writing" else len(FILES) - 1)
    assert contents(into) == FILES
    assert not (into / ".partial-unpack").exists()
