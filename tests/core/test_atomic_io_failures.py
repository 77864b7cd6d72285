"""A file is the older one or the new one, whole, whoever writes beside and whatever fails."""

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from lungseg.core import atomic_io, locks
from lungseg.core.atomic_io import LEFTOVER, replaced, write_atomically
from lungseg.core.errors import UserError
from lungseg.core.locks import locked
from lungseg.core.run_directory import Run

FORK = multiprocessing.get_context("fork")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# several at once


def add_keys(folder, writer, number):
    for n in range(number):
        Run(folder).update_manifest(**{f"writer{writer}-{n}": "x" * 500})


def test_several_processes_change_one_manifest_and_no_key_is_lost_and_no_read_fails(tmp_path):
    Run(tmp_path).update_manifest(status="running")
    writers = [FORK.Process(target=add_keys, args=(tmp_path, writer, 40)) for writer in range(4)]
    for writer in writers:
        writer.start()
    reads = 0
    while any(writer.is_alive() for writer in writers):
        assert Run(tmp_path).manifest()["status"] == "running"
        reads += 1
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert reads > 10
    expected = {f"writer{writer}-{n}" for writer in range(4) for n in range(40)}
    assert set(Run(tmp_path).manifest()) == {"status", *expected}
    assert names(tmp_path) == ["manifest.json"]


def test_two_who_write_one_file_at_once_leave_the_content_of_one_of_them(tmp_path):
    path = tmp_path / "a.txt"
    with replaced(path) as one:
        one.write_text("one " * 1000)
        with replaced(path) as other:
            other.write_text("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one " * 1000
    assert names(tmp_path) == ["a.txt"]


def test_a_lock_that_is_not_let_go_is_one_line_and_one_of_a_killed_process_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    path = tmp_path / "manifest.json"
    with locked(path), pytest.raises(UserError, match=r"manifest\.json: another process has been changing it"):
        Run(tmp_path).update_manifest(status="finished")
    (tmp_path / ".lock-manifest.json").write_text("")  # its holder was killed
    Run(tmp_path).update_manifest(status="finished")
    assert names(tmp_path) == ["manifest.json"]


def test_where_locks_are_not_known_it_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    Run(tmp_path).update_manifest(status="finished")
    assert Run(tmp_path).manifest() == {"status": "finished"}


# what fails


class FailingSystem:
    """Counts the calls that reach the disk, and fails at the ``number``-th; half of a text is written then."""

    def __init__(self, monkeypatch, number, code):
        self.number, self.code, self.count = number, code, 0
        for name in ("open", "fsync", "replace", "fchmod", "fstat", "mkdir"):
            monkeypatch.setattr(os, name, self.watched(getattr(os, name)))
        monkeypatch.setattr(os, "close", self.watched(os.close, after=True))
        for name in ("write_text", "lstat", "stat"):
            monkeypatch.setattr(Path, name, self.watched(getattr(Path, name)))
        if hasattr(locks, "fcntl"):
            monkeypatch.setattr(locks.fcntl, "flock", self.watched(locks.fcntl.flock))

    def watched(self, call, after=False):
        def wrapped(*given, **options):
            self.count += 1
            if self.count == self.number:
                if after:
                    call(*given, **options)
                if call.__name__ == "write_text":
                    call(given[0], given[1][: len(given[1]) // 2])
                raise OSError(self.code, os.strerror(self.code))
            return call(*given, **options)

        return wrapped


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("write", ["text", "manifest"])
def test_a_file_system_that_fails_at_any_call_leaves_the_old_content_or_the_new(tmp_path, monkeypatch, write, code):
    old, new = {"status": "running"}, {"status": "finished"}
    for number in range(1, 200):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = Run(folder)
        write_atomically(run.manifest_file, json.dumps(old))
        with monkeypatch.context() as patched:
            system = FailingSystem(patched, number, code)
            try:
                if write == "text":
                    write_atomically(run.manifest_file, json.dumps(new))
                else:
                    run.update_manifest(**new)
                failed = None
            except UserError as error:
                failed = str(error)
        assert json.loads(run.manifest_file.read_text()) in ((old, new) if failed else (new,)), number
        assert [name for name in names(folder) if name != ".lock-manifest.json"] == ["manifest.json"], number
        if failed:
            assert "manifest.json: cannot be " in failed
            assert len(failed.splitlines()) == 1
        if system.count < number:
            break
    assert 10 < number < 199  # each call had its turn


def test_the_content_is_on_the_disk_before_its_name_and_the_folder_after(tmp_path, monkeypatch):
    done = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor):
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else os.fstat(descriptor).st_size)
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("renamed"), real_replace(*paths)))
    write_atomically(tmp_path / "a.txt", "hello")
    assert done == [5, "renamed", "folder"]
    done.clear()
    with replaced(tmp_path / "curves.png", lasting=False) as partial:  # drawn after each epoch
        partial.write_bytes(b"picture")
    assert done == ["renamed"]


