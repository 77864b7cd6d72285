"""Archives unpacked whole or not at all: no path leaves the folder and nothing that is there is overwritten."""

import contextlib
import gzip
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from tqdm import tqdm

from lungseg.core.errors import UserError
from lungseg.core.write_errors import refusal

PARTIAL = ".partial-unpack"
RESERVED = (".partial-", ".download")  # names in the target that are ours
RATIO = 100  # how much larger than the archive its files may be: images reach 10, a bomb 1000
ALWAYS = 10**8  # bytes that any archive may unpack to
BLOCK = 2**20
SPECIAL = "a device or another special file"
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive; ``kind`` is file, folder, or what it is that makes it refused."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, into: Path) -> int:
    """Unpack all of a zip or tar archive into ``into``; returns how many files were new.

    The files are written to a folder inside ``into`` and moved at the end: a kill leaves nothing half-written and the
    call can be repeated. A file that is there already with the same bytes is kept, one that differs is refused.
    """
    if not archive.is_file():
        raise UserError(f"{archive}: no such archive; give the path of a .zip, .tar or .tar.gz")
    partial = into / PARTIAL
    with writing(into):
        into.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with _members(archive) as members:
                files = _planned(archive, members)
                new = {path: member for path, member in files.items() if not _is_there(member, path, into)}
                require_room(into, sum(member.size for member in new.values()))
                _write(new, partial)
            _move(partial, into)
        except DAMAGE as error:
            said = str(error).split("\n")[0].strip(": ")
            raise UserError(f"{archive}: damaged or cut short ({said}); remove it and download it again") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return len(new)


def require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(f"{folder}: {amount(needed)} needed, {amount(free)} free; free space or choose another folder")


def amount(size: int) -> str:
    """Bytes for people: 1.2 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """One line for whatever the disk refuses in the block."""
    try:
        yield
    except OSError as error:
        raise refusal(Path(error.filename or folder), error, "free space or choose another folder") from None


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[Iterable[Member]]:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            yield (_of_tar(tar, info) for info in tar)
            stream = cast(IO[bytes], tar.fileobj)
            while stream.read(2**20):  # a compressed one has its checksum at its end
                pass
    else:
        with zipfile.ZipFile(archive) as packed:
            yield (_of_zip(packed, info) for info in packed.infolist())


def _of_tar(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    special = "a link" if info.issym() or info.islnk() else SPECIAL
    kind = "file" if info.isfile() else "folder" if info.isdir() else special
    return Member(info.name, kind, info.size, lambda: cast(IO[bytes], tar.extractfile(info)))


def _of_zip(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    plain = "folder" if info.is_dir() else "file"
    kinds = {0: plain, stat.S_IFREG: plain, stat.S_IFDIR: plain, stat.S_IFLNK: "a link"}
    kind = "encrypted" if info.flag_bits & 1 else kinds.get(stat.S_IFMT(info.external_attr >> 16), SPECIAL)
    return Member(info.filename, kind, info.file_size, lambda: packed.open(info))


def _planned(archive: Path, members: Iterable[Member]) -> dict[PurePosixPath, Member]:
    """The files by their path; all that is unsafe is refused before a byte is written."""
    limit = max(ALWAYS, RATIO * archive.stat().st_size)
    files: dict[PurePosixPath, Member] = {}
    names: dict[str, str] = {}  # by what they are where capitals do not count
    total = 0
    for member in members:
        path = PurePosixPath(member.name)
        key = unicodedata.normalize("NFC", str(path)).casefold()
        reason = _unsafe(member, path)
        total += member.size
        if reason is None and total > limit:
            reason = f"brings its files to more than {amount(limit)}, {RATIO} times the archive: a zip bomb"
        if reason is None and member.kind == "file" and key in names:
            reason = f"would overwrite {names[key]!r}"
        if reason is not None:
            raise UserError(f"{archive}: {member.name!r} {reason}; nothing was unpacked: do not use this archive")
        if member.kind == "file":
            files[path], names[key] = member, member.name
    folders = {str(parent) for key in names for parent in PurePosixPath(key).parents}
    for key in names.keys() & folders:
        raise UserError(f"{archive}: {names[key]!r} is both a file and a folder; nothing was unpacked")
    return files


def _unsafe(member: Member, path: PurePosixPath) -> str | None:
    if member.kind not in ("file", "folder"):
        return f"is {member.kind}"
    if path.is_absolute() or re.match("[A-Za-z]:", member.name):
        return "is an absolute path"
    if ".." in path.parts or "\\" in member.name:
        return "is a path that may lead out of the folder"
    if not member.name.isprintable() or (member.kind == "file" and not path.parts):
        return "is no name for a file"
    if path.parts and path.parts[0].lower().startswith(RESERVED):
        return "is a name that is kept for the download itself"
    return None


def _is_there(member: Member, path: PurePosixPath, into: Path) -> bool:
    """True if the very file is in the target; anything else in its place is refused."""
    there = into / path
    for folder in (into / parent for parent in path.parents[:-1]):
        if folder.is_symlink() or folder.is_file():
            raise UserError(f"{folder}: is in the way of a folder of that name; move it away")
    if there.is_symlink() or (there.exists() and not there.is_file()):
        raise UserError(f"{there}: is in the way of a file of that name; move it away")
    if not there.exists():
        return False
    if not _same(member, there):
        raise UserError(f"{there}: is there already and differs from the archive's; it is kept: move it away")
    return True


def _same(member: Member, path: Path) -> bool:
    if path.stat().st_size != member.size:
        return False
    with member.open() as ours, path.open("rb") as theirs:
        return all(theirs.read(BLOCK) == block for block in iter(lambda: ours.read(BLOCK), b""))


def _write(files: dict[PurePosixPath, Member], partial: Path) -> None:
    partial.mkdir()
    total = sum(member.size for member in files.values())
    with tqdm(total=total, desc="unpacking", unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for path, member in files.items():
            target = partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, BLOCK)
                if file.tell() != member.size:
                    raise zipfile.BadZipFile(f"{path} is {file.tell()} bytes long, {member.size} were announced")
            bar.update(member.size)


def _move(source: Path, target: Path) -> None:
    """Every entry by one rename, into folders that are there already too."""
    for path in sorted(source.iterdir()):
        there = target / path.name
        if path.is_dir() and there.is_dir() and not there.is_symlink():
            _move(path, there)
        elif there.exists() or there.is_symlink():
            raise UserError(f"{there}: came there while the archive was unpacked; it is kept: move it away")
        else:
            path.rename(there)
