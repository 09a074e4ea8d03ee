"""How often each class appears, and the weights that follow from it."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from fullconv.data.sample import Source
from fullconv.data.splits.overlapping import counts_of_planes

Weighting = Literal["median-frequency", "softened", "mild"]
MOST_WEIGHT = 100.0  # of a present pixel: more would drown all others in a few
POWERS: dict[Weighting, float] = {"median-frequency": 1.0, "softened": 0.5, "mild": 0.25}
"""The weightings, each with the power of median / own frequency that it is."""


@dataclass(frozen=True, eq=False, repr=False)
class ClassCounts:
    """How often each class appears in ``masks`` masks, int64 (K,) each; ignored pixels left out.

    ``pixels`` of the class, ``photos`` that show it, and ``around``: the labelled pixels, of any
    class, of those photos. ``whole`` are the pixels that shares are taken of, where classes may
    overlap: those of all masks; None: the labelled ones.
    """

    pixels: npt.NDArray[np.int64]
    photos: npt.NDArray[np.int64]
    around: npt.NDArray[np.int64]
    masks: int
    whole: int | None = None

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """The share of each class in the pixels, (K,)."""
        whole = int(self.pixels.sum()) if self.whole is None else self.whole
        return self.pixels / max(whole, 1)

    def __repr__(self) -> str:
        return f"ClassCounts({len(self.pixels)} classes in {self.masks} masks)"


def count_classes(
    source: Source,
    progress: Callable[[int, int], object] | None = None,
    most: int | None = None,
) -> ClassCounts:
    """Count the classes of ``source``.

    With ``most`` only so many masks are read, evenly spread. UserError for a mask that cannot be
    read.
    """
    step = 1 if most is None else max(1, -(-len(source) // most))
    picked = range(0, len(source), step)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:

        def counted() -> Iterator[npt.NDArray[np.int64]]:
            counts = pool.map(lambda i: _count(source, i), picked)
            for done, pixels in enumerate(counts, 1):
                if progress:
                    progress(done, len(picked))
                yield pixels

        counts = tally(counted(), len(source.classes))
    if not source.classes.is_overlapping:
        return counts
    masks = (source.mask(index) for index in picked)
    return replace(counts, whole=sum(m.shape[0] * m.shape[1] for m in masks if m is not None))


def tally(masks_counts: Iterable[npt.NDArray[np.int64]], classes: int) -> ClassCounts:
    """The counts of all masks from the pixels of each class in each, int64 (K,)."""
    pixels, photos, around = np.zeros((3, classes), np.int64)
    masks = 0
    for counts in masks_counts:
        pixels += counts
        photos += counts > 0
        around += (counts > 0) * counts.sum()
        masks += 1
    return ClassCounts(pixels, photos, around, masks)


def _count(source: Source, index: int) -> npt.NDArray[np.int64]:
    mask, count = source.mask(index), len(source.classes)
    if mask is None:
        return np.zeros(count, np.int64)
    if source.classes.is_overlapping:
        return counts_of_planes(mask, count)[1]
    return np.bincount(mask.ravel(), minlength=count)[:count].astype(np.int64)


def class_weights(
    counts: ClassCounts, mode: Weighting = "median-frequency"
) -> npt.NDArray[np.float32]:
    """Loss weight of each class, float32 (K,).

    'median-frequency' (Eigen and Fergus 2015): median(f) / f, where f is the share of the class in
    the labelled pixels of the photos that show it. 'softened': the square root of median(p) / p,
    with p the pixels in the whole set, which keeps a rare class from drowning the others. 'mild':
    the fourth root of it, for a long training, where larger weights cost precision.
    A class without pixels weighs 1: nothing is ever multiplied by it.
    """
    if mode not in POWERS:
        raise ValueError(f"unknown mode {mode!r}")
    weights = np.ones(len(counts.pixels), np.float64)
    seen = counts.pixels > 0
    if not seen.any():
        return weights.astype(np.float32)
    often = counts.pixels[seen].astype(np.float64)
    if mode == "median-frequency":
        often /= counts.around[seen]
    weights[seen] = np.median(often) / often
    return (weights ** POWERS[mode]).astype(np.float32)


def positive_weights(
    source: Source, how: Literal["balanced", "softened"], most: int | None = 500
) -> npt.NDArray[np.float32]:
    """The weight of the present pixels of each overlapping class against the absent ones, (K,).

    'balanced': absent / present pixels of the class, so that both weigh the same; 'softened': the
    square root of it. At most `MOST_WEIGHT`; a class without pixels weighs 1. Counted over ``most``
    masks, evenly spread.
    """
    step = 1 if most is None else max(1, -(-len(source) // most))
    total = np.zeros((3, len(source.classes)), np.int64)
    for index in range(0, len(source), step):
        mask = source.mask(index)
        if mask is not None:
            total += counts_of_planes(mask, len(source.classes))
    absent, present = total[0].astype(np.float64), total[1]
    weights = np.where(present > 0, absent / np.maximum(present, 1), 1.0)
    weights = np.clip(weights, 1 / MOST_WEIGHT, MOST_WEIGHT)
    return (weights if how == "balanced" else np.sqrt(weights)).astype(np.float32)