# as a plain write would


def test_it_has_the_mode_of_a_plain_file_and_keeps_that_of_an_older_one(tmp_path):
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    for mask in (0o022, 0o027, 0o077, 0o002):
        before = os.umask(mask)
        try:
            for path in (plain, ours):
                path.unlink(missing_ok=True)
            plain.write_text("")
            write_atomically(ours, "")
        finally:
            os.umask(before)
        assert ours.stat().st_mode == plain.stat().st_mode
    ours.chmod(0o640)
    write_atomically(ours, "again")
    assert ours.stat().st_mode & 0o777 == 0o640


def test_a_link_within_the_folder_stays_and_one_that_leads_out_of_it_is_not_written_through(tmp_path):
    run, mine = tmp_path / "run", tmp_path / "mine.txt"
    run.mkdir()
    mine.write_text("mine")
    (run / "inside").symlink_to("target")
    (run / "outside").symlink_to(mine)
    write_atomically(run / "inside", "new")
    write_atomically(run / "outside", "new")
    assert (run / "inside").is_symlink()
    assert (run / "target").read_text() == "new"
    assert mine.read_text() == "mine"
    assert (run / "outside").read_text() == "new"


def test_the_longest_names_and_a_folder_or_a_pipe_of_that_name(tmp_path):
    for name in ("x" * 255, "x" * 240 + ".json", "a." + "y" * 253, "ü" * 127):
        write_atomically(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(UserError, match=f"{name}: cannot be written: "):
            write_atomically(tmp_path / name, "")
    assert len(names(tmp_path)) == 6


def test_the_ending_is_kept_for_those_who_write_by_it(tmp_path):
    for ending in (".npz", ".png", ".zip", ".ckpt", ""):
        with replaced(tmp_path / f"a{ending}") as partial:
            assert partial.suffix == ending
            assert LEFTOVER.fullmatch(partial.name)


def test_what_a_killed_process_left_goes_with_the_next_write_and_nothing_else_does(tmp_path, monkeypatch):
    stale, others = (
        tmp_path / ".partial-7-0123abcd.json",
        [".partial-pack", ".partial-old.json", "a.json", ".partial-7"],
    )
    for path in (stale, *(tmp_path / name for name in others)):
        path.write_text("half")
        os.utime(path, (0, 0))
    young = tmp_path / ".partial-8-0123abcd.json"
    young.write_text("half")
    atomic_io._cleaned.clear()
    with replaced(tmp_path / "b.json") as partial:
        partial.write_text("whole")
        os.utime(partial, (0, time.time() + 3600))
        atomic_io._cleaned.clear()
        os.utime(young, (0, time.time()))
        write_atomically(tmp_path / "c.json", "whole")  # does not touch what is being written
    assert names(tmp_path) == sorted([*others, young.name, "b.json", "c.json"])
    held = tmp_path / ".partial-9-0123abcd.json"
    with held.open("w") as file:
        locks.lock_now(file.fileno())
        os.utime(held, (0, 0))
        atomic_io._cleaned.clear()
        write_atomically(tmp_path / "c.json", "again")
    assert held.exists()
