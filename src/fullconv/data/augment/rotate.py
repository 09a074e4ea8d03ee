"""Rotating and flipping a photo and its mask together."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from fullconv.data.augment.resize import join_layers, layers
from fullconv.data.sample import Image, Mask

Size = tuple[int, int]
Indices = npt.NDArray[np.intp]
Affine = tuple[float, ...]
"""(a, b, c, d, e, f): the point (x, y) of the result lies on (a x + b y + c, d x + e y + f)."""


def window_around(crop: Size, angle: float) -> Size:
    """Height and width of the upright window that holds ``crop`` rotated by ``angle`` degrees."""
    if not angle:
        return crop
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    height, width = crop
    return math.ceil(height * cos + width * sin), math.ceil(width * cos + height * sin)


def affine_of(angle: float, crop: Size, window: Size) -> Affine:
    """Where the points of a ``crop`` lie in the ``window`` that is rotated by ``angle`` degrees."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    (height, width), (rows, columns) = crop, window
    # Pixel centres lie at +0.5 on both sides; the two centres of the pictures coincide.
    start_x = columns / 2 - cos * width / 2 + sin * height / 2
    start_y = rows / 2 - sin * width / 2 - cos * height / 2
    return cos, -sin, start_x, sin, cos, start_y


def lies_on(affine: Affine, y: Indices, x: Indices) -> tuple[Indices, Indices]:
    """Row and column of the pixel on which the centre of pixel (``y``, ``x``) lies."""
    a, b, c, d, e, f = affine
    row = np.floor(d * (x + 0.5) + e * (y + 0.5) + f)
    column = np.floor(a * (x + 0.5) + b * (y + 0.5) + c)
    return row.astype(np.intp), column.astype(np.intp)


def rotate(
    image: Image,
    mask: Mask | None,
    angle: float,
    crop: Size,
    fill: tuple[float, ...],
    ignore: int,
) -> tuple[Image, Mask | None]:
    """The middle ``crop`` of both after a rotation by ``angle`` degrees, counter-clockwise.

    The image is interpolated bilinearly, the mask takes the nearest pixel; what comes from
    outside is ``fill`` and ``ignore``.
    """
    (height, width), (rows, columns) = crop, image.shape[:2]
    affine = affine_of(angle, crop, (rows, columns))
    how, bilinear = Pillow.Transform.AFFINE, Pillow.Resampling.BILINEAR
    pictures = layers(image)
    fill = tuple(map(round, fill)) if image.dtype == np.uint8 else fill
    fills = fill if len(pictures) == len(fill) else [fill]  # an RGB picture takes all three
    rotated = [
        picture.transform((width, height), how, affine, bilinear, fillcolor=outside)
        for picture, outside in zip(pictures, fills, strict=True)
    ]
    return join_layers(rotated), None if mask is None else _pick(mask, affine, crop, ignore)


def _pick(mask: Mask, affine: Affine, crop: Size, ignore: int) -> Mask:
    row, column = lies_on(affine, np.arange(crop[0])[:, None], np.arange(crop[1])[None, :])
    inside = (column >= 0) & (column < mask.shape[1]) & (row >= 0) & (row < mask.shape[0])
    picked = mask[row.clip(0, mask.shape[0] - 1), column.clip(0, mask.shape[1] - 1)]
    picked[~inside] = ignore
    return picked


def flip(
    image: Image, mask: Mask | None, across: bool, down: bool = False, quarters: int = 0
) -> tuple[Image, Mask | None]:
    """Left and right swapped, then up and down, then both rotated by so many quarters, exactly.

    Counter-clockwise; an odd number of quarters swaps height and width.
    """
    if quarters % 4 >= 2:  # half a rotation swaps both
        across, down = not across, not down
    axes = tuple(axis for axis, swapped in enumerate((down, across)) if swapped)
    if axes:
        import torch  # which a check of the data need not load

        # Twenty times as quick as numpy's backward view, which only copies when it is stacked.
        image = torch.from_numpy(np.ascontiguousarray(image)).flip(axes).numpy()
        mask = None if mask is None else np.flip(mask, axes)
    if quarters % 2:
        image = np.rot90(image)
        mask = None if mask is None else np.rot90(mask)
    return image, mask
