"""Scores of classes that may overlap: for each class the pixels where it is, and how sure.

The probabilities of all pixels are counted in bins, so that the memory does not grow with the
photos; `BINS` of them place a threshold to a thousandth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.metrics import class_metrics
from fullconv.metrics.confusion_matrix import Counts
from fullconv.metrics.display import percent
from fullconv.metrics.per_photo import PhotoMetrics
from fullconv.metrics.scores import Scores, plain

BINS = 1000
POINTS = 101  # of a curve in scores.json
Floats = npt.NDArray[np.float64]


def plane_counts(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The confusion of each class, int64 (K, 2, 2), rows the truth: absent, present.

    ``truth`` and ``prediction`` are (H, W, K), or (H, W) of one class, of 0 and 1; what has
    another value in the truth is left out.
    """
    classes = 1 if truth.ndim == 2 else truth.shape[2]
    true, predicted = truth.reshape(-1, classes), prediction.reshape(-1, classes)
    counts = np.empty((classes, 2, 2), np.int64)
    for row in (0, 1):
        for column in (0, 1):
            counts[:, row, column] = ((true == row) & (predicted == column)).sum(0)
    return counts


def counts_of_planes(confusion: npt.NDArray[Any]) -> Counts:
    """Right, true and predicted pixels of each class, (3, K), of confusions (K, 2, 2)."""
    return np.stack([confusion[:, 1, 1], confusion[:, 1].sum(1), confusion[:, :, 1].sum(1)])


