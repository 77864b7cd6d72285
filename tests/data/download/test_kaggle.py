"""A data set got by a stand-in for the Kaggle client, which behaves and fails like it; nothing outside the target."""

import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from lungseg.core.errors import Stopped, UserError
from lungseg.data.download import catalog, kaggle
from lungseg.data.download.catalog import DATASETS, Dataset, differences
from tests.data.download.test_archive import contents, tree, write_zip
from tests.helpers import ROOT

KAGGLE = """#!%s
import json, os, sys, time
from pathlib import Path

words, play = sys.argv[1:], json.loads(os.environ["FAKE_PLAY"])
assert words[:3] == ["datasets", "download", "-d"], words
folder, slug = Path(words[words.index("-p") + 1]), words[3]
with open(play["calls"], "a") as calls:
    print(*words, file=calls)
home = Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".config" / "kaggle")
home.mkdir(parents=True, exist_ok=True)
if "says" in play:
    print(play["says"], file=sys.stderr)
    sys.exit(1)
content = Path(play["zip"]).read_bytes()
path = folder / (slug.split("/")[1] + ".zip")
if path.exists() and path.stat().st_mtime > 1600000000:
    print(path.name + ": Skipping, found more recently modified local copy (use --force to force download)")
    sys.exit(0)
kept = path.stat().st_size if path.exists() else 0
half = kept == 0 and play.get("half")
with path.open("ab") as file:
    file.write(content[kept : len(content) // 2 if half else None])
if kept:
    print("... resuming from %%d bytes (%%d bytes left) ..." %% (kept, len(content) - kept))
if half == "sleeps":
    print("50%%", flush=True)
    time.sleep(60)
if half:
    print(half)
    sys.exit(0 if half == "User cancelled operation" else 1)
"""
FILES = {
    **{f"set/images/{n}.png": os.urandom(900) for n in range(3)},
    **{f"set/masks/{n}.png": b"mask" for n in range(3)},
    "set/metadata.csv": b"a,b\n",
}
SMALL = {
    "name": "small",
    "title": "A small set",
    "slug": "owner/small-set",
    "licence": "CC BY 4.0",
    "terms": "Name the authors.",
    "citation": "Nobody, 2020",
    "size": 4000,
    "counts": {"set/images": 3, "set/masks": 3, "set/metadata.csv": 1},
}
KEY_NAMES = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(DATASETS, "small", Dataset(**SMALL))
    for name in KEY_NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def said():
    """What the program says, line by line."""
    lines: list[str] = []
    handler, log = logging.Handler(), logging.getLogger("lungseg")
    handler.emit = lambda record: lines.extend(record.getMessage().splitlines())
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield lines
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.fixture
def into(tmp_path, monkeypatch):
    """The target, in a folder that must stay as it is; no client anywhere."""
    around = tmp_path / "around"
    (around / "other").mkdir(parents=True)
    (around / "other" / "keep.txt").write_text("kept")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return around / "target"


@pytest.fixture
def client(tmp_path, into, monkeypatch):
    """A client with its key; ``client(...)`` says what it plays, ``client.calls()`` how it was called."""
    program, calls = tmp_path / "bin" / "kaggle", tmp_path / "calls"
    program.parent.mkdir()
    program.write_text(KAGGLE % sys.executable)
    program.chmod(0o755)
    calls.touch()
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")

    def play(files=FILES, **what):
        archive = write_zip(tmp_path / "published.zip", files)
        monkeypatch.setenv("FAKE_PLAY", json.dumps({"zip": str(archive), "calls": str(calls), **what}))
        return archive

    play.calls = lambda: calls.read_text().splitlines()
    play()
    return play


@pytest.fixture
def untouched(into):
    """Fails the test if anything but the target changed, in the folder around it or in the home."""
    home = Path.home()
    before = tree(into.parent), tree(home)
    yield
    after = {name: what for name, what in tree(into.parent).items() if not name.startswith(into.name)}
    assert (after, tree(home)) == before


def fails(into, match):
    with pytest.raises(UserError, match=match) as caught:
        kaggle.get("small", into)
    assert "\n" not in str(caught.value)


