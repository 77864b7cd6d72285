"""A published data set by the Kaggle client, or else the steps by which a person gets it.

All that is written lies in the target folder; the archive stays in its ``.download`` until all is unpacked and counted.
"""

import codecs
import contextlib
import logging
import os
import re
import shutil
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

from lungseg.core.errors import DiskFullError, Stopped, UserError
from lungseg.core.locks import lock_now
from lungseg.data.download import catalog
from lungseg.data.download.archive import amount, require_room, unpack, writing
from lungseg.data.download.by_hand import FOLDER, KEYS, by_hand, check_command
from lungseg.data.download.catalog import Dataset

log = logging.getLogger("lungseg")

REFUSED = {
    "401": "Kaggle did not accept the key (401); make a new one at {keys} and repeat the command",
    "403": "Kaggle did not allow the download (403); sign in at {url}, accept the terms there, repeat the command",
    "404": "Kaggle has no data set of that name (404); it was moved or withdrawn: look at {url}",
}


def get(name: str, into: Path) -> list[str]:
    """Download, unpack and count a data set in the folder ``into``; returns what differs from the published, by lines.

    The call can be repeated after any interruption and goes on; a complete data set is left as it is. An archive that
    a person put into ``.download`` is unpacked without the client. Without client or key the steps are logged, then
    ``UserError``, and nothing is written.
    """
    dataset, into = catalog.find(name), into.expanduser()
    archive = into / FOLDER / dataset.archive
    for path in (archive.parent, archive):
        if path.is_symlink():
            raise UserError(f"{path}: is a link, and what lies elsewhere is not touched; remove it")
    log.info(catalog.describe(dataset))
    if into.exists() and not into.is_dir():
        raise UserError(f"{into}: is a file; give a folder, new or old, as into=...")
    if not catalog.differences(dataset, into):
        log.info("%s: already complete, nothing to do", into)
        return []
    client = None if zipfile.is_zipfile(archive) else require_client(dataset, into)
    try:
        with writing(into), _alone(archive.parent) as lock:
            if client is not None:
                _download(client, dataset, archive, lock)
            log.info("unpacking %s (%s)", archive, amount(archive.stat().st_size))
            log.info("%d new files in %s", unpack(archive, into), into)
            return _verified(dataset, into, archive)
    except KeyboardInterrupt:
        raise Stopped(f"{into}: stopped; repeat the same command to go on", signal.SIGINT) from None


def require_client(dataset: Dataset, into: Path) -> str:
    """The client's path, if it and its key are there; else the steps are logged and the missing one is named."""
    if not dataset.slug:
        raise _not_on_kaggle(dataset, into)
    client = shutil.which("kaggle")
    if client is not None and has_key():
        return client
    log.info(by_hand(dataset, into))
    if client is None:
        raise UserError("the Kaggle client is not installed; pip install kaggle, or follow the steps by hand above")
    raise UserError(f"the Kaggle client has no key; make one at {KEYS}, or follow the steps by hand above")


def _not_on_kaggle(dataset: Dataset, into: Path) -> UserError:
    """Logs the steps by hand, and what is not yet there of a data set that a person has begun to put in its place."""
    log.info(by_hand(dataset, into))
    if into.exists():
        for line in catalog.differences(dataset, into):
            log.warning(line)
    return UserError(f"{dataset.name} cannot be downloaded by a program; follow the steps by hand above")


