"""How often each class appears, and the weights that follow from it."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import numpy.typing as npt

from fullconv.data.sample import Source

Weighting = Literal["median-frequency", "softened"]


def class_pixels(
    source: Source,
    progress: Callable[[int, int], object] | None = None,
    most: int | None = None,
) -> npt.NDArray[np.int64]:
    """Labelled pixels of each class of ``source``, int64 (K,), without the ignored ones.

    With ``most`` only so many masks are read, evenly spread. UserError for a mask that is at fault.
    """
    step = 1 if most is None else max(1, -(-len(source) // most))
    picked = range(0, len(source), step)
    total = np.zeros(len(source.classes), np.int64)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for done, counts in enumerate(pool.map(lambda i: _count(source, i), picked), 1):
            total += counts
            if progress:
                progress(done, len(picked))
    return total


def _count(source: Source, index: int) -> npt.NDArray[np.int64]:
    mask, count = source.mask(index), len(source.classes)
    if mask is None:
        return np.zeros(count, np.int64)
    return np.bincount(mask.ravel(), minlength=count)[:count].astype(np.int64)


def class_weights(
    pixels: npt.NDArray[np.int64], mode: Weighting = "median-frequency"
) -> npt.NDArray[np.float32]:
    """Loss weight of each class from its pixels, float32 (K,); the median class weighs 1.

    'median-frequency' is median(f) / f over the classes that appear (Eigen and Fergus 2015, with
    the frequency over all pixels); 'softened' its square root, which keeps a rare class
    from drowning the others. A class without pixels weighs 1: nothing is ever multiplied by it.
    """
    if mode not in ("median-frequency", "softened"):
        raise ValueError(f"unknown mode {mode!r}")
    weights = np.ones(len(pixels), np.float64)
    seen = pixels > 0
    if seen.any():
        weights[seen] = np.median(pixels[seen]) / pixels[seen]
    return (np.sqrt(weights) if mode == "softened" else weights).astype(np.float32)