def test_a_data_set_is_got_and_counted(client, into, said, untouched):
    assert kaggle.get("small", into) == []
    assert contents(into) == FILES
    assert client.calls() == [f"datasets download -d owner/small-set -p {into / '.download'}"]
    assert said[:5] == [
        "A small set",
        "  page: https://www.kaggle.com/datasets/owner/small-set (about 0.0 MB)",
        "  licence: CC BY 4.0",
        "  terms: Name the authors.",
        "  to cite: Nobody, 2020",
    ]
    assert said[-1] == f"next: lungseg data check small root={into}"
    assert not (into / ".download").exists()


def test_a_complete_data_set_is_left_as_it_is(client, into, said, untouched):
    kaggle.get("small", into)
    before = tree(into)
    assert kaggle.get("small", into) == []
    assert said[-1] == f"{into}: already complete, nothing to do"
    assert tree(into) == before
    assert len(client.calls()) == 1


def test_progress_of_the_client_is_shown(client, into, capfd):
    client(half="ConnectionError: the line broke")
    fails(into, "the line broke")
    assert "the line broke" in capfd.readouterr().err


def test_without_a_client_the_steps_are_told_and_nothing_is_written(into, said, untouched, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    fails(into, "the Kaggle client is not installed")
    steps = "\n".join(said)
    assert "open https://www.kaggle.com/datasets/owner/small-set" in steps
    assert f"mv ~/Downloads/archive.zip {into / '.download' / 'small-set.zip'}" in steps
    assert f"unzip -n ~/Downloads/archive.zip -d {into}" in steps
    assert f"lungseg data get small into={into}" in steps
    assert f"lungseg data check small root={into}" in steps
    assert not into.exists()


def test_without_a_key_the_steps_are_told_and_nothing_is_written(client, into, said, untouched, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    fails(into, "the Kaggle client has no key; make one at https://www.kaggle.com/settings/api")
    assert "To get small by hand:" in said
    assert client.calls() == []
    assert not into.exists()


def test_paths_with_spaces_are_quoted_in_the_steps():
    steps = kaggle.by_hand(DATASETS["small"], Path("my data"))
    assert "mkdir -p 'my data/.download' && " in steps
    assert "lungseg data get small 'into=my data'" in steps
    assert """lungseg data check small 'root="my data"'""" in steps


@pytest.mark.parametrize(
    ("names", "file", "expected"),
    [
        (["KAGGLE_API_TOKEN"], None, True),
        (["KAGGLE_USERNAME", "KAGGLE_KEY"], None, True),
        (["KAGGLE_USERNAME"], None, False),
        ([], ".kaggle/kaggle.json", True),
        ([], ".kaggle/access_token", True),
        ([], ".kaggle/credentials.json", True),
        ([], ".config/kaggle/kaggle.json", True),
        (["XDG_CONFIG_HOME"], "there/kaggle/kaggle.json", True),
        (["KAGGLE_CONFIG_DIR"], "there/kaggle.json", True),
        (["KAGGLE_CONFIG_DIR"], ".kaggle/kaggle.json", False),
        ([], None, False),
    ],
)
def test_a_key_is_found_where_the_client_looks(monkeypatch, names, file, expected):
    for name in names:
        monkeypatch.setenv(name, str(Path.home() / "there") if "CONFIG" in name else "secret")
    if file:
        (Path.home() / file).parent.mkdir(parents=True)
        (Path.home() / file).write_text("{}")
    assert kaggle.has_key() is expected


@pytest.mark.parametrize(
    ("says", "match"),
    [
        ("401 - Unauthorized - Unauthenticated", r"did not accept the key \(401\); make a new one at https"),
        ("Authentication required to call the Kaggle API.\n\nFirst, you will need", r"did not accept the key \(401\)"),
        ("OSError: Could not find kaggle.json. Make sure it's in ~/.kaggle.", r"did not accept the key \(401\)"),
        ("403 - Forbidden - Permission denied", r"did not allow the download \(403\); sign in at https://www.kaggle"),
        ("403 Client Error: Forbidden for url: https://www.kaggle.com/api", r"did not allow the download \(403\)"),
        ("404 - Not Found", r"no data set of that name \(404\); it was moved or withdrawn: look at https://www.kaggle"),
        ("404 Client Error: Not Found for url: https://x\nhint: kaggle search", r"no data set of that name \(404\)"),
        ("12%| 404 MB\nMax retries exceeded", "the client failed: Max retries exceeded; repeat the command: 0.0 MB"),
        ("", "the client failed: it said nothing"),
    ],
)
def test_what_the_client_refuses_is_told_with_the_steps(client, into, said, untouched, says, match):
    client(says=says)
    fails(into, match)
    assert "To get small by hand:" in said


@pytest.mark.parametrize("half", ["ConnectionError: the line broke", "User cancelled operation"])
def test_an_interrupted_download_goes_on_where_it_stood(client, into, untouched, capfd, half):
    archive = client(half=half)
    fails(into, "repeat the command: .* are kept")
    assert list(contents(into)) == [".download/small-set.zip"]
    assert kaggle.get("small", into) == []
    assert f"resuming from {archive.stat().st_size // 2} bytes" in capfd.readouterr().err
    assert contents(into) == FILES
    assert len(client.calls()) == 2


def test_a_disk_that_fills_up_under_the_client_is_one_line(client, into, untouched):
    client(half="OSError: [Errno 28] No space left on device")
    fails(into, r"small-set\.zip: the disk is full; free space and repeat the command: .* are kept")
    assert kaggle.get("small", into) == []


def test_too_little_room_is_said_before_the_download(client, into, untouched, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "total used free")(9000, 8000, 1000))
    fails(into, r"0\.0 MB needed, 0\.0 MB free; free space or choose another folder")
    assert client.calls() == []


def test_a_disk_that_fills_up_while_unpacking_keeps_the_archive(client, into, untouched, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        fails(into, "target: cannot be written: the disk is full; free space")
    assert list(contents(into)) == [".download/small-set.zip"]
    assert kaggle.get("small", into) == []
    assert len(client.calls()) == 1


def test_a_target_that_may_not_be_written_is_one_line(client, into, untouched):
    into.write_text("a file")
    fails(into, "target: is a file; give a folder")
    fails(into / "below", r"below/\.download: cannot be written: Not a directory")
    into.unlink()


def test_counts_that_differ_are_told_and_the_archive_is_kept(client, into, said, untouched):
    files = {**FILES, "set/images/3.png": b"extra", "set/masks/1.png": b""}
    del files["set/masks/2.png"], files["set/metadata.csv"]
    client(files)
    expected = [
        f"{into}/set/images: holds 4 files; 3 were published: 1 extra",
        f"{into}/set/masks: holds 2 files; 3 were published: 1 missing",
        f"{into}/set/masks: 1 of its files are empty, such as 1.png",
        f"{into}/set/metadata.csv: holds 0 files; 1 were published: 1 missing",
    ]
    assert kaggle.get("small", into) == expected
    assert [line for line in said if line in expected] == expected
    assert kaggle.get("small", into) == expected
    assert len(client.calls()) == 1


def test_an_archive_of_another_size_is_told(client, into, said):
    client({**FILES, "set/more.bin": os.urandom(9000)})
    assert kaggle.get("small", into) == []
    assert any("about 0.0 MB were published" in line for line in said)


def test_an_archive_put_there_by_hand_is_unpacked_without_client_or_key(tmp_path, into, untouched):
    (into / ".download").mkdir(parents=True)
    write_zip(into / ".download" / "small-set.zip", FILES)
    assert kaggle.get("small", into) == []
    assert contents(into) == FILES


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "set/../../../out.png"])
def test_an_archive_that_leads_out_is_refused(client, into, untouched, name):
    client({**FILES, name: b"out"})
    fails(into, "nothing was unpacked: do not use this archive")
    assert list(contents(into)) == [".download/small-set.zip"]


