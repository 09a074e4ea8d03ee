"""Which bands of a raster are the photo, and how their values become 8 bits; refused if unclear."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError

Range = tuple[float, float]
"""The values that become black (0) and white (255)."""


@dataclass(frozen=True)
class Bands:
    """Numbers of bands, from 1: ``colors`` is R, G, B or one grey; ``mask`` is 0 where no pixel is.

    ``mask`` None: what the raster says of itself decides, a nodata value or a mask inside.
    """

    colors: tuple[int, ...]
    mask: int | None = None


def chosen(name: str, meanings: Sequence[str], asked: Sequence[int] | None = None) -> Bands:
    """The bands that are meant, of a raster whose bands have these ``meanings``.

    ``meanings`` are GDAL's colour interpretations (red, green, blue, gray, alpha, palette,
    undefined, ...). Without ``asked``: grey, RGB, and either with an alpha band behind it.
    ``asked`` has one number, three, or four, the last being the mask. Raises UserError naming the
    raster, ``name``, where that is unclear.
    """
    if asked is not None:
        return _asked(name, len(meanings), asked)
    alpha = len(meanings) if len(meanings) in (2, 4) and meanings[-1] == "alpha" else None
    colors = list(meanings[:-1] if alpha else meanings)
    if len(colors) == 1:
        return Bands((1,), alpha)
    if len(colors) != 3:
        raise UserError(
            f"{name}: has {len(meanings)} bands ({', '.join(meanings)}); say which are red, green "
            "and blue, as --bands 3,2,1, or --bands 1 for grey"
        )
    if set(colors) == {"red", "green", "blue"}:
        red, green, blue = (colors.index(color) + 1 for color in ("red", "green", "blue"))
        return Bands((red, green, blue), alpha)
    return Bands((1, 2, 3), alpha)


def _asked(name: str, count: int, asked: Sequence[int]) -> Bands:
    numbers = ",".join(map(str, asked))
    if len(asked) not in (1, 3, 4):
        raise UserError(
            f"--bands {numbers}: give one number (grey), three (red, green, blue), or four, the "
            "last being the mask of valid pixels"
        )
    if outside := [number for number in asked if not 1 <= number <= count]:
        raise UserError(f"{name}: has {count} bands, so there is no band {outside[0]} (--bands)")
    return Bands(tuple(asked[:3]), asked[3] if len(asked) == 4 else None)


def check_span(span: Range | None) -> None:
    """UserError unless black lies below white."""
    if span is not None and not (all(map(isfinite, span)) and span[0] < span[1]):
        raise UserError(
            f"--range {span[0]:g},{span[1]:g}: the first value is what becomes black, the second, "
            "larger one white, as --range 0,4000"
        )


def as_photo(values: npt.NDArray[Any], span: Range | None) -> npt.NDArray[np.uint8]:
    """Bands (1 or 3, H, W) as uint8 RGB (H, W, 3); ``span`` maps other values to 0 .. 255.

    What lies outside of it becomes 0 or 255; what is no number becomes 0.
    """
    if span is not None:
        values = _scaled(values, span)
    photo = values.transpose(1, 2, 0)  # H,W,1 or 3
    return np.ascontiguousarray(np.broadcast_to(photo, (*photo.shape[:2], 3)))


def _scaled(values: npt.NDArray[Any], span: Range) -> npt.NDArray[np.uint8]:
    low, high = span
    found = values.astype(np.float32)
    found -= low
    found *= 255 / (high - low)
    np.nan_to_num(found, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    return np.rint(found.clip(0, 255, out=found), out=found).astype(np.uint8)
