"""Resizing: photos are averaged, masks never."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from fullconv.data.sample import Image, Mask

Part = tuple[int, int, int, int]
"""top, left, bottom, right, in pixels of the resized picture."""


def resize_image(image: Image, size: tuple[int, int], part: Part | None = None) -> Image:
    """``image`` (H, W, C) at ``size`` (height, width), bilinear and free of aliasing.

    uint8 or float32. With ``part`` only that rectangle of the result is computed, as if cut from
    the whole.
    """
    top, left, bottom, right = part or (0, 0, *size)
    step_y, step_x = image.shape[0] / size[0], image.shape[1] / size[1]
    if (step_y, step_x) == (1, 1):
        return image[top:bottom, left:right]
    box = (left * step_x, top * step_y, right * step_x, bottom * step_y)
    # What the filter can reach is cut out first: Pillow copies what it is given.
    first_x, last_x = _reach(box[0], box[2], step_x, image.shape[1])
    first_y, last_y = _reach(box[1], box[3], step_y, image.shape[0])
    sources = layers(image[first_y:last_y, first_x:last_x])
    box = (box[0] - first_x, box[1] - first_y, box[2] - first_x, box[3] - first_y)
    box = _inside(box, sources[0])
    target, bilinear = (right - left, bottom - top), Pillow.Resampling.BILINEAR
    return join_layers([source.resize(target, bilinear, box=box) for source in sources])


def layers(image: Image) -> list[Pillow.Image]:
    """``image`` (H, W, C) as Pillow can hold it: one RGB picture, or one of grey for a channel."""
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return [Pillow.fromarray(image)]
    return [Pillow.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]


def join_layers(pictures: list[Pillow.Image]) -> Image:
    """The image (H, W, C) of its ``layers``."""
    arrays = [np.array(picture) for picture in pictures]
    return arrays[0] if arrays[0].ndim == 3 else np.dstack(arrays)


def _reach(start: float, stop: float, step: float, size: int) -> tuple[int, int]:
    margin = max(step, 1.0) + 1
    return max(int(start - margin), 0), min(int(stop + margin) + 1, size)


def _inside(
    box: tuple[float, float, float, float], image: Pillow.Image
) -> tuple[float, float, float, float]:
    """Rounding may put a border a hair outside, which Pillow refuses."""
    return max(box[0], 0), max(box[1], 0), min(box[2], image.width), min(box[3], image.height)


def resize_mask(
    mask: Mask,
    size: tuple[int, int],
    how: Literal["nearest", "majority"] = "nearest",
    part: Part | None = None,
) -> Mask:
    """``mask`` (H, W) or (H, W, outputs) at ``size`` (height, width); no value is invented.

    'nearest' takes the pixel under each new pixel's centre. 'majority' takes the most frequent
    value of the pixels whose centres a new pixel covers, the ignored value counting as any other;
    a tie that the centre's value shares goes to it, another to the smallest value. Where the mask
    grows both are the same. With ``part`` only that rectangle of the result is computed.
    """
    if mask.ndim == 3:  # several outputs
        return np.dstack([resize_mask(plane, size, how, part) for plane in np.moveaxis(mask, 2, 0)])
    top, left, bottom, right = part or (0, 0, *size)
    rows = _centres(top, bottom, mask.shape[0], size[0])
    columns = _centres(left, right, mask.shape[1], size[1])
    nearest = mask[rows][:, columns]
    shrinks = size[0] < mask.shape[0] or size[1] < mask.shape[1]
    if how == "nearest" or not shrinks or nearest.size == 0:
        return nearest
    return _majority(
        mask,
        _edges(top, bottom, mask.shape[0], size[0]),
        _edges(left, right, mask.shape[1], size[1]),
        nearest,
    )


def _centres(first: int, last: int, source: int, size: int) -> npt.NDArray[np.intp]:
    """Source pixel under the centre of each new pixel; whole numbers, so nothing is rounded."""
    return (2 * np.arange(first, last) + 1) * source // (2 * size)


def _edges(first: int, last: int, source: int, size: int) -> npt.NDArray[np.intp]:
    """First source pixel whose centre each new pixel covers, and the end behind the last."""
    return (2 * source * np.arange(first, last + 1) + size - 1) // (2 * size)


def _majority(
    mask: Mask, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], nearest: Mask
) -> Mask:
    covered = mask[rows[0] : rows[-1], columns[0] : columns[-1]]
    best = np.full(nearest.shape, -1, np.int64)
    result = nearest.copy()
    for value in np.unique(covered):
        count = _count(mask == value, rows, columns)
        count = 2 * count + ((nearest == value) & (count > 0))  # a tie goes to the centre
        better = count > best
        best[better] = count[better]
        result[better] = value
    return np.where(best > 0, result, nearest)


def _count(
    member: npt.NDArray[np.bool_], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """Members in each cell, from sums over everything above and left of its corners."""
    part = member[rows[0] : rows[-1], columns[0] : columns[-1]]
    table = np.zeros((part.shape[0] + 1, part.shape[1] + 1), np.int64)
    table[1:, 1:] = part.cumsum(0).cumsum(1)
    corners = table[rows - rows[0]][:, columns - columns[0]]
    return corners[1:, 1:] - corners[:-1, 1:] - corners[1:, :-1] + corners[:-1, :-1]