@pytest.mark.parametrize("place", [".download", ".download/small-set.zip"])
def test_a_link_in_the_place_of_the_archive_is_not_followed(client, into, untouched, place):
    (into / place).parent.mkdir(parents=True)
    (into / place).symlink_to(into.parent / "other" / "new.zip")
    fails(into, "is a link, and what lies elsewhere is not touched; remove it")
    assert client.calls() == []


def test_a_file_that_differs_is_never_overwritten(client, into, untouched):
    (into / "set" / "images").mkdir(parents=True)
    (into / "set" / "images" / "1.png").write_bytes(b"mine")
    fails(into, r"set/images/1\.png: is there already and differs")
    assert contents(into)["set/images/1.png"] == b"mine"
    (into / "set" / "images" / "1.png").unlink()
    assert kaggle.get("small", into) == []
    assert len(client.calls()) == 1


def test_a_client_that_cannot_be_started_is_named(client, into):
    Path(shutil.which("kaggle")).write_text("#!/none/python\n")
    fails(into, "kaggle: cannot be started: No such file or directory; install the Kaggle client again")


def test_an_unknown_name_is_answered_with_the_known_ones(into):
    with pytest.raises(UserError, match="covid: no such data set; expected one of covid_qu_ex, covid19_radiography"):
        kaggle.get("covid", into)


