"""Several processes that come first at once: one makes the tables, and the words of the others' error do not matter."""

import multiprocessing

import pytest
from optuna.storages import RDBStorage
from sqlalchemy.exc import OperationalError

from lungseg.core.errors import UserError
from lungseg.sweep.state import storage


def _open(url, start, folder):
    start.wait()
    storage.open_storage(url, folder)


def test_many_that_begin_at_once_all_get_in(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Event()
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    processes = [spawn.Process(target=_open, args=(url, start, tmp_path)) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]


@pytest.mark.parametrize("first", [True, False], ids=["tables are there", "nothing is there"])
def test_an_error_is_passed_over_only_where_somebody_else_made_the_tables(tmp_path, monkeypatch, first):
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    if first:
        RDBStorage(url)
    tried = []

    def refused(*words, **options):
        tried.append(1)
        if len(tried) == 1:
            raise OperationalError("reworded", None, Exception("reworded"))
        return RDBStorage(*words, **options)

    monkeypatch.setattr(storage, "RDBStorage", refused)
    if first:
        assert storage.open_storage(url, tmp_path) is not None
        return
    with pytest.raises(UserError, match=r"storage=sqlite:.*: cannot be opened: reworded"):
        storage.open_storage(url, tmp_path)
    assert len(tried) == 1
