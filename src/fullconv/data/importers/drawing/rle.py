"""Run lengths -> pixels: COCO's two kinds, and CVAT's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.importers.annotations import Size
from fullconv.data.importers.drawing.regions import Bitmap, Extent, Window
from fullconv.data.run_lengths import counts_of
from fullconv.errors import UserError


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of pixels outside and inside in turn, outside first, that fill a rectangle of ``size``.

    They go along its rows (CVAT), or with ``down_columns`` along its columns (COCO); its upper left
    pixel is (``top``, ``left``) of the photo. Kept as they are until they are drawn.
    """

    lengths: npt.NDArray[np.int64]
    size: Size
    down_columns: bool
    top: int = 0
    left: int = 0

    def extent(self) -> Extent:
        height, width = self.size
        return self.left, self.top, self.left + width, self.top + height

    def area(self) -> float:
        return float(self.lengths[1::2].sum())

    def inside(self, window: Window) -> Bitmap:
        flat = np.repeat(np.arange(len(self.lengths)) % 2 == 1, self.lengths)
        whole = flat.reshape(self.size[::-1]).T if self.down_columns else flat.reshape(self.size)
        top, left = window.top - self.top, window.left - self.left
        return whole[top : top + window.height, left : left + window.width]


def runs(lengths: Any, size: Size, down_columns: bool, top: int = 0, left: int = 0) -> Runs:
    """Runs as a file has them; UserError where they are not as many pixels as ``size`` has."""
    try:
        found = np.array(lengths, np.int64)
    except (TypeError, ValueError, OverflowError):
        raise UserError("has runs that are no list of whole numbers") from None
    pixels = size[0] * size[1]
    if found.ndim != 1 or (found < 0).any() or (found > pixels).any():
        raise UserError("has runs that are no list of whole numbers up to its size")
    if found.sum() != pixels:
        raise UserError(f"has runs of {found.sum()} pixels together, not {size[1]} x {size[0]}")
    return Runs(found, size, down_columns, top, left)


def from_coco(segmentation: dict[str, Any], size: Size) -> Runs:
    """COCO's ``{"size": [height, width], "counts": ...}``; counts are a list or a string.

    Raises UserError where it is of another size than its photo (``size``), or damaged.
    """
    counts, stated = segmentation.get("counts"), segmentation.get("size")
    if stated != list(size):
        raise UserError(f"has run lengths of size {stated}, its photo {list(size)} (height, width)")
    if isinstance(counts, list):
        return runs(counts, size, down_columns=True)
    if not isinstance(counts, str) or not counts.isascii():
        raise UserError("has counts that are neither a list nor a string of COCO's")
    return runs(counts_of(counts), size, down_columns=True)
