"""Run-length code of a class map as COCO has it: for each class, where it begins and ends."""

from typing import Any

import numpy as np
import numpy.typing as npt


def coco_counts(mask: npt.NDArray[np.integer]) -> dict[int, list[int]]:
    """The counts of each value that occurs in ``mask`` (H, W), rising by value.

    COCO's uncompressed code (``pycocotools.mask.frPyObjects`` reads it with the size [H, W]): the
    pixels run down the columns, and the counts are by turns of pixels outside and inside, beginning
    outside, with a 0 where the first pixel is inside.
    """
    flat: npt.NDArray[Any] = mask.ravel(order="F")
    bounds = np.concatenate(
        ([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size])
    )  # where runs begin, and the end
    values = flat[bounds[:-1]]
    found = {}
    for value in np.unique(values):
        inside = values == value
        edges = np.column_stack((bounds[:-1][inside], bounds[1:][inside])).ravel()
        whole = np.concatenate(([0], edges, [flat.size]))
        counts = np.diff(whole).tolist()
        found[int(value)] = counts if counts[-1] else counts[:-1]
    return found
