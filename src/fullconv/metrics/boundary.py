"""Boundary IU: how well the outlines of the classes are met, whatever their size.

Cheng, Girshick, Dollar, Berg, Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation
Evaluation", CVPR 2021 (arXiv 2103.16562): IU of those pixels alone that lie in a class and not
farther than a width from its outline, in the truth and in the prediction. As in the authors' code
the distance is that of a square (so many erosions by 3x3) and the border of the photo is an
outline.
"""

import math

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError
from fullconv.metrics.confusion_matrix import Counts

WIDTH = 0.02
"""The width of the boundary as a share of the photo's diagonal, as in the paper."""

_OUTSIDE = -1  # beyond the photo; no class has it

Flags = npt.NDArray[np.bool_]


def boundary_width(size: tuple[int, int], share: float = WIDTH) -> int:
    """The width in pixels for a photo of ``size`` (H, W), at least 1.

    ``share`` is the width in diagonals. Raises UserError unless it lies above 0 and at most at 1.
    """
    if not 0 < share <= 1:
        raise UserError(
            f"boundary width {share:g}: is a share of the photo's diagonal, above 0 and at most 1, "
            f"as {WIDTH}",
            "FC-DATA-136",
        )
    return max(1, round(share * math.hypot(*size)))


def boundary_counts(
    truth: npt.NDArray[np.integer],
    prediction: npt.NDArray[np.integer],
    classes: int,
    ignore: int,
    share: float = WIDTH,
) -> Counts:
    """Boundary pixels of each class, int64 (3, K): in both maps, in the truth, in the prediction.

    ``truth`` and ``prediction`` are class indices (H, W), or (H, W, outputs) whose counts are
    added. What is ``ignore`` in the truth counts for nothing, and is cut out of the prediction
    before its outlines are found: so both have the same outline there.
    """
    if truth.ndim == 3:
        planes = zip(np.moveaxis(truth, 2, 0), np.moveaxis(prediction, 2, 0), strict=True)
        return sum(
            (boundary_counts(*pair, classes, ignore, share) for pair in planes),
            np.zeros((3, classes), np.int64),
        )
    width = boundary_width((truth.shape[0], truth.shape[1]), share)
    counted = truth != ignore
    seen = np.where(counted, prediction, np.asarray(ignore, truth.dtype))
    true = is_boundary(truth, width) & counted
    predicted = is_boundary(seen, width) & counted
    both = true & predicted & (truth == seen)
    masked = (truth[both], truth[true], seen[predicted])
    return np.stack([np.bincount(labels, minlength=classes) for labels in masked]).astype(np.int64)


def is_boundary(labels: npt.NDArray[np.integer], width: int) -> Flags:
    """Where another value, or the photo's end, is at most ``width`` pixels away, (H, W).

    Along rows, columns and diagonals alike. One pass for all classes: a square of the side
    2 width + 1 lies in one class where no two neighbours in it differ.
    """
    padded = np.pad(labels.astype(np.int32), width, constant_values=_OUTSIDE)
    side = 2 * width + 1
    across = padded[:, 1:] != padded[:, :-1]
    down = padded[1:] != padded[:-1]
    return (_sums(across, side, side - 1) + _sums(down, side - 1, side)) > 0


def _sums(flags: Flags, height: int, width: int) -> npt.NDArray[np.int32]:
    """How many are set in each window, from sums over everything above and left of its corners."""
    table = np.zeros((flags.shape[0] + 1, flags.shape[1] + 1), np.int32)
    np.cumsum(flags, 0, np.int32, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], 1, out=table[1:, 1:])
    high = table[height:] - table[:-height]
    return high[:, width:] - high[:, :-width]
