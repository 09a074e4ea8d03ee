"""IU, accuracy, precision and Dice of each class from its `Counts`, and their mean."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.metrics.confusion_matrix import Counts

Values = npt.NDArray[np.float64]


def iu(counts: Counts) -> Values:
    """Intersection over union of each class, (..., K); nan for a class in neither map."""
    right, true, predicted = _parts(counts)
    return ratio(right, true + predicted - right)


def accuracy(counts: Counts) -> Values:
    """Right pixels in the true ones (recall), (..., K); nan for a class that is not true."""
    right, true, _ = _parts(counts)
    return ratio(right, true)


def precision(counts: Counts) -> Values:
    """Right pixels in the predicted ones, (..., K); nan for a class that is not predicted."""
    right, _, predicted = _parts(counts)
    return ratio(right, predicted)


def dice(counts: Counts) -> Values:
    """Dice's coefficient, which is the F1 score, (..., K); nan for a class in neither map."""
    right, true, predicted = _parts(counts)
    return ratio(2 * right, true + predicted)


def pixel_accuracy(counts: Counts) -> Values:
    """Right pixels in all, (...); nan without any."""
    right, true, _ = _parts(counts)
    return ratio(right.sum(-1), true.sum(-1))


def mean(values: npt.NDArray[np.float64]) -> Values:
    """The mean over the last axis of all that is not nan; nan where nothing is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(-1), known.sum(-1))


def ratio(part: Any, whole: Any) -> Values:
    """``part / whole``, nan where ``whole`` is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _parts(counts: Counts) -> tuple[Counts, Counts, Counts]:
    return counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