class Histogram:
    """Pixels of each class by truth and probability, int64 (K, 2, BINS); bin b from b / BINS on."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, 2, BINS), np.int64)

    def add(self, truth: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> None:
        """Add a photo: truth (H, W, K) or (H, W), of 0, 1 and others; probabilities (K, H, W)."""
        planes = truth[..., None] if truth.ndim == 2 else truth
        for index, probability in enumerate(probabilities):
            bins = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
            for value in (0, 1):
                inside = bins[planes[..., index] == value]
                self.counts[index, value] += np.bincount(inside, minlength=BINS)

    def curves(self) -> "Curves":
        """Precision and recall at the thresholds 0, 1 / BINS, ... 1."""
        above = np.cumsum(self.counts[:, :, ::-1], 2)[:, :, ::-1]  # K,2,BINS: from each bin on
        above = np.concatenate([above, np.zeros_like(above[..., :1])], 2)  # K,2,T
        false, right = above[:, 0], above[:, 1]
        total = right[:, :1]
        precision = class_metrics.ratio(right, right + false)  # nan where nothing is predicted
        precision = np.where(np.isnan(precision), 1.0, precision)
        recall = class_metrics.ratio(right, np.broadcast_to(total, right.shape))
        thresholds = np.arange(BINS + 1) / BINS
        return Curves(thresholds, precision, recall, average_precision(precision, recall))


@dataclass(frozen=True, eq=False)
class Curves:
    """Precision and recall of each class, (K, T), at rising ``thresholds`` (T,).

    Recall is nan for a class that is nowhere; ``average_precision`` (K,) then too. Where nothing is
    predicted the precision is 1, as in scikit-learn.
    """

    thresholds: Floats
    precision: Floats
    recall: Floats
    average_precision: Floats

    def of(self, classes: slice) -> "Curves":
        """The curves of some of the classes."""
        parts = self.precision[classes], self.recall[classes], self.average_precision[classes]
        return Curves(self.thresholds, *parts)

    @property
    def f1(self) -> Floats:
        """F1 (Dice) at each threshold, (K, T); it is highest where the IU is."""
        return class_metrics.ratio(2 * self.precision * self.recall, self.precision + self.recall)

    def best_thresholds(self, default: Sequence[float]) -> tuple[float, ...]:
        """The threshold of the highest F1 of each class; ``default`` where a class is nowhere.

        Of equal ones the middle. None is 0 or 1.
        """
        best = []
        for f1, default_threshold in zip(self.f1, default, strict=True):
            inner = f1[1:-1]
            if not (inner > 0).any():
                best.append(float(default_threshold))
                continue
            equal = np.flatnonzero(inner >= np.nanmax(inner) - 1e-12)
            best.append(float(self.thresholds[1 + equal[len(equal) // 2]]))
        return tuple(best)

    def iu_at(self, thresholds: Sequence[float]) -> Floats:
        """The IU of each class at its threshold, (K,), which follows from its F1."""
        places = np.searchsorted(self.thresholds, np.asarray(thresholds) - 1e-9)
        f1 = self.f1[np.arange(len(places)), places]
        return f1 / (2 - f1)

    def shortened(self, points: int = POINTS) -> "Curves":
        """The curves at fewer thresholds."""
        places = np.linspace(0, len(self.thresholds) - 1, points).round().astype(int)
        parts = self.precision[:, places], self.recall[:, places], self.average_precision
        return Curves(self.thresholds[places], *parts)

    def to_dict(self, place: int) -> dict[str, Any]:
        """The curves of one class as JSON types."""
        return {
            "thresholds": [round(float(t), 4) for t in self.thresholds],
            "precision": [_rounded(value) for value in self.precision[place]],
            "recall": [_rounded(value) for value in self.recall[place]],
        }


def average_precision(precision: Floats, recall: Floats) -> Floats:
    """The sum of precision times the step of recall, (K,), of values at rising thresholds (K, T).

    As scikit-learn's ``average_precision_score``, without interpolation.
    """
    return -(np.diff(recall, axis=1) * precision[:, :-1]).sum(1)


@dataclass(frozen=True, eq=False, repr=False)
class MultilabelScores(Scores):
    """Scores of classes that may overlap, from one confusion (absent, present) of each class.

    ``confusion`` is int64 (K, 2, 2). ``accuracy`` is the recall, ``dice`` the F1;
    ``pixel_accuracy`` the share of right decisions over all classes. A class that is neither in the
    truth nor predicted leaves the means. ``curves`` are None where only classes were given, no
    probabilities.
    """

    thresholds: tuple[float, ...] = ()
    curves: Curves | None = None

    @classmethod
    def of_planes(
        cls,
        confusion: npt.NDArray[np.int64],
        names: Sequence[str],
        thresholds: Sequence[float],
        photos: PhotoMetrics | None = None,
        curves: Curves | None = None,
    ) -> "MultilabelScores":
        """From the confusions (K, 2, 2)."""
        counts = counts_of_planes(confusion)
        iu, recall, true = class_metrics.iu(counts), class_metrics.accuracy(counts), counts[1]
        right = np.trace(confusion, axis1=1, axis2=2).sum()
        return cls(
            pixel_accuracy=float(class_metrics.ratio(right, confusion.sum())),
            mean_accuracy=float(class_metrics.mean(recall)),
            mean_iu=float(class_metrics.mean(iu)),
            fw_iu=float(class_metrics.ratio(np.sum(true * np.nan_to_num(iu)), true.sum())),
            iu=iu,
            accuracy=recall,
            pixels=true,
            confusion=confusion,
            names=tuple(names),
            photos=photos,
            thresholds=tuple(thresholds),
            curves=curves,
        )

    @property
    def task(self) -> str:
        """'binary' or 'multilabel'."""
        return "binary" if len(self.names) == 1 else "multilabel"

    @cached_property
    def counts(self) -> Counts:
        """Right, true and predicted pixels of each class, (3, K)."""
        return counts_of_planes(self.confusion)

    @property
    def labelled(self) -> npt.NDArray[np.int64]:
        """Pixels of which it is known whether they have the class, (K,)."""
        return self.confusion.sum((1, 2))

    @property
    def shares(self) -> Floats:
        """The share of the labelled pixels that have each class, (K,); they may sum to above 1."""
        return self.pixels / np.maximum(self.labelled, 1)

    @property
    def average_precision(self) -> Floats | None:
        """The area below the precision-recall curve of each class, (K,); None without curves."""
        return None if self.curves is None else self.curves.average_precision

    @property
    def mean_average_precision(self) -> float | None:
        """The mean average precision over the classes that have pixels."""
        return (
            None
            if self.curves is None
            else float(class_metrics.mean(self.curves.average_precision))
        )

    def of(self, classes: slice) -> "MultilabelScores":
        """The scores of some of the classes alone."""
        return MultilabelScores.of_planes(
            self.confusion[classes],
            self.names[classes],
            self.thresholds[classes],
            self.photos and self.photos.part(classes),
            self.curves and self.curves.of(classes),
        )

    def _said(self) -> str:
        mean = self.mean_average_precision
        average = "" if mean is None else f", mean average precision {percent(mean)} %"
        return f"{super()._said()}{average}, {self.task}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, with the curves at `POINTS` thresholds; ``from_dict`` reads it back."""
        mean = self.mean_average_precision
        more = {} if mean is None else {"mean_average_precision": plain(mean)}
        averaging = {
            "averaged": "over the classes, from one confusion of each on the whole data set"
        }
        return {"task": self.task, **super().to_dict(), **averaging, **more}

    def _row(self, place: int) -> dict[str, Any]:
        row = {**super()._row(place), "threshold": self.thresholds[place]}
        row |= {"recall": row["accuracy"], "f1": row["dice"]}
        if self.curves is not None:
            row["average_precision"] = plain(self.curves.average_precision[place])
            row["curve"] = self.curves.shortened().to_dict(place)
        return row

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "MultilabelScores":
        """The inverse of ``to_dict``; KeyError or ValueError for anything else."""
        rows = content["classes"]
        confusion = np.array(content["confusion"], np.int64).reshape(len(rows), 2, 2)
        thresholds = [float(row["threshold"]) for row in rows]
        curves = _curves_of(rows) if all("curve" in row for row in rows) else None
        return cls.of_planes(confusion, [row["name"] for row in rows], thresholds, None, curves)


def _curves_of(rows: Sequence[Mapping[str, Any]]) -> Curves:
    tables = [[_floats(row["curve"][key]) for row in rows] for key in ("precision", "recall")]
    average = _floats([row["average_precision"] for row in rows])
    precision, recall = (np.array(table, np.float64) for table in tables)
    return Curves(_floats(rows[0]["curve"]["thresholds"]), precision, recall, average)


def _floats(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 5)
