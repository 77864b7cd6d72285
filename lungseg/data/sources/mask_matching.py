"""Masks beside images, matched by file name and never by the order of a listing."""

from collections.abc import Callable, Mapping, Sized
from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.core.security.printable_text import is_printable
from lungseg.data.sources.issues import Problem

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom", ".nii", ".nii.gz"})
NOT_READ = frozenset({".webp", ".gif", ".jfif", ".jp2", ".heic", ".avif", ".mha", ".mhd", ".nrrd", ".pgm", ".svg"})
PASSED_OVER = "passed over"  # the kind of problem
UNFIT = "its path holds a line break or another control character, or is not UTF-8; rename it"


def stem(path: Path) -> str:
    """The name without its ending; ``.nii.gz`` is one ending."""
    return path.name[: -len(ending(path))] if ending(path) in ENDINGS else path.name


def ending(path: Path) -> str:
    """In lower case, with its dot."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def pictures(folder: Path, problems: list[Problem], name: Callable[[str], str] = lambda stem: stem) -> dict[str, Path]:
    """Name -> path, in order of name; ``name`` makes it from the stem. Two of one name are a problem.

    Hidden files and other endings are passed over; pictures among them are told.
    """
    found: dict[str, Path] = {}
    if folder.is_dir() and not is_printable(str(folder)):
        problems.append(Problem("name", folder, UNFIT))
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or not path.is_file():
            continue
        if ending(path) in NOT_READ:
            said = f"pictures that end in {ending(path)} are passed over; save it as PNG to use it"
            problems.append(Problem(PASSED_OVER, path, said, harm=False))
        if ending(path) not in ENDINGS:
            continue
        if not is_printable(path.name):
            problems.append(Problem("name", path, UNFIT))
        key = name(stem(path))
        if key in found:
            said = f"{found[key].name} has the same name but for its ending; remove one"
            problems.append(Problem("same name", path, said))
        else:
            found[key] = path
    return found


def existing(root: str, holding: str) -> Path:
    """``data.root`` as a folder that is there; ``holding`` says what it should hold."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"data.root={root}: no such folder; expected {holding}; give its path as data.root=...")
    return folder


def require_images(images: Sized, folder: Path, root: str) -> None:
    if not folder.is_dir():
        raise DataError(f"data.root={root}: has no folder {folder.name}; expected the X-rays in {folder}")
    if not images:
        raise DataError(
            f"data.root={root}: {folder} holds no picture ({', '.join(sorted(ENDINGS))}); "
            "put the X-rays there or give another data.root=..."
        )


def strays(images: Mapping[str, Path], masks: Mapping[str, Path], region: str, folder: Path) -> list[Problem]:
    """Masks without an image of their name in ``folder``; an image without a mask is the task's business."""
    lacking = {name: path for name, path in masks.items() if name not in images}
    listed = sorted(folder.iterdir()) if lacking and folder.is_dir() else []
    unread = {path.stem: path.name for path in listed if ending(path) in NOT_READ}
    return [Problem("mask without image", path, _stray(path, region, folder, unread)) for path in lacking.values()]


def _stray(mask: Path, region: str, folder: Path, unread: Mapping[str, str]) -> str:
    """Says what to do about a mask without an image; ``unread`` are the files of kinds that are not read, by stem."""
    name = unread.get(stem(mask))
    if name is None:
        return f"no image of that name in {folder}; rename or remove this {region} mask"
    return f"its image {name} in {folder} is of a kind that is not read; save {name} as PNG to use it"


def counted(folder: Path, number: int, published: int) -> list[Problem]:
    """Where a folder does not hold as many images as were published; a part of a data set can be trained on."""
    if number == published:
        return []
    what = f"{published - number} missing" if number < published else f"{number - published} too many"
    said = f"holds {plural(number, 'image')}; {published} were published: {what}"
    return [Problem("count", folder, said, harm=False)]
