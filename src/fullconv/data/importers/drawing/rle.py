"""Run lengths -> pixels: COCO's two kinds, and CVAT's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.importers.annotations import Size
from fullconv.data.importers.drawing.regions import Bitmap, Extent, Window
from fullconv.data.reading.run_lengths import counts_of
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
        exact = np.array(lengths)
    except (TypeError, ValueError, OverflowError):
        exact = np.empty(0)
    pixels = size[0] * size[1]
    if (
        exact.ndim != 1
        or exact.dtype.kind not in "iu"
        or (exact < 0).any()
        or (exact > pixels).any()
    ):
        raise UserError("has runs that are no list of whole numbers up to its size",
                        "FC-IMPORT-013")  # fmt: skip
    exact = exact.astype(np.int64)
    if exact.sum() != pixels:
        raise UserError(f"has runs of {exact.sum()} pixels together, not {size[1]} x {size[0]}",
                        "FC-IMPORT-013")  # fmt: skip
    return Runs(exact, size, down_columns, top, left)


def runs_of_text(text: str) -> npt.NDArray[np.int64]:
    """'0, 12, 5' as numbers; UserError for anything else, also for numbers beyond 18 digits."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        raise UserError("has run lengths (rle) that are no list of whole numbers", "FC-IMPORT-013")
    return np.array([int(part) for part in parts], np.int64)


def stated_size(segmentation: dict[str, Any]) -> Size | None:
    """COCO's ``size`` of run lengths, (height, width); None where it has none that can be."""
    size = segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2:
        return None
    if not all(isinstance(length, int) and 0 < length <= 10**6 for length in size):
        return None
    return size[0], size[1]


def from_coco(segmentation: dict[str, Any], size: Size | None) -> Runs:
    """COCO's ``{"size": [height, width], "counts": ...}``; counts are a list or a string.

    Raises UserError where it is of another size than its photo (``size``), or damaged.
    """
    counts, stated = segmentation.get("counts"), segmentation.get("size")
    if size is None:
        raise UserError("has run lengths, but neither they nor its image state a height and width",
                        "FC-IMPORT-013")  # fmt: skip
    if stated != list(size):
        raise UserError(
            f"has run lengths of size {str(stated)[:40]}, its photo {list(size)} (height, width)",
            "FC-IMPORT-013",
        )
    if isinstance(counts, list):
        return runs(counts, size, down_columns=True)
    if not isinstance(counts, str) or not counts.isascii():
        raise UserError("has counts that are neither a list nor a string of COCO's",
                        "FC-IMPORT-013")  # fmt: skip
    return runs(counts_of(counts), size, down_columns=True)
