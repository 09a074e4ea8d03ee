"""Which bands of a raster are the photo, and how their values become 8 bits; refused if unclear."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import DataError

Range = tuple[float, ...]
"""The values that become black (0) and white (255), of all bands, or a pair for each band."""


@dataclass(frozen=True)
class Bands:
    """Numbers of bands, from 1: ``colors`` is R, G, B, one grey, or any others that a net is shown.

    ``mask`` is a band that is 0 where no pixel is; None: what the raster says of itself decides, a
    nodata value or a mask inside.
    """

    colors: tuple[int, ...]
    mask: int | None = None


def chosen(
    name: str,
    meanings: Sequence[str],
    asked: Sequence[int] | None = None,
    mask: int | None = None,
) -> Bands:
    """The bands that are meant, of a raster whose bands have these ``meanings``.

    ``meanings`` are GDAL's colour interpretations (red, green, blue, gray, alpha, palette,
    undefined, ...). Without ``asked``: grey, RGB as the file says or as it lies, and either with an
    alpha band behind it. Raises
    DataError naming the raster, ``name``, where that is unclear, or has no such band.
    """
    if asked is not None:
        return _asked(name, len(meanings), asked, mask)
    alpha = len(meanings) if len(meanings) > 1 and meanings[-1] == "alpha" else None
    colors = list(meanings[:-1] if alpha else meanings)
    if len(colors) == 1:
        return Bands((1,), alpha)
    if all(colors.count(color) == 1 for color in ("red", "green", "blue")):
        red, green, blue = (colors.index(color) + 1 for color in ("red", "green", "blue"))
        return Bands((red, green, blue), alpha)
    if len(colors) != 3:
        raise DataError(
            name, f"has {len(meanings)} bands ({', '.join(meanings)})", "",
            "say which are red, green and blue, as --bands 3,2,1, or --bands 1 for grey; a net can "
            "be trained on any number of them", "FC-RASTER-003",
        )  # fmt: skip
    return Bands((1, 2, 3), alpha)


def _asked(name: str, count: int, asked: Sequence[int], mask: int | None) -> Bands:
    if outside := [number for number in (*asked, mask or 1) if not 1 <= number <= count]:
        raise DataError(name, f"has {count} bands, so there is no band {outside[0]}", "",
                        "say which are meant with --bands", "FC-RASTER-003")  # fmt: skip
    return Bands(tuple(asked), mask)


def as_photo(
    values: npt.NDArray[Any], span: Range | None, name: str = "the photo"
) -> npt.NDArray[np.uint8]:
    """Bands (C, H, W) as uint8 (H, W, C), one band as three; ``span`` maps others to 0 .. 255.

    What lies outside of it becomes 0 or 255; what is no number becomes 0. Values of 8 bits stay as
    they are where ``span`` is that of deeper ones. Raises DataError naming the photo where
    ``span`` has pairs for another number of bands.
    """
    if span is not None and len(span) not in (2, 2 * len(values)):
        raise DataError(
            name, f"shows {len(values)} bands, and range has {len(span) // 2} pairs", "",
            "give one pair for all bands, or one for each", "FC-RASTER-002",
        )  # fmt: skip
    if span is not None and (values.dtype != np.uint8 or max(span[1::2]) <= 255):
        values = _scaled(values, span)
    photo = values.transpose(1, 2, 0)  # H,W,C
    channels = 3 if photo.shape[2] == 1 else photo.shape[2]
    return np.ascontiguousarray(np.broadcast_to(photo, (*photo.shape[:2], channels)))


def _scaled(values: npt.NDArray[Any], span: Range) -> npt.NDArray[np.uint8]:
    low, high = (np.asarray(ends, np.float64)[:, None, None] for ends in (span[::2], span[1::2]))
    scaled = values.astype(np.float32)
    scaled -= low.astype(np.float32)
    scaled *= (255 / (high - low)).astype(np.float32)
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    return np.rint(scaled.clip(0, 255, out=scaled), out=scaled).astype(np.uint8)
