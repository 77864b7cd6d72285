"""Many small pictures on one page. Pure: arrays in, an RGB array out."""

from collections.abc import Sequence

import cv2
import numpy as np

from lungseg.core.arrays import Gray, Mask
from lungseg.data.visualize.overlay import PAPER, PREDICTION, REFERENCE, Rgb, caption_bar

COLOURS = (REFERENCE, PREDICTION)  # of the first and the second region
GAP = 4


def draw_contacts(
    pictures: Sequence[tuple[Gray, Mask | None, str]], title: str, columns: int = 6, side: int = 160
) -> Rgb:
    """Tiles of (image [h, w], outlines [K, h, w] or None, caption), h and w at most ``side``, under a title."""
    tiles = [_tile(image, masks, caption, side) for image, masks, caption in pictures]
    blank = np.full((tiles[0].shape[0], side, 3), PAPER, np.uint8)
    rows = []
    for start in range(0, len(tiles), columns):
        row = tiles[start : start + columns]
        row += [blank] * (min(columns, len(tiles)) - len(row))
        rows.append(np.concatenate([cv2.copyMakeBorder(tile, 0, GAP, 0, GAP, 0, value=PAPER) for tile in row], axis=1))
    return np.concatenate([caption_bar(rows[0].shape[1], title, 20), *rows])


def _tile(image: Gray, masks: Mask | None, caption: str, side: int) -> Rgb:
    canvas = np.full((side, side, 3), PAPER, np.uint8)
    height, width = image.shape
    canvas[:height, :width] = image[..., None]
    for mask, colour in zip(masks if masks is not None else (), COLOURS, strict=False):
        lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, lines, -1, colour, 1, cv2.LINE_8)
    return np.concatenate([canvas, caption_bar(side, caption, 11, height=18)])
