"""A DICOM X-ray's pixels, as a viewer shows them. Nothing else leaves the file: no name, no date, no number."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.errors import DataError
from lungseg.core.security.printable_text import one_line
from lungseg.data.io.pixel_values import require_numbers, require_spread

warnings.filterwarnings("ignore", module="pydicom")  # they quote the file, a patient's name too
MEANINGS = ("MONOCHROME1", "MONOCHROME2")  # dense is dark, dense is bright


def read(path: Path) -> NDArray[np.uint8]:
    """[H, W]: rescaled, its window (VOI) applied, bright where dense also in MONOCHROME1. No window: percentiles."""
    import pydicom  # a second's import, for those who have such files
    from pydicom.errors import InvalidDicomError

    try:
        file = pydicom.dcmread(path)
        pixels = file.pixel_array
    except (InvalidDicomError, OSError) as error:
        raise DataError(f"{path}: not a DICOM file or damaged ({_line(error)}); copy it again or remove it") from None
    except Exception as error:  # a decoder raises what it likes on a damaged file
        raise DataError(
            f"{path}: its pixels cannot be decoded ({_line(error)}); save it as an uncompressed DICOM or a 16-bit PNG"
        ) from None
    if pixels.ndim != 2:
        raise DataError(f"{path}: holds {'x'.join(map(str, pixels.shape))} pixels; expected one grey image of a chest")
    meaning = str(file.get("PhotometricInterpretation"))
    if meaning not in MEANINGS:
        expected = f"expected one grey image, {' or '.join(MEANINGS)}"
        raise DataError(f"{path}: its PhotometricInterpretation is {one_line(meaning)}; {expected}")
    values = _shown(file, require_numbers(pixels, path), path)
    if meaning == "MONOCHROME1":
        values = 1 - values
    if "WindowCenter" not in file and not file.get("VOILUTSequence"):
        require_spread(pixels, *_ends(pixels), path)
    return np.round(values * 255).astype(np.uint8)


def _shown(file: Any, pixels: NDArray[Any], path: Path) -> NDArray[np.float64]:
    """Calls ``_windowed``; what the file says of its window and rescaling may be anything."""
    try:
        with np.errstate(all="ignore"):  # what is no number is told below
            values = _windowed(file, pixels)
    except Exception as error:
        raise DataError(
            f"{path}: its window or rescaling cannot be applied ({_line(error)}); mend it, or save it as a 16-bit PNG"
        ) from None
    if not np.isfinite(values).all():
        raise DataError(
            f"{path}: its window or rescaling makes values of NaN or infinity; mend it, or save it as a 16-bit PNG"
        )
    return values


def _windowed(file: Any, pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Values in 0..1 through the file's first window or look-up table, else from the 0.1st to the 99.9th percentile."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    rescaled = apply_modality_lut(pixels, file)
    values = np.asarray(apply_voi_lut(rescaled, file), np.float64)
    low, high = _range(file) or _ends(values)
    return np.clip((values - low) / max(float(high - low), 1e-12), 0, 1)


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, (0.1, 99.9))
    return float(low), float(high)


def _range(file: Any) -> tuple[float, float] | None:
    """What a window or look-up table maps black and white to; None without one."""
    if file.get("VOILUTSequence"):
        return 0.0, 2.0 ** file.VOILUTSequence[0].LUTDescriptor[2] - 1
    if "WindowCenter" not in file:
        return None
    if file.get("ModalityLUTSequence"):
        return 0.0, 2.0 ** file.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    signed, bits = file.PixelRepresentation, file.BitsStored
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    slope, intercept = float(file.get("RescaleSlope", 1)), float(file.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept


def _line(error: Exception) -> str:
    """The error's first line without anything that the file says of a person."""
    return one_line((str(error).splitlines() or [type(error).__name__])[0][:120])


def spacing(path: Path) -> tuple[float, float] | None:
    """Millimetres from row to row and from column to column; of the detector, where nothing nearer is said.

    None for what is no number, and for a file that ``read`` will not read either.
    """
    import pydicom

    try:
        file = pydicom.dcmread(path, stop_before_pixels=True)
        found = file.get("PixelSpacing") or file.get("ImagerPixelSpacing")
        rows, columns = (float(size) for size in found or ())
    except Exception:  # ``read`` says what is wrong with the file
        return None
    return (rows, columns) if rows > 0 and columns > 0 else None