ALONE = """
import sys
from pathlib import Path
from lungseg.core.errors import UserError
from lungseg.data.download import catalog, kaggle
catalog.DATASETS["small"] = catalog.Dataset(**%r)
try:
    kaggle.get("small", Path(sys.argv[1]))
except UserError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def started(into):
    """A process that gets the data set, at the moment when half of it is there."""
    words = [sys.executable, "-c", ALONE % SMALL, str(into)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "50%" in process.stderr.readline()
    return process


def test_ctrl_c_says_how_to_go_on(client, into, untouched):
    client(half="sleeps")
    process = started(into)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == f"{into}: stopped; repeat the same command to go on\n"
    assert kaggle.get("small", into) == []


def test_a_client_that_outlives_its_caller_is_waited_for(client, into, untouched):
    client(half="sleeps")
    process = started(into)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("this system does not list a process's children")
    orphan = int(children.read_text().split()[0])
    process.kill()
    process.communicate(timeout=30)
    fails(into, "another download is at work there; wait for it or end it")
    os.kill(orphan, signal.SIGKILL)
    for _ in range(100):
        try:
            assert kaggle.get("small", into) == []
            return
        except UserError:
            time.sleep(0.05)
    raise AssertionError("the lock outlived the client")


def test_stopping_while_it_unpacks_says_how_to_go_on(client, into, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", stop)
    with pytest.raises(Stopped, match="stopped; repeat the same command to go on"):
        kaggle.get("small", into)
    assert list(contents(into)) == [".download/small-set.zip"]


def test_folders_around_a_data_set_are_passed_through_and_hidden_ones_are_not(tmp_path):
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", FILES)) as archive:
        archive.extractall(tmp_path / "whole" / "archive" / "again")
        archive.extractall(tmp_path / "partial" / ".partial-unpack")
    assert differences(DATASETS["small"], tmp_path / "whole") == []
    assert len(differences(DATASETS["small"], tmp_path / "partial")) == 3


def test_the_published_numbers_add_up():
    total = {name: sum(dataset.counts.values()) for name, dataset in DATASETS.items()}
    assert total["covid_qu_ex"] == 33_920 + 5826
    assert total["covid19_radiography"] == 21_165
    assert total["covid19_image_classification"] == 317
    assert total["mosmed"] == 1110 + 50
    assert total["ct_slices"] == 2 * 98
    assert all(dataset.name == name for name, dataset in DATASETS.items())
    assert all(dataset.slug.count("/") == 1 or dataset.page for dataset in DATASETS.values())
    for dataset in DATASETS.values():
        text = catalog.describe(dataset)
        assert dataset.url in text
        assert all(f"  {word}: " in text for word in ("licence", "terms", "to cite"))


@pytest.mark.parametrize("name", ["covid_qu_ex", "covid19_radiography", "shenzhen_montgomery", "covid19_ct"])
def test_the_folders_counted_are_those_of_the_published_layout(realdata, name):
    assert (realdata / name).is_dir()
    assert not [line for line in differences(DATASETS[name], realdata / name) if "holds 0 files" in line]
