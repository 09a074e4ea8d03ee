"""Turning a photo and its mask by the same angle."""

import math

import numpy as np
from PIL import Image as Pillow

from fullconv.data.resize import joined, layers
from fullconv.data.sample import Image, Mask

Size = tuple[int, int]


def window_around(crop: Size, angle: float) -> Size:
    """Height and width of the upright window that holds ``crop`` turned by ``angle`` degrees."""
    if not angle:
        return crop
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    height, width = crop
    return math.ceil(height * cos + width * sin), math.ceil(width * cos + height * sin)


def turn(
    image: Image,
    mask: Mask | None,
    angle: float,
    crop: Size,
    fill: tuple[float, ...],
    ignore: int,
) -> tuple[Image, Mask | None]:
    """The middle ``crop`` of both after a turn by ``angle`` degrees, counter-clockwise.

    The image is interpolated bilinearly, the mask takes the nearest pixel; what comes from
    outside is ``fill`` and ``ignore``.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    (height, width), (rows, columns) = crop, image.shape[:2]
    # Pixel centres lie at +0.5 on both sides; the two centres of the pictures coincide.
    start_x = columns / 2 - cos * width / 2 + sin * height / 2
    start_y = rows / 2 - sin * width / 2 - cos * height / 2
    affine = (cos, -sin, start_x, sin, cos, start_y)
    how, bilinear = Pillow.Transform.AFFINE, Pillow.Resampling.BILINEAR
    pictures = layers(image)
    fill = tuple(map(round, fill)) if image.dtype == np.uint8 else fill
    fills = fill if len(pictures) == len(fill) else [fill]  # an RGB picture takes all three
    turned = [
        picture.transform((width, height), how, affine, bilinear, fillcolor=outside)
        for picture, outside in zip(pictures, fills, strict=True)
    ]
    return joined(turned), None if mask is None else _pick(mask, affine, crop, ignore)


def _pick(mask: Mask, affine: tuple[float, ...], crop: Size, ignore: int) -> Mask:
    y, x = np.arange(crop[0])[:, None] + 0.5, np.arange(crop[1])[None, :] + 0.5
    a, b, c, d, e, f = affine
    column = np.floor(a * x + b * y + c).astype(np.intp)
    row = np.floor(d * x + e * y + f).astype(np.intp)
    inside = (column >= 0) & (column < mask.shape[1]) & (row >= 0) & (row < mask.shape[0])
    picked = mask[row.clip(0, mask.shape[0] - 1), column.clip(0, mask.shape[1] - 1)]
    picked[~inside] = ignore
    return picked
