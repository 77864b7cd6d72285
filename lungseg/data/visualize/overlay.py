"""Image and masks -> picture. Pure: arrays in, RGB arrays out.

The colours are Okabe and Ito's: the colour-blind tell them apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lungseg.core.arrays import Gray, Mask
from lungseg.core.security.printable_text import one_line

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]

REFERENCE: Colour = (240, 228, 66)  # yellow
PREDICTION: Colour = (86, 180, 233)  # sky blue
HIT: Colour = (0, 158, 115)  # bluish green
MISSED: Colour = (230, 159, 0)  # orange
INVENTED: Colour = (204, 121, 167)  # reddish purple
PAPER: Colour = (18, 18, 20)
INK: Colour = (235, 235, 235)

PANEL = 320  # pixels per side of one panel
CAPTION = 44


@dataclass(frozen=True)
class Overlay:
    """One case as it is shown: image [H, W], masks [K, H, W], Dice per region (NaN: no reference)."""

    case_id: str
    label: str
    image: Gray
    reference: Mask
    prediction: Mask
    dice: Mapping[str, float]
    scores: str = ""  # what else is said of the case

    @property
    def caption(self) -> str:
        """Id, class and Dice; a region without reference says whether anything was invented."""
        parts = []
        for (region, value), reference, found in zip(self.dice.items(), self.reference, self.prediction, strict=True):
            if reference.any():
                parts.append(f"{region} Dice {value:.3f}")
            else:
                parts.append(f"no {region}, {'false alarm' if found.any() else 'none found'}")
        return f"{self.case_id} · {self.label} · " + ", ".join([*parts, *([self.scores] if self.scores else [])])


def draw_case(overlay: Overlay) -> Rgb:
    """A strip: the image; then for each region its contours and its errors; the caption above."""
    scale = PANEL / max(overlay.image.shape)
    image = _gray_to_rgb(_resize(overlay.image, scale))
    panels = [image]
    for region, reference, prediction in zip(overlay.dice, overlay.reference, overlay.prediction, strict=True):
        truth, found = _resize_mask(reference, scale), _resize_mask(prediction, scale)
        panels += [_named(_contours(image, truth, found), region), _named(_errors(image, truth, found), region)]
    if len(panels) == 1:
        panels.append(np.full((PANEL, PANEL, 3), PAPER, np.uint8))  # the caption needs the room
    return _with_caption(np.concatenate([_square(panel) for panel in panels], axis=1), overlay.caption)


def draw_sheet(overlays: Sequence[Overlay], title: str = "") -> Rgb:
    """The strips one under another, with a title and a legend."""
    strips = [draw_case(overlay) for overlay in overlays]
    width = max(strip.shape[1] for strip in strips)
    rows = [caption_bar(width, title, 20)] if title else []
    rows += [_widened(strip, width) for strip in strips]
    masked = any(len(overlay.reference) for overlay in overlays)
    return np.concatenate([*rows, *([_legend(width)] if masked else [])])


def _contours(image: Rgb, truth: Mask, found: Mask) -> Rgb:
    drawn = image.copy()
    for mask, colour, thickness in ((truth, REFERENCE, 4), (found, PREDICTION, 2)):
        lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, lines, -1, colour, thickness, cv2.LINE_8)
    return drawn


def _errors(image: Rgb, truth: Mask, found: Mask) -> Rgb:
    drawn = image.astype(np.float32) * 0.75
    for mask, colour, strength in (
        (truth & found, HIT, 0.35),
        (truth & ~found, MISSED, 0.75),
        (found & ~truth, INVENTED, 0.75),
    ):
        drawn[mask] = (1 - strength) * drawn[mask] + strength * np.array(colour, np.float32)
    return drawn.round().astype(np.uint8)


def _named(panel: Rgb, name: str) -> Rgb:
    """The region's name in the upper left corner, legible on any image."""
    picture = Image.fromarray(panel)
    font = ImageFont.load_default(14)
    ImageDraw.Draw(picture).text((8, 6), name, INK, font, stroke_width=2, stroke_fill=PAPER)
    return np.asarray(picture)


def _widened(strip: Rgb, width: int) -> Rgb:
    out = np.full((len(strip), width, 3), PAPER, np.uint8)
    out[:, : strip.shape[1]] = strip
    return out


def _with_caption(strip: Rgb, text: str) -> Rgb:
    return np.concatenate([caption_bar(strip.shape[1], text, 16), strip])


def caption_bar(width: int, text: str, size: int, height: int = CAPTION) -> Rgb:
    """A line of text, cut where it is too long."""
    picture = Image.new("RGB", (width, height), PAPER)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    margin, text = height // 4, one_line(text)
    while text and draw.textlength(text, font=font) > width - 2 * margin:
        text = text[:-2].rstrip("…") + "…"
    draw.text((margin, height // 2), text, INK, font, anchor="lm")
    return np.asarray(picture)


def _legend(width: int) -> Rgb:
    entries = (
        (REFERENCE, "reference contour"),
        (PREDICTION, "predicted contour"),
        (HIT, "found"),
        (MISSED, "missed"),
        (INVENTED, "invented"),
    )
    picture = Image.new("RGB", (width, CAPTION), PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    x = 12.0
    for colour, name in entries:
        draw.rectangle((x, CAPTION // 2 - 7, x + 14, CAPTION // 2 + 7), fill=colour)
        draw.text((x + 21, CAPTION // 2), name, INK, font, anchor="lm")
        x += 21 + draw.textlength(name, font=font) + 26
    return np.asarray(picture)


def _gray_to_rgb(image: Gray) -> Rgb:
    return np.repeat(image[..., None], 3, axis=2)


def _resize(image: Gray, scale: float) -> Gray:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, _scaled(image.shape, scale), interpolation=how), np.uint8)


def _resize_mask(mask: Mask, scale: float) -> Mask:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(mask.astype(np.float32), _scaled(mask.shape, scale), interpolation=how) >= 0.5


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    return max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1)


def _square(panel: Rgb) -> Rgb:
    """Centred on a panel, with a hairline of background between panels."""
    out = np.full((PANEL, PANEL + 4, 3), PAPER, np.uint8)
    top, left = (PANEL - panel.shape[0]) // 2, (PANEL - panel.shape[1]) // 2
    out[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
    return out
