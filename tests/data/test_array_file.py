import json

import numpy as np
import pytest

from lungseg.data.array_file import MappedArrays, create_array_file, index_paths

ARRAYS = [
    np.arange(6, dtype=np.uint8).reshape(2, 3),
    np.linspace(-1, 1, 60).astype(np.float16).reshape(3, 4, 5),
    np.zeros((0, 4, 4), np.bool_),
    np.array(7, np.int16),
    np.arange(24, dtype=np.int16).reshape(4, 6).T[::2],
    np.asfortranarray(np.arange(12, dtype=">f4").reshape(3, 4)),
    np.array([1 + 2j, 3]),
]


@pytest.fixture
def path(tmp_path):
    with create_array_file(tmp_path / "images.npy", reserved=100_000) as file:
        for array in ARRAYS:
            file.append(array)
    return tmp_path / "images.npy"


def test_arrays_come_back_as_they_were(path):
    mapped = MappedArrays(path)
    assert len(mapped) == len(ARRAYS)
    for found, array in zip(mapped, ARRAYS, strict=True):
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert found.flags.c_contiguous
        assert not found.flags.writeable


def test_numpy_reads_the_file_and_reserved_space_is_given_back(path):
    content = np.load(path, allow_pickle=False)
    assert content.dtype == np.uint8
    assert MappedArrays(path).nbytes == len(content) < 64 * len(ARRAYS) + sum(array.nbytes for array in ARRAYS)
    assert path.stat().st_size == 128 + len(content)


def test_a_file_without_arrays_is_one(tmp_path):
    with create_array_file(tmp_path / "none.npy"):
        pass
    assert list(MappedArrays(tmp_path / "none.npy")) == []


def test_no_index_is_written_where_arrays_are_missing(tmp_path):
    with pytest.raises(TypeError, match="cannot be mapped"), create_array_file(tmp_path / "images.npy") as file:
        file.append(np.array([None]))
    with pytest.raises(FileNotFoundError):
        MappedArrays(tmp_path / "images.npy")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dtypes", "|O"),
        ("dtypes", "nonsense"),
        ("dtypes", "<f8,<i2"),
        ("dtypes", 8),
        ("shapes", [10**9, 10**9, 10**9]),
        ("shapes", [2**64, 0]),
        ("shapes", [-2, -3]),
        ("shapes", [2, 3000]),
        ("shapes", [2, 3.5]),
        ("shapes", None),
    ],
)
def test_kinds_that_cannot_be_are_refused(path, key, value):
    kinds, _ = index_paths(path)
    content = json.loads(kinds.read_text())
    content[key][0] = value
    kinds.write_text(json.dumps(content))
    with pytest.raises((ValueError, TypeError)):
        MappedArrays(path)


@pytest.mark.parametrize("key", ["dtypes", "shapes"])
def test_kinds_that_are_not_pairs_are_refused(path, key):
    kinds, _ = index_paths(path)
    content = json.loads(kinds.read_text())
    content[key].pop()
    kinds.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"longer|shorter"):
        MappedArrays(path)


@pytest.mark.parametrize(("column", "value"), [(0, -64), (0, 10**6), (0, 2**63 - 1), (1, 99), (1, -1)])
def test_places_that_are_not_there_are_refused(path, column, value):
    _, places = index_paths(path)
    content = np.load(places)
    content[-1, column] = value
    np.save(places, content)
    with pytest.raises(ValueError, match=r"not there|out of the file"):
        MappedArrays(path)


@pytest.mark.parametrize("content", [np.zeros((7, 3), np.int64), np.zeros((7, 2)), np.zeros(2, np.int64), np.int64(7)])
def test_places_of_another_make_are_refused(path, content):
    np.save(index_paths(path)[1], content)
    with pytest.raises((ValueError, TypeError)):
        MappedArrays(path)


@pytest.mark.parametrize("left", [0, 60, 128, 200])
def test_a_truncated_file_is_refused(path, left):
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises((ValueError, EOFError)):
        MappedArrays(path)
