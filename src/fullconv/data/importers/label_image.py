"""A label image -> the label of each pixel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fullconv.data.importers.annotations import UNLABELLED, Painted, Size
from fullconv.data.layouts.pairs import size_mismatch
from fullconv.data.sample import Mask


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
