"""One confusion matrix over a whole data set -> the metrics of the FCN paper, per class too.

Notation of the paper (section 5): n_ij pixels of class i predicted as class j, t_i = sum_j n_ij.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fullconv.metrics import bootstrap, class_metrics
from fullconv.metrics.confusion_matrix import Counts, Matrix, counts_of
from fullconv.metrics.display import html_table, percent
from fullconv.metrics.per_photo import PhotoMetrics

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """The four metrics of the paper (0..1), and what they are made of.

    ``iu`` and ``accuracy`` hold one value a class, float64 (K,); ``pixels`` is t_i. A class that is
    neither in the truth nor in the prediction has the IU nan and leaves the mean; a class that is
    not in the truth has the accuracy nan (0/0) and leaves the mean. Without any counted pixel all
    scores are nan. ``photos`` are those of each photo, where they were kept: from them come the
    intervals, and the boundary IU where it was asked for.
    """

    pixel_accuracy: float
    mean_accuracy: float
    mean_iu: float
    fw_iu: float
    iu: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    pixels: npt.NDArray[np.int64]
    confusion: Matrix
    names: tuple[str, ...]
    photos: PhotoMetrics | None = None

    @classmethod
    def from_confusion(
        cls,
        matrix: "Matrix | torch.Tensor",
        names: Sequence[str] | None = None,
        photos: PhotoMetrics | None = None,
    ) -> "Scores":
        """Scores of ``matrix`` (K, K) as ``confusion`` counts it; ``names`` default to 0..K-1."""
        n = np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.cpu())
        counts = counts_of(n)
        iu, accuracy, true = class_metrics.iu(counts), class_metrics.accuracy(counts), counts[1]
        return cls(
            pixel_accuracy=float(class_metrics.pixel_accuracy(counts)),
            mean_accuracy=float(class_metrics.mean(accuracy)),
            mean_iu=float(class_metrics.mean(iu)),
            fw_iu=float(class_metrics.ratio(np.sum(true * np.nan_to_num(iu)), true.sum())),
            iu=iu,
            accuracy=accuracy,
            pixels=true,
            confusion=n.astype(np.int64, copy=False),
            names=tuple(names) if names is not None else tuple(str(i) for i in range(len(n))),
            photos=photos,
        )

    def __repr__(self) -> str:
        return f"Scores({self._said()})"

    def _said(self) -> str:
        photos = "" if self.photos is None else f", {len(self.photos)} photos"
        return (
            f"mean IU {percent(self.mean_iu)} %, pixel accuracy {percent(self.pixel_accuracy)} %, "
            f"{len(self.names)} classes{photos}"
        )

    def _repr_html_(self) -> str:
        values: dict[str, npt.NDArray[np.float64]] = {
            "IU": self.iu,
            "accuracy": self.accuracy,
            "precision": self.precision,
            "Dice": self.dice,
        }
        if self.boundary_iu is not None:
            values["boundary IU"] = self.boundary_iu
        total = max(int(self.pixels.sum()), 1)
        rows = [
            [name, *(percent(value[k]) for value in values.values()), percent(n / total)]
            for k, (name, n) in enumerate(zip(self.names, self.pixels.tolist(), strict=True))
        ]
        return html_table(
            ["class", *values, "share of pixels"], rows, f"In percent: {self._said()}"
        )

    @cached_property
    def counts(self) -> Counts:
        """Right, true and predicted pixels of each class, (3, K)."""
        return counts_of(self.confusion)

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """The share of each class in the labelled pixels, (K,)."""
        return self.pixels / max(int(self.pixels.sum()), 1)

    @cached_property
    def precision(self) -> npt.NDArray[np.float64]:
        """The share of the pixels predicted as a class that are right, (K,); nan for none."""
        return class_metrics.precision(self.counts)

    @cached_property
    def dice(self) -> npt.NDArray[np.float64]:
        """Dice's coefficient or F1, (K,), 2 IU / (1 + IU); nan where the IU is."""
        return class_metrics.dice(self.counts)

    @cached_property
    def boundary_iu(self) -> npt.NDArray[np.float64] | None:
        """Boundary IU of each class, (K,), from the counts of all photos together; or None."""
        if self.photos is None or self.photos.boundary is None:
            return None
        return class_metrics.iu(self.photos.boundary.sum(0))

    @property
    def mean_boundary_iu(self) -> float | None:
        """The mean boundary IU over the classes; None where it was not computed."""
        return None if self.boundary_iu is None else float(class_metrics.mean(self.boundary_iu))

    @cached_property
    def intervals(self) -> bootstrap.Intervals | None:
        """Bootstrap intervals of mean IU and IU; None where the photos were not kept."""
        return None if self.photos is None else bootstrap.intervals(self.photos.counts)

    def of(self, classes: slice) -> "Scores":
        """The scores of some of the classes alone, as those of one output of several."""
        photos = self.photos and self.photos.part(classes)
        part = self.confusion[classes, classes]
        return Scores.from_confusion(part, self.names[classes], photos)

    def summary(self) -> dict[str, float]:
        """The four scores alone, as pixel_accuracy, mean_accuracy, mean_iu, fw_iu."""
        return {key: getattr(self, key) for key in SUMMARY}

    def to_dict(self) -> dict[str, Any]:
        """As JSON types (nan becomes None); ``from_dict`` reads it back."""
        return {
            **{key: plain(value) for key, value in self.summary().items()},
            **self._boundary(),
            "averaged": "over the classes, from one confusion matrix of the whole data set",
            **_interval_of(self.intervals),
            "classes": [self._row(place) for place in range(len(self.names))],
            "confusion": self.confusion.tolist(),
        }

    def _boundary(self) -> dict[str, Any]:
        mean = self.mean_boundary_iu
        return {} if mean is None else {"mean_boundary_iu": plain(mean)}

    def _row(self, place: int) -> dict[str, Any]:
        """The entry of a class in the JSON."""
        row: dict[str, Any] = {"name": self.names[place]}
        values = {"iu": self.iu, "accuracy": self.accuracy, "precision": self.precision}
        values |= {"dice": self.dice}
        if self.boundary_iu is not None:
            values["boundary_iu"] = self.boundary_iu
        row |= {key: plain(value[place]) for key, value in values.items()}
        if self.intervals and self.intervals.iu[place].is_known:
            row["iu_interval"] = _ends(self.intervals.iu[place])
        return row | {"pixels": int(self.pixels[place])}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Scores":
        """The Scores whose ``to_dict`` this is; KeyError or ValueError for anything else."""
        names = [row["name"] for row in content["classes"]]
        matrix = np.array(content["confusion"], np.int64).reshape(len(names), len(names))
        return cls.from_confusion(matrix, names)


SUMMARY = ("pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu")


def plain(value: float) -> float | None:
    """A number for JSON: None for nan."""
    return None if np.isnan(value) else float(value)


def _ends(interval: bootstrap.Interval) -> list[float]:
    return [interval.low, interval.high]


def _interval_of(intervals: bootstrap.Intervals | None) -> dict[str, Any]:
    """The interval of the mean IU, and how it was drawn; empty where there is none."""
    if intervals is None or not intervals.mean_iu.is_known:
        return {}
    drawn = {"level": intervals.level, "resamples": intervals.resamples, "seed": intervals.seed}
    return {
        "mean_iu_interval": _ends(intervals.mean_iu),
        "intervals": {"photos": intervals.photos, **drawn},
    }
