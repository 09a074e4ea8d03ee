"""Label images whose numbers a published table explains."""

from collections.abc import Container
from pathlib import Path

import numpy as np

from fullconv.data.checks.findings import DataError
from fullconv.data.reading.mask import stored_values
from fullconv.data.sample import Mask


def read_numbers(file: Path, known: Container[int], what: str) -> Mask:
    """A grey or palette image of at most 16 bits as its numbers, (H, W).

    Raises UserError (DataError) for a colour image and for a number that is not ``known``, which
    ``what`` describes.
    """
    values = stored_values(file)
    if values.ndim != 2:
        raise DataError(file, "is a colour image, which holds no numbers", "a picture for the eye",
                        "use the file with one channel")  # fmt: skip
    for value, pixels in zip(*np.unique(values, return_counts=True), strict=True):
        if int(value) not in known:
            raise DataError(file, f"value {value} ({pixels} pixels) is not {what}",
                            "a file of another data set, or a damaged one", "")  # fmt: skip
    return values
