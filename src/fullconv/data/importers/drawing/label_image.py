"""A label image -> the label of each pixel."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fullconv.data.importers.annotations import UNLABELLED, Painted, Size
from fullconv.data.layouts.pairs import size_mismatch
from fullconv.data.reading.mask import stored_values
from fullconv.data.sample import Mask
from fullconv.errors import DataError


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A file with one value a pixel; ``labels`` says what the values mean.

    ``read(file)`` gives the values, (H, W), and raises UserError for a value that cannot be;
    a value that ``labels`` leaves out is a pixel without label.
    """

    file: Path
    photo: Path
    labels: Mapping[int, str]
    read: Callable[[Path], Mask]

    def paint(self, size: Size, numbers: Mapping[str, int]) -> Painted:
        values = self.read(self.file)
        if values.shape != size:
            raise size_mismatch(self.photo, self.file, size, values.shape)
        table = np.full(int(max(values.max(initial=0), *self.labels)) + 1, UNLABELLED, np.int32)
        for value, label in self.labels.items():
            table[value] = numbers[label]
        return Painted(table[values])


def read_numbers(file: Path, known: Container[int], what: str) -> Mask:
    """A grey or palette image of at most 16 bits as its numbers, (H, W).

    Raises UserError (DataError) for a colour image and for a number that is not ``known``, which
    ``what`` describes.
    """
    values = stored_values(file)
    if values.ndim != 2:
        raise DataError(file, "is a colour image, which holds no numbers", "a picture for the eye",
                        "use the file with one channel", "FC-IMPORT-015")  # fmt: skip
    for value, pixels in zip(*np.unique(values, return_counts=True), strict=True):
        if int(value) not in known:
            raise DataError(file, f"value {value} ({pixels} pixels) is not {what}",
                            "a file of another data set, or a damaged one", "",
                            "FC-IMPORT-015")  # fmt: skip
    return values
