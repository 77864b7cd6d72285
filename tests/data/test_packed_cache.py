import errno
import os
import pickle
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from lungseg.core.errors import UserError
from lungseg.data import packed_cache
from lungseg.data.array_file import ArrayWriter
from lungseg.data.cache_dir import cache_folder
from lungseg.data.case import Case, MaskFile
from lungseg.data.case_reader import CaseReader
from lungseg.data.dataset import CaseDataset
from lungseg.data.packed_cache import open_pack
from lungseg.data.preprocessing import Box, Preprocessing
from lungseg.data.sources import folder
from tests.helpers import WARM, write_png

HOW = Preprocessing(48)
REGIONS = ["lung", "infection"]


@pytest.fixture
def cases(folder_data):
    return folder.cases(root=str(folder_data))


def packs():
    return sorted(path for path in cache_folder().iterdir() if path.is_dir())


def decoded(monkeypatch):
    """Ids of the cases that are read from their files from now on."""
    seen, original = [], Preprocessing.case

    def case(self, case, regions):
        seen.append(case.id)
        return original(self, case, regions)

    monkeypatch.setattr(Preprocessing, "case", case)
    return seen


def test_it_serves_the_same_pixels_as_the_files_and_decodes_them_once(cases, monkeypatch):
    packed = CaseDataset(cases, CaseReader(REGIONS, HOW, open_pack(cases, REGIONS, HOW, False)))
    direct = CaseDataset(cases, CaseReader(REGIONS, HOW))
    for index in range(len(cases)):
        for key in ("image", "mask"):
            assert torch.equal(packed[0, index][key], direct[0, index][key])
        assert np.array_equal(packed.shown(index), direct.shown(index))
    assert np.array_equal(packed.areas(), direct.areas())
    assert np.array_equal(np.concatenate(list(packed.masks(5))), np.concatenate(list(direct.masks(7))))
    seen = decoded(monkeypatch)
    again = open_pack(cases, REGIONS, HOW, False)
    assert seen == []
    assert len(packs()) == 1
    with pytest.raises(ValueError, match="read-only"):
        again.images[0][0] = 0


def test_a_part_of_the_cases_finds_its_own_rows(cases):
    pack = open_pack(cases, REGIONS, HOW, False)
    part = cases[7:3:-2]
    packed, direct = CaseDataset(part, CaseReader(REGIONS, HOW, pack)), CaseDataset(part, CaseReader(REGIONS, HOW))
    assert all(torch.equal(packed[0, n]["image"], direct[0, n]["image"]) for n in range(len(part)))
    assert np.array_equal(packed.areas(), direct.areas())


def _pixels(cases):
    path = cases[4].image
    stat = path.stat()
    content = bytearray(path.read_bytes())
    write_png(path, np.full((80, 96), 9, np.uint8))
    path.write_bytes(path.read_bytes().ljust(len(content), b"\0"))  # the same size, as an edit may leave it
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    return cases, HOW


def _mask(cases):
    os.utime(cases[4].masks["lung"], ns=(0, 0))
    return cases, HOW


def _soft(cases):
    masks = {**cases[4].masks, "lung": MaskFile((cases[4].masks["lung"],), soft=True)}
    return [*cases[:4], replace(cases[4], masks=masks), *cases[5:]], HOW


@pytest.mark.parametrize(
    "change",
    [
        _pixels,
        _mask,
        _soft,
        lambda cases: (cases[1:], HOW),
        lambda cases: (cases, replace(HOW, size=40)),
        lambda cases: (cases, replace(HOW, clahe=True)),
        lambda cases: (cases, replace(HOW, aspect="pad")),
        lambda cases: (cases, replace(HOW, boxes={"p04": Box(0, 0, 40, 40)})),
    ],
)
def test_no_old_pixel_is_served_after_a_change(cases, change):
    open_pack(cases, REGIONS, HOW, False)
    cases, how = change(cases)
    pack = open_pack(cases, REGIONS, how, False)
    assert len(packs()) == 2
    for case in cases:
        image, masks = how.case(case, REGIONS)
        assert np.array_equal(pack.case(case.id)[0], image)
        assert np.array_equal(pack.case(case.id)[1], masks)


def test_what_changes_no_pixel_makes_no_new_pack(cases):
    open_pack(cases, REGIONS, HOW, False)
    open_pack(cases, REGIONS, replace(HOW, normalise=None), False)
    assert len(packs()) == 1


@pytest.mark.parametrize("spoil", ["truncated", "pixels", "missing", "text"])
def test_a_damaged_pack_is_made_again(cases, spoil):
    pack = open_pack(cases, REGIONS, HOW, False)
    expected = np.array(pack.images)
    path = pack.folder / "images.npy"
    if spoil == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif spoil == "pixels":
        content = bytearray(path.read_bytes())
        content[-1] ^= 255
        path.write_bytes(content)
    elif spoil == "missing":
        (pack.folder / "areas.npy").unlink()
    else:
        (pack.folder / "cases.json").write_text("{")
    assert np.array_equal(open_pack(cases, REGIONS, HOW, False).images, expected)


