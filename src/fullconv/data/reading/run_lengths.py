"""COCO's run-length code: the counts of a class map's classes, and those in a compressed string."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError


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
    counts_of_value = {}
    for value in np.unique(values):
        inside = values == value
        edges = np.column_stack((bounds[:-1][inside], bounds[1:][inside])).ravel()
        whole = np.concatenate(([0], edges, [flat.size]))
        counts = np.diff(whole).tolist()
        counts_of_value[int(value)] = counts if counts[-1] else counts[:-1]
    return counts_of_value


def counts_of(text: str) -> npt.NDArray[np.int64]:
    """The counts in COCO's compressed string, int64; UserError where it is damaged.

    A number is written in digits of 5 bits, the lowest first, as the characters from '0' (48) on;
    bit 5 says that another digit follows, bit 4 of the last one is the sign. From the fourth run
    on, the number is the difference to the run two before (cocoapi, common/maskApi.c, rleToString).
    """
    digits = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    if not len(digits) or (digits < 0).any() or (digits > 63).any() or digits[-1] & 32:
        raise UserError("has counts that are no run lengths of COCO's, or cut off", "FC-DATA-135")
    ends = np.flatnonzero(digits & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(digits)) - np.repeat(starts, ends - starts + 1)
    if place.max() > 6:
        raise UserError("has counts with a number beyond any photo", "FC-DATA-135")
    lengths = np.add.reduceat((digits & 31) << 5 * place, starts)
    lengths -= np.where(digits[ends] & 16, 1 << 5 * (place[ends] + 1), 0)
    lengths[1::2], lengths[2::2] = np.cumsum(lengths[1::2]), np.cumsum(lengths[2::2])
    return lengths
