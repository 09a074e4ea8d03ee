"""Rare classes of a mask: which is drawn, and a window of the photo that shows it."""

import numpy as np
import numpy.typing as npt

from fullconv.data.augment.rotate import Size, affine_of, lies_on
from fullconv.data.sample import Mask

_TRIES = 64


def classes_shown(mask: Mask, ignore: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The classes in ``mask`` (H, W) or (H, W, outputs), and the probability of each to be drawn.

    It is proportional to 1 / sqrt(pixels of the class in this mask); ``ignore`` is no class. Both
    are empty where nothing is labelled.
    """
    counts = np.bincount(mask.ravel(), minlength=ignore + 1)
    counts[ignore] = 0
    classes = np.flatnonzero(counts)
    weights = 1 / np.sqrt(counts[classes])
    return classes, weights / weights.sum() if len(classes) else weights


def draw_pixel(mask: Mask, ignore: int, rng: np.random.Generator) -> tuple[int, int] | None:
    """Row and column of a random pixel of a random class (`classes_shown`); None without one."""
    classes, probabilities = classes_shown(mask, ignore)
    if not len(classes):
        return None
    member = mask == rng.choice(classes, p=probabilities)
    if member.ndim == 3:  # several outputs
        member = member.any(2)
    pixels = np.flatnonzero(member)
    row, column = divmod(int(pixels[rng.integers(len(pixels))]), mask.shape[1])
    return row, column


def corner_showing(
    pixel: tuple[int, int],
    scaled: Size,
    window: Size,
    crop: Size,
    angle: float,
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Corner of a ``window`` of the photo (of size ``scaled``) whose ``crop`` shows ``pixel``.

    Drawn evenly from the windows within the photo (around it, where the photo is the smaller). A
    crop rotated by ``angle`` may show a pixel at the photo's edge only from a window that sticks
    out: then the one of many drawn that does least.
    """
    low, high = (
        np.minimum(np.subtract(scaled, window), 0),
        np.maximum(np.subtract(scaled, window), 0),
    )
    if not angle:
        first = np.maximum(np.subtract(pixel, window) + 1, low)
        row, column = rng.integers(first, np.minimum(pixel, high) + 1)
        return int(row), int(column)
    y, x = rng.integers(0, np.array(crop)[:, None], (2, _TRIES))
    corners = np.stack(pixel, -1) - np.stack(lies_on(affine_of(angle, crop, window), y, x), -1)
    outside = np.maximum(low - corners, 0) + np.maximum(corners - high, 0)
    row, column = corners[outside.sum(1).argmin()]
    return int(row), int(column)
