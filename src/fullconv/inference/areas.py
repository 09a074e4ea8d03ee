"""How much of each photo or raster each class covers, as a table: areas.csv."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.files.atomic import write_atomically
from fullconv.files.file_errors import file_errors
from fullconv.inference.photos.find_photos import Input
from fullconv.inference.prediction import Prediction

COLUMNS = ("photo", "class", "pixels", "share", "square_metres")


@dataclass
class AreaTable:
    """A row for each photo and class, in the order of the classes.

    The share is that of the pixels that have a class; the area in square metres is empty where the
    size of a pixel is not known.
    """

    rows: list[tuple[str, str, int, float, str]] = field(default_factory=list)

    def add_prediction(self, photo: Input, prediction: Prediction) -> None:
        """The classes of a photo; of a net with several outputs as 'OUTPUT: CLASS'."""
        if prediction.classes.is_overlapping:
            for output, mask in zip(prediction.classes.outputs, prediction.masks, strict=True):
                inside = int(mask.sum())
                counts = [mask.size - inside, inside]
                self.add(str(photo), output.classes, counts, output=output.name)
            return
        for part in (prediction, *prediction.other_outputs.values()):
            counts = np.bincount(part.mask.ravel(), minlength=len(part.classes))
            self.add(str(photo), part.classes, counts.tolist(), output=part.output)

    def add(
        self, photo: str, classes: ClassSet, counts: Sequence[int], output: str = "",
        pixel: float | None = None,
    ) -> None:  # fmt: skip
        """``counts`` are the pixels of each value; ``pixel`` the area of one in square metres."""
        known = list(counts)[: len(classes)]
        whole = sum(known)
        for name, count in zip(classes.names, known, strict=True):
            label = f"{output}: {name}" if output else name
            area = "" if pixel is None else f"{count * pixel:.4f}".rstrip("0").rstrip(".")
            self.rows.append((photo, label, count, count / whole if whole else 0.0, area))

    def write(self, path: Path) -> None:
        """Write the table; it appears whole or not at all."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for photo, label, count, share, area in self.rows:
            writer.writerow([photo, label, count, f"{share:.6f}", area])
        with file_errors(path, writing=True):
            write_atomically(path, text.getvalue())
