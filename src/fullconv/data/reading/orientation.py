"""EXIF orientation: what a file states, and pictures and arrays turned by it."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data.reading.formats import opened

SWAPS_AXES = frozenset({5, 6, 7, 8})


_ORIENTATION = 0x0112


def upright(image: Image.Image) -> Image.Image:
    """A decoded picture, turned the way that its EXIF orientation says; its format stays known."""
    with warnings.catch_warnings(action="ignore"):
        image.load()
    turn = orientation_of(image)
    if turn == 1:
        return image
    result = image.transpose(_TRANSPOSE[turn])
    result.format, result.info = image.format, image.info
    return result


_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.3, tag 0x0112: how a picture as stored becomes upright."""


def turned(stored: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """An array (H, W, ...) of a picture as stored, turned as its EXIF orientation says."""
    if orientation == 1:
        return stored
    if orientation in (5, 7):
        stored = stored.swapaxes(0, 1)
        stored = stored if orientation == 5 else stored[::-1, ::-1]
    else:
        stored = {
            2: lambda: stored[:, ::-1],
            3: lambda: stored[::-1, ::-1],
            4: lambda: stored[::-1],
            6: lambda: np.rot90(stored, -1),
            8: lambda: np.rot90(stored, 1),
        }[orientation]()
    return np.ascontiguousarray(stored)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation that an open picture states, 1 to 8; 1 where it states none of these."""
    try:
        with warnings.catch_warnings(action="ignore"):
            stated = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data makes Pillow raise nearly anything
        return 1
    return stated if stated in range(1, 9) else 1


def orientation(file: Path | io.BufferedIOBase) -> int:
    """The file's EXIF orientation, 1 to 8; 1, which is upright, where it states none of these."""
    try:
        with opened(file) as image:  # pyright: ignore[reportArgumentType]
            return orientation_of(image)
    except Exception:  # the check, or the reader, says what it is
        return 1


def stands_sideways(file: Path) -> bool:
    """True where the file's EXIF orientation swaps its height and width."""
    return orientation(file) in SWAPS_AXES