def test_a_case_that_cannot_be_read_leaves_nothing(cases):
    cases[5].image.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"p05\.png: cannot be decoded"):
        open_pack(cases, REGIONS, HOW, False)
    assert packs() == []


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_full_disk_is_said_and_leaves_nothing(cases, monkeypatch, when):
    if when == "before":
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    else:

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"the disk is full; free space, set LUNGSEG_CACHE .* or use data\.pack=false"):
        open_pack(cases, REGIONS, HOW, False)
    assert packs() == []


def test_what_a_killed_process_left_is_swept_away(cases):
    pack = open_pack(cases, REGIONS, HOW, False)
    half = pack.folder.with_name(f".partial-{pack.folder.name}")
    pack.folder.rename(half)
    (half / "checks.npy").unlink()
    open_pack(cases, REGIONS, HOW, False)
    assert packs() == [pack.folder]


def test_another_process_is_sent_the_place_and_no_pixels(cases):
    pack = open_pack(cases, REGIONS, HOW, False)
    sent = pickle.dumps(pack)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).images, pack.images)


def _open_counted(data, place, gate, sums):
    from lungseg.data import packed_cache as pack_module

    os.environ["LUNGSEG_CACHE"] = str(place / "cache")
    write = pack_module._write

    def counted(*words):
        with (place / "made").open("a") as file:
            file.write("x")
        write(*words)

    pack_module._write = counted
    gate.wait()
    pack = pack_module.open_pack(folder.cases(root=str(data)), ["lung"], Preprocessing(32), False)
    sums.put(sum(int(image.sum()) for image in pack.images))


def test_ten_processes_at_once_make_one_pack(folder_data, tmp_path):
    sums, gate = WARM.Queue(), WARM.Barrier(10)
    started = [WARM.Process(target=_open_counted, args=(folder_data, tmp_path, gate, sums)) for _ in range(10)]
    for process in started:
        process.start()
    found = [sums.get(timeout=100) for _ in started]
    for process in started:
        process.join()
    assert len(set(found)) == 1
    assert found[0] > 0
    assert (tmp_path / "made").read_text() == "x"
    assert len([path for path in (tmp_path / "cache" / "packs").iterdir() if path.is_dir()]) == 1


def test_a_cache_that_cannot_be_written_is_named(cases, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LUNGSEG_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"packs cannot be kept there .*LUNGSEG_CACHE.*data\.pack=false"):
        open_pack(cases, REGIONS, HOW, False)


@dataclass(frozen=True)
class Scan:
    """A volume that is computed: each of another shape."""

    number: int

    def read(self):
        shape = (3 + self.number, 5, 7 + 2 * self.number)
        return np.random.default_rng(self.number).integers(-1024, 1500, shape)


@dataclass
class Volumes:
    """Makes volumes in Hounsfield units; ``threshold``: above it is lung."""

    dtype: str = "int16"
    threshold: int = 0
    decoded: ClassVar[list[str]] = []

    def case(self, case, regions):
        self.decoded.append(case.id)
        volume = case.image.read()
        limits = self.threshold + 100 * np.arange(len(regions)).reshape(-1, 1, 1, 1)
        return volume.astype(self.dtype), volume > limits

    def cache_key(self, case):
        return self.dtype, self.threshold

    def least_bytes(self, case, regions):
        return 0, 0


class FlatAndDeep(Volumes):
    """Makes a picture of every second volume, of another dtype."""

    def case(self, case, regions):
        volume, masks = super().case(case, regions)
        return (volume, masks) if case.image.number % 2 else (volume[0].astype(np.uint8), masks[:, 0])


@pytest.fixture
def scans():
    Volumes.decoded.clear()
    empty = {region: Scan(0) for region in REGIONS}
    return [Case(id=f"ct{n}", image=Scan(n), masks=empty, patient=f"p{n}", label="COVID-19") for n in range(9)]


def assert_serves(pack, cases, how):
    for case in cases:
        image, masks = how.case(case, REGIONS)
        served = pack.case(case.id)
        for found, expected in zip(served, (image, masks), strict=True):
            assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
            assert found.ctypes.data % 64 == 0
            assert not found.flags.writeable
        assert pack.areas[pack.rows[case.id]].tolist() == [mask.sum() for mask in masks]


@pytest.mark.parametrize(
    "how", [*map(Volumes, ["int16", "float16", ">i2", "float32"]), FlatAndDeep("float16")], ids=str
)
def test_volumes_of_any_shape_and_dtype_are_served_to_the_bit_and_decoded_once(scans, how):
    assert_serves(open_pack(scans, REGIONS, how, False), scans, how)
    Volumes.decoded.clear()
    again = open_pack(scans, REGIONS, how, False)
    assert Volumes.decoded == []
    assert_serves(again, scans, how)
    assert len(packs()) == 1