def has_key() -> bool:
    """Whether there is a key where the client looks for one; whether Kaggle accepts it is not asked."""
    home = Path.home() / ".kaggle"
    names = ("access_token", "access_token.txt", "credentials.json")
    files = [_settings() / "kaggle.json", *(home / name for name in names)]
    given = os.environ.get("KAGGLE_API_TOKEN") or (os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"))
    return bool(given) or any(os.path.isfile(path) for path in files)


def _settings() -> Path:
    """The client's own folder, by its own rules."""
    home, other = Path.home() / ".kaggle", Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"
    return Path(os.environ.get("KAGGLE_CONFIG_DIR") or (home if home.exists() or sys.platform != "linux" else other))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Lock the folder; a client that outlives its caller holds the lock on, so that no two write one archive."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / ".lock"  # where a folder cannot be opened itself
    lock = os.open(folder, os.O_RDONLY) if os.name == "posix" else os.open(beside, os.O_RDWR | os.O_CREAT)
    try:
        if not lock_now(lock):
            raise UserError(f"{folder}: another download is at work there; wait for it or end it")
        yield lock
    finally:
        os.close(lock)


def _download(client: str, dataset: Dataset, archive: Path, lock: int) -> None:
    """Run the client until the archive is whole; what an earlier run left is gone on from."""
    kept = archive.stat().st_size if archive.exists() else 0
    require_room(archive.parent, dataset.size - kept)
    if kept:
        os.utime(archive, (0, 0))  # the client passes over a file that is newer than the published one, even half
    log.info("downloading about %s to %s; %s are there", amount(dataset.size), archive, amount(kept))
    words = [client, "datasets", "download", "-d", dataset.slug, "-p", os.path.abspath(archive.parent)]
    code, said = _run(words, archive.parent, lock)
    if code == 0 and zipfile.is_zipfile(archive):
        return
    kept = archive.stat().st_size if archive.exists() else 0
    if "No space left" in said or "Disk quota" in said:
        raise DiskFullError(
            f"{archive}: the disk is full; free space and repeat the command: {amount(kept)} are kept", archive
        )
    if code == 0:
        raise UserError(f"{archive}: the download ended early; repeat the command: {amount(kept)} are kept")
    log.info(by_hand(dataset, archive.parent.parent))
    if number := _refused(said):
        raise UserError(f"{dataset.slug}: {REFUSED[number].format(keys=KEYS, url=dataset.url)}")
    last = (said.strip().splitlines() or ["it said nothing"])[-1].strip()[-200:]
    raise UserError(f"{dataset.slug}: the client failed: {last}; repeat the command: {amount(kept)} are kept")


def _refused(said: str) -> str | None:
    """401, 403 or 404 where the client says so, in the words of its old and new versions."""
    if re.search("Authentication required|Unauthorized|Could not find kaggle.json", said):
        return "401"
    found = re.search(r"\b(401|403|404) (- |Client Error)", said)
    return found[1] if found else None


def _run(words: list[str], folder: Path, lock: int) -> tuple[int, str]:
    """The exit code and the end of what the client says, all of which is shown as it comes."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if not _settings().exists():
        env["KAGGLE_CONFIG_DIR"] = os.path.abspath(folder)  # it would make its own folder in the user's home
    decoder, said = codecs.getincrementaldecoder("utf-8")("replace"), ""
    kept = (lock,) if os.name == "posix" else ()  # elsewhere none can be handed on
    try:
        process = Popen(words, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=env, pass_fds=kept)
    except OSError as error:
        raise UserError(f"{words[0]}: cannot be started: {error.strerror}; install the Kaggle client again") from None
    with process:
        assert process.stdout is not None
        try:
            while block := os.read(process.stdout.fileno(), 65536):
                text = decoder.decode(block)
                print(text, end="", file=sys.stderr, flush=True)
                said = (said + text)[-4000:]
        except BaseException:
            process.terminate()
            raise
    return process.returncode, said


def _verified(dataset: Dataset, into: Path, archive: Path) -> list[str]:
    """Count what was unpacked; the archive goes once all is there."""
    size = archive.stat().st_size
    if not dataset.size / 2 < size < dataset.size * 2:
        log.warning("%s: %s; about %s were published", archive, amount(size), amount(dataset.size))
    differences = catalog.differences(dataset, into)
    for line in differences:
        log.warning(line)
    if differences:
        log.warning("%s is kept: remove it if the differences are the publisher's", archive)
    else:
        for path in archive.parent.glob(f"*{archive.name}*"):  # and what the client left beside it
            path.unlink()
        with contextlib.suppress(OSError):
            archive.parent.rmdir()
        log.info("%s: complete, as published", into)
    log.info("next: %s", check_command(dataset, into))
    return differences
