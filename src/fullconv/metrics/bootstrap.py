"""How far to trust a mean IU: the photos resampled a thousand times (the bootstrap).

B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: percentile intervals.
A draw takes as many photos as there are, each as often as it comes; its metrics follow from the sum
of the photos' counts. The interval says how the number would vary over other sets of photos of
the same kind, provided that the photos are independent of one another. Frames of one film are not:
of them it is too narrow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.metrics import class_metrics
from fullconv.metrics.confusion_matrix import Counts
from fullconv.metrics.display import percent
from fullconv.metrics.per_photo import PhotoMetrics

RESAMPLES, LEVEL, SEED = 1000, 0.95, 0
AT_ONCE = 2**22  # weights that are held at a time


@dataclass(frozen=True)
class Interval:
    """The ends of an interval; nan where there is none."""

    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there is one."""
        return not (np.isnan(self.low) or np.isnan(self.high))


@dataclass(frozen=True, eq=False, repr=False)
class Intervals:
    """The intervals of the mean IU over all classes and of the IU of each, in shares of 1.

    ``level`` of all draws lies inside, and as many below as above. Of fewer than two photos there
    is none, and of a class only where it is in some photo.
    """

    mean_iu: Interval
    iu: tuple[Interval, ...]
    photos: int
    level: float = LEVEL
    resamples: int = RESAMPLES
    seed: int = SEED

    def __repr__(self) -> str:
        ends = f"{percent(self.mean_iu.low)} to {percent(self.mean_iu.high)} %"
        return f"Intervals(mean IU {ends}, level {self.level:g}, {self.photos} photos)"


def intervals(counts: Counts, resamples: int = RESAMPLES, seed: int = SEED) -> Intervals:
    """The intervals of the counts (P, 3, K) of photos; the same ones for the same ``seed``."""
    ious = np.concatenate(
        [class_metrics.iu(sample) for sample in _drawn(counts, resamples, seed)]
    )  # R,K
    return Intervals(
        _interval(class_metrics.mean(ious)),
        tuple(_interval(values) for values in ious.T),
        len(counts),
        resamples=resamples,
        seed=seed,
    )


@dataclass(frozen=True)
class Difference:
    """By how much the mean IU of a first net is above that of a second one, in shares of 1."""

    value: float
    interval: Interval

    @property
    def is_told(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval.is_known and not self.interval.low <= 0 <= self.interval.high


def difference(
    first: PhotoMetrics, second: PhotoMetrics, resamples: int = RESAMPLES, seed: int = SEED
) -> Difference:
    """The difference of mean IU on the same photos, drawn together: what is hard is so for both.

    Classes are matched by name. Raises ValueError for what cannot be compared (``obstacle``).
    """
    if reason := obstacle(first, second):
        raise ValueError(reason)
    second = second.ordered(first.classes)
    both = np.stack([first.counts, second.counts], 1)  # P,2,3,K
    drawn = np.concatenate([_mean_iu(sample) for sample in _drawn(both, resamples, seed)])  # R,2
    value = _mean_iu(both.sum(0))
    return Difference(float(value[0] - value[1]), _interval(drawn[:, 0] - drawn[:, 1]))


def obstacle(first: PhotoMetrics, second: PhotoMetrics) -> str | None:
    """Why two cannot be compared; None where they can."""
    if {*first.classes} != {*second.classes}:
        return "their classes differ"
    second = second.ordered(first.classes)
    if first.names != second.names or not np.array_equal(first.counts[:, 1], second.counts[:, 1]):
        return "they were not evaluated on the same photos"
    return None


def _mean_iu(counts: Counts) -> npt.NDArray[np.float64]:
    return class_metrics.mean(class_metrics.iu(counts))


def _drawn(counts: Counts, resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Sums of the counts (P, ...) of photos drawn with replacement, R,... of some draws a time.

    Whole numbers in float64, which are exact up to 2**53. Nothing of fewer than two photos.
    """
    photos = len(counts)
    if photos < 2:
        yield np.full((1, *counts.shape[1:]), np.nan)
        return
    flat = counts.reshape(photos, -1).astype(np.float64)
    rng, shares = np.random.default_rng(seed), np.full(photos, 1 / photos)
    step = max(1, AT_ONCE // photos)
    for first in range(0, resamples, step):
        weights = rng.multinomial(photos, shares, min(step, resamples - first))  # R,P
        yield (weights.astype(np.float64) @ flat).reshape(-1, *counts.shape[1:])


def _interval(values: npt.NDArray[Any]) -> Interval:
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    rest = (1 - LEVEL) / 2
    low, high = np.quantile(known, [rest, 1 - rest])
    return Interval(float(low), float(high))
