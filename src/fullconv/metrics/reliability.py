"""Whether a net is right as often as it is confident: bins of confidence, ECE, their JSON.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 15  # as in the paper's tables

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Pixels by the probability of their predicted class, in bins of equal width from 0 to 1.

    Of each bin, which has its upper end and not its lower one: how many ``pixels``, how many of
    them are ``right``, and the sum of their ``confidence``; float64 (bins,).
    """

    pixels: Numbers
    right: Numbers
    confidence: Numbers

    @classmethod
    def none(cls, bins: int = BINS) -> "Reliability":
        """The reliability of no pixels."""
        return cls(np.zeros(bins), np.zeros(bins), np.zeros(bins))

    @classmethod
    def of(
        cls, confidence: npt.NDArray[Any], right: npt.NDArray[np.bool_], bins: int = BINS
    ) -> "Reliability":
        """The reliability of pixels: the probability of each one's class, and whether it is right.

        Both have the same shape.
        """
        sure = confidence.ravel().astype(np.float64)
        place = np.clip(np.ceil(sure * bins).astype(np.intp) - 1, 0, bins - 1)
        counts = np.bincount(place, minlength=bins).astype(np.float64)
        hits = np.bincount(place, right.ravel().astype(np.float64), bins).astype(np.float64)
        return cls(counts, hits, np.bincount(place, sure, bins).astype(np.float64))

    def __add__(self, other: "Reliability") -> "Reliability":
        return Reliability(
            self.pixels + other.pixels,
            self.right + other.right,
            self.confidence + other.confidence,
        )

    @property
    def total(self) -> float:
        """All pixels; 1 where there are none, to divide by."""
        return max(float(self.pixels.sum()), 1.0)

    @property
    def accuracy(self) -> float:
        """The share of the pixels that are right, 0..1."""
        return float(self.right.sum()) / self.total

    @property
    def mean_confidence(self) -> float:
        """The mean probability of the predicted classes, 0..1."""
        return float(self.confidence.sum()) / self.total

    @property
    def ece(self) -> float:
        """The expected calibration error, 0..1.

        The mean over all pixels of |share that is right - mean confidence| of their bins.
        """
        return float(np.abs(self.right - self.confidence).sum()) / self.total

    def to_dict(self) -> dict[str, list[float]]:
        """As plain JSON types."""
        return {
            "pixels": self.pixels.tolist(),
            "right": self.right.tolist(),
            "confidence": [round(value, 3) for value in self.confidence.tolist()],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Reliability":
        """The inverse of ``to_dict``; ValueError, KeyError or TypeError for anything else."""
        columns = [np.asarray(values[key], np.float64) for key in ("pixels", "right", "confidence")]
        shapes = {column.shape for column in columns}
        if len(shapes) > 1 or columns[0].ndim != 1 or not 1 <= len(columns[0]) <= 1000:
            raise ValueError("the bins of a calibration do not belong together")
        if not all(np.isfinite(column).all() and (column >= 0).all() for column in columns):
            raise ValueError("the bins of a calibration hold no counts")
        return cls(*columns)