def test_packs_differ_where_what_makes_them_differs(scans):
    for how in (Volumes(), Volumes("float16"), Volumes(threshold=9), FlatAndDeep()):
        assert_serves(open_pack(scans, REGIONS, how, False), scans, how)
    assert len(packs()) == 4


def _sum_mapped(pack, sums):
    sums.put([int(pack.case(id)[0].sum(dtype=np.int64)) for id in pack.rows])


def test_another_process_maps_volumes(scans):
    pack, sums = open_pack(scans, REGIONS, Volumes(), False), WARM.Queue()
    assert len(pickle.dumps(pack)) < 1000
    process = WARM.Process(target=_sum_mapped, args=(pack, sums))
    process.start()
    assert sums.get(timeout=100) == [int(scan.image.read().sum()) for scan in scans]
    process.join()


@pytest.mark.parametrize("name", [*packed_cache.INDEX, "index.crc"])
@pytest.mark.parametrize("spoil", ["digit", "truncated", "missing"])
def test_a_damaged_index_is_refused_and_made_again(scans, name, spoil):
    path = open_pack(scans, REGIONS, Volumes(), False).folder / name
    if spoil == "digit":
        path.write_bytes(path.read_bytes()[:-3] + bytes([path.read_bytes()[-3] ^ 1]) + path.read_bytes()[-2:])
    elif spoil == "truncated":
        path.write_bytes(path.read_bytes()[:-2])
    else:
        path.unlink()
    Volumes.decoded.clear()
    pack = open_pack(scans, REGIONS, Volumes(), False)
    assert len(Volumes.decoded) == len(scans)
    assert_serves(pack, scans, Volumes())


def test_an_index_of_another_place_is_refused_whatever_its_checksum(scans):
    pack = open_pack(scans, REGIONS, Volumes(), False)
    places = np.load(pack.folder / "masks.places.npy")
    places[-1, 0] += 64
    np.save(pack.folder / "masks.places.npy", places)
    (pack.folder / "index.crc").write_text(str(packed_cache._check_index(pack.folder)))
    with pytest.raises(ValueError, match="leads out of the file"):
        pickle.loads(pickle.dumps(pack))
    assert_serves(open_pack(scans, REGIONS, Volumes(), False), scans, Volumes())


def test_of_large_cases_fewer_are_compared_but_the_first_and_the_last(scans, monkeypatch):
    folder = open_pack(scans, REGIONS, Volumes(), False).folder
    monkeypatch.setattr(packed_cache, "SAMPLED_BYTES", 1)
    compared, original = [], packed_cache._check
    monkeypatch.setattr(packed_cache, "_check", lambda *arrays: compared.append(1) or original(*arrays))
    assert open_pack(scans, REGIONS, Volumes(), False).folder == folder
    assert len(compared) == 2
    content = bytearray((folder / "images.npy").read_bytes())
    content[-1] ^= 255
    (folder / "images.npy").write_bytes(content)
    assert_serves(open_pack(scans, REGIONS, Volumes(), False), scans, Volumes())


def test_a_disk_that_fills_up_while_volumes_are_written_leaves_nothing(scans, monkeypatch):
    original = ArrayWriter.append

    def append(self, array):
        if len(array) == 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, array)

    monkeypatch.setattr(ArrayWriter, "append", append)
    with pytest.raises(UserError, match=r"the disk is full; free space"):
        open_pack(scans, REGIONS, Volumes(), False)
    assert packs() == []


def test_only_a_few_volumes_wait_in_memory(scans, monkeypatch):
    monkeypatch.setattr(packed_cache, "cores", lambda: 2)
    decoding = packed_cache._decode(scans, REGIONS, Volumes())
    next(decoding)
    decoding.close()
    assert len(Volumes.decoded) <= 4


def test_what_is_no_number_is_not_packed(scans):
    with pytest.raises(TypeError, match="an array of object cannot be mapped"):
        open_pack(scans, REGIONS, Volumes("object"), False)
    assert packs() == []


@pytest.mark.parametrize("change", [lambda masks: masks.astype(np.uint8), lambda masks: masks[:1]])
def test_masks_are_bool_and_one_for_each_region(scans, monkeypatch, change):
    original = Volumes.case
    monkeypatch.setattr(Volumes, "case", lambda *words: (original(*words)[0], change(original(*words)[1])))
    with pytest.raises(TypeError, match=r"masks of \w+; expected 2 of bool"):
        open_pack(scans, REGIONS, Volumes(), False)
    assert packs() == []


def test_a_pack_without_regions_holds_images(scans):
    pack = open_pack(scans, [], Volumes(), False)
    image, masks = pack.case("ct3")
    assert np.array_equal(image, scans[3].image.read().astype(np.int16))
    assert masks.shape == (0, *image.shape)
    assert pack.areas.shape == (len(scans), 0)
    assert open_pack(scans, [], Volumes(), False).folder == pack.folder
