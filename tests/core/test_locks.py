"""One process at a time, by the locks of either system."""

import errno
import multiprocessing
import os

import pytest

from lungseg.core import locks


class FakeMsvcrt:
    """Keeps Windows's contract: a byte of an open file is locked for all others until that file is closed."""

    LK_NBLCK = 2

    def __init__(self):
        self.held = {}

    def locking(self, descriptor, mode, count):
        assert (mode, count) == (self.LK_NBLCK, 1)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == locks.FAR
        there = os.fstat(descriptor)
        owner = self.held.setdefault((there.st_dev, there.st_ino), descriptor)
        if owner != descriptor and self._is_open(owner):
            raise OSError(errno.EDEADLK, "Resource deadlock avoided")
        self.held[there.st_dev, there.st_ino] = descriptor

    @staticmethod
    def _is_open(descriptor):
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True


@pytest.fixture(params=["posix", "windows"])
def system(request, monkeypatch):
    if request.param == "windows":
        monkeypatch.setattr(locks, "fcntl", None)
        monkeypatch.setattr(locks, "msvcrt", FakeMsvcrt())
    return request.param


def opened(path):
    return os.open(path, os.O_RDWR | os.O_CREAT)


def test_a_lock_is_held_until_its_file_is_closed(tmp_path, system):
    path = tmp_path / "lock"
    first, second = opened(path), opened(path)
    os.write(first, b"content")
    assert locks.lock_now(first)
    assert os.lseek(first, 0, os.SEEK_CUR) == len(b"content")
    assert not locks.lock_now(second)
    assert not locks.is_free(path)
    os.close(first)
    assert locks.lock_now(second)
    os.close(second)
    assert locks.is_free(path)
    assert path.read_bytes() == b"content"


def test_the_next_one_waits_its_turn(tmp_path, system):
    path = tmp_path / "file"
    with locks.locked(path):
        assert [one.name for one in tmp_path.iterdir()] == [".lock-file"]
    assert list(tmp_path.iterdir()) == []
    descriptor = opened(path)
    locks.lock_patiently(descriptor)
    assert not locks.is_free(path)
    os.close(descriptor)


def test_a_system_without_locks_is_gone_on_with_but_never_sure(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", None)
    descriptor = opened(tmp_path / "lock")
    assert locks.lock_now(descriptor)
    assert not locks.lock_now(descriptor, where_unknown=False)
    assert not locks.is_free(tmp_path / "lock")
    os.close(descriptor)


def _count(path, times):
    for _ in range(times):
        with locks.locked(path):
            path.write_text(str(int(path.read_text()) + 1))


def test_no_count_is_lost_between_processes(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    processes = [multiprocessing.get_context("spawn").Process(target=_count, args=(path, 50)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert path.read_text() == "150"
