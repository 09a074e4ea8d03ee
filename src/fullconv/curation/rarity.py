"""Which classes are rare among the labels, and how much of them a photo shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.curation.photo_views import PhotoView

RARE = 0.25  # of an equal share of the labelled pixels: a class with less is rare
ADDED = 0.005  # of an equal share that is added to each for the bits, so that they are finite
SEEN = 0.001  # share of a photo from which a class counts as seen

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rarity:
    """The share of each class, ``frequency`` (K,), among the pixels of what is ``counted``, and
    the ``bits`` (K,): log2 of an equal share (1 / classes of the output) over the frequency for
    classes that are rare, 0 for the others."""

    frequency: Values
    bits: Values
    counted: str

    @classmethod
    def of(
        cls, pixels: npt.NDArray[np.int64] | None, views: Sequence[PhotoView], classes: ClassSet
    ) -> "Rarity":
        """By the labelled ``pixels`` (K,) of each class; None: by the predictions for ``views``."""
        counted = "these photos" if pixels is None else "the labelled pixels"
        counts = sum((view.shares for view in views), np.zeros(len(classes)))
        frequency, bits = np.empty(len(classes)), np.zeros(len(classes))
        for output in classes.outputs:
            part = (counts if pixels is None else pixels)[output.channels].astype(np.float64)
            shares = part / part.sum() if part.any() else np.full(len(part), 1 / len(part))
            relative = (shares * len(part) + ADDED) / (1 + ADDED)
            frequency[output.channels] = shares
            bits[output.channels] = np.where(relative < RARE, -np.log2(relative), 0)
        return cls(frequency, bits, counted)

    def of_photo(self, shares: npt.NDArray[np.float32]) -> float:
        """The bits of a photo's pixels in all, each class by its share (K,)."""
        return float(shares @ self.bits)

    def seen_in(self, shares: npt.NDArray[np.float32]) -> int | None:
        """The rare class that adds most bits, of those of which a photo has more than usual."""
        is_seen = (shares >= SEEN) & (shares > self.frequency)
        bits = np.where(is_seen, shares * self.bits, 0)
        return int(bits.argmax()) if bits.any() else None
