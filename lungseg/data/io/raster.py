"""PNG, JPEG, TIFF and BMP files, as a viewer shows them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from lungseg.core.errors import DataError, UserError
from lungseg.core.security.printable_text import one_line
from lungseg.data.io.pixel_values import require_numbers

warnings.filterwarnings("ignore", module="PIL")  # they quote the file
TURNS = range(2, 9)  # EXIF orientations that turn or mirror; 1 does not, and others mean nothing
GREY = ("1", "L", "I", "F")  # and those of 16 bits, as I;16


def read(path: Path) -> NDArray[Any]:
    """[H, W] of any number type: turned as its EXIF says, colour as grey; one page, nothing transparent."""
    try:
        with path.open("rb") as content, Image.open(content) as file:  # Pillow maps a path, and garbles turned TIFFs
            pages = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)  # MPO: a JPEG with smaller copies in it
            if pages > 1:
                raise DataError(
                    f"{path}: holds {pages} pages; expected one image: save the X-ray's page as its own file"
                )
            pixels = _pixels(file, path)
    except UserError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the data changed while it was read, start again") from None
    except Exception as error:  # a decoder raises what it likes on a damaged file
        reason = _reason(error, path)
        raise DataError(
            f"{path}: cannot be decoded as an image ({reason}); copy or download the file again, or remove it"
        ) from None
    return require_numbers(pixels, path)


def _pixels(file: Image.Image, path: Path) -> NDArray[Any]:
    grey = file.mode in GREY or file.mode.startswith("I;16")
    if file.has_transparency_data and not file.mode.startswith("I"):
        opaque, _ = file.convert("RGBA").getchannel("A").getextrema()
        if opaque != 255:
            raise DataError(
                f"{path}: parts of it are transparent, so what it shows is open; save it without transparency"
            )
    file.load()
    turned = ImageOps.exif_transpose(file)
    return np.asarray(turned if grey else turned.convert("RGB").convert("L"))


def is_turned(path: Path) -> bool:
    """Returns whether the EXIF of a readable file says that it is to be turned or mirrored before it is shown."""
    with Image.open(path) as file:
        return file.getexif().get(ExifTags.Base.Orientation, 1) in TURNS


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "of no known format"
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    return one_line(reason.replace(repr(str(path)), "the file").replace(str(path), "the file"))[:160]
