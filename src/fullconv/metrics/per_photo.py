"""Metrics of each photo: a table to find the odd ones by, and what intervals are drawn from."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import match_classes
from fullconv.metrics import class_metrics
from fullconv.metrics.confusion_matrix import Counts
from fullconv.metrics.display import html_table, percent


@dataclass(frozen=True, eq=False, repr=False)
class PhotoMetrics:
    """The counts of each of P photos, int64 (P, 3, K), with the names of photos and classes.

    ``boundary`` are the counts of `fullconv.metrics.boundary`, of the same shape, where they were
    asked for.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    counts: Counts
    boundary: Counts | None = None

    def __repr__(self) -> str:
        return f"PhotoMetrics({len(self)} photos, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        accuracy = class_metrics.pixel_accuracy(self.counts)
        mean_iu = class_metrics.mean(class_metrics.iu(self.counts))
        rows = [
            (name, percent(float(right)), percent(float(iu)))
            for name, right, iu in zip(self.names, accuracy, mean_iu, strict=True)
        ]
        return html_table(("photo", "pixel accuracy", "mean IU"), rows, "In percent")

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        classes: Sequence[str],
        counts: Iterable[Counts],
        boundary: Iterable[Counts] | None = None,
    ) -> "PhotoMetrics":
        """From counts (3, K), one for each name."""
        outlines = None if boundary is None else _stacked(boundary, len(classes))
        return cls(tuple(names), tuple(classes), _stacked(counts, len(classes)), outlines)

    def __len__(self) -> int:
        return len(self.names)

    def part(self, classes: slice) -> "PhotoMetrics":
        """The metrics of some of the classes alone."""
        boundary = None if self.boundary is None else self.boundary[..., classes]
        return PhotoMetrics(self.names, self.classes[classes], self.counts[..., classes], boundary)

    def ordered(self, classes: Sequence[str]) -> "PhotoMetrics":
        """The same with the classes in the order of ``classes``; UserError for other names."""
        order = np.argsort(match_classes(classes, self.classes, ("the first", "the other")))
        boundary = None if self.boundary is None else self.boundary[..., order]
        return PhotoMetrics(self.names, tuple(classes), self.counts[..., order], boundary)

    def to_csv(self) -> str:
        """A row a photo, the values 0..1 with six digits, an empty cell where there is none.

        ``name``, ``pixel_accuracy``, ``mean_iu`` over the classes that are in the photo or its
        prediction, with boundaries ``mean_boundary_iu``; then of each class CLASS its true pixels
        (``pixels CLASS``) and its IU (``iu CLASS``).
        """
        iu = class_metrics.iu(self.counts)
        columns: dict[str, npt.NDArray[Any]] = {
            "pixel_accuracy": class_metrics.pixel_accuracy(self.counts),
            "mean_iu": class_metrics.mean(iu),
        }
        if self.boundary is not None:
            columns["mean_boundary_iu"] = class_metrics.mean(class_metrics.iu(self.boundary))
        for index, name in enumerate(self.classes):
            columns[f"pixels {name}"] = self.counts[:, 1, index]
            columns[f"iu {name}"] = iu[:, index]
        file = io.StringIO(newline="")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", *columns])
        for row, name in enumerate(self.names):
            writer.writerow([name, *(_cell(column[row]) for column in columns.values())])
        return file.getvalue()


def _stacked(counts: Iterable[Counts], classes: int) -> Counts:
    return np.array(list(counts), np.int64).reshape(-1, 3, classes)


def _cell(value: Any) -> str:
    if isinstance(value, np.integer):
        return str(value)
    return "" if np.isnan(value) else f"{value:.6f}"
