"""A photo under its classes, and the legend that names them."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.visualize.fonts import draw_text, label, text_width
from fullconv.visualize.tint import (
    PAPER,
    RGB,
    Mask,
    draw_borders,
    draw_outlines,
    present,
    tinted,
    tinted_by_several,
)

INK, LINE = (34, 34, 34), (150, 150, 150)
IGNORED = "ignored"
SMALLEST = 9  # pixels of text

Legend = Literal["none", "below", "right"]
"""Where an overlay names its classes. With 'none' and 'right' photos of one size give pictures of
one size, so that they can be stacked, or made a video."""


def overlay(
    image: RGB,
    mask: Mask,
    classes: ClassSet,
    alpha: float = 0.6,
    legend: Legend = "below",
    borders: bool = True,
) -> RGB:
    """The photo under its classes: tinted by ``alpha`` (0..1), ignored hatched, ``borders`` drawn.

    The background (`ClassSet.background`) stays as the photo is.
    ``image`` is uint8 RGB (H, W, 3), ``mask`` (H, W) of the same size. With ``legend`` 'below' the
    classes present are named below, so the result is higher than the photo, and wider than a tiny
    one; with 'right' all classes are named beside it, so that the result has the photo's height and
    a width that depends on nothing but the photo's size and the classes; with 'none' it has the
    photo's size. Raises ValueError when the sizes differ, UserError as ``check_drawing``.
    """
    check_drawing(alpha, legend)
    if image.shape[:2] != mask.shape:
        raise ValueError(f"the photo is {image.shape[:2]}, the mask {mask.shape}")
    painted = tinted(image, mask, classes, alpha)
    if borders:
        draw_borders(painted, mask, classes.ignore)
    if legend == "none":
        return painted
    (height, width), size, values = mask.shape, text_size(*mask.shape), present(mask)
    if legend == "right":
        every = sorted({*range(len(classes)), *values})
        return _beside(painted, _column_legend(every, classes, height, size))
    return _below(painted, _row_legend(values, classes, width, size))


def multilabel_overlay(
    image: RGB,
    masks: npt.NDArray[np.bool_],
    classes: ClassSet,
    alpha: float = 0.6,
    legend: Legend = "below",
    borders: bool = True,
) -> RGB:
    """The photo with overlapping classes over it, uint8 RGB; sizes and errors as ``overlay``.

    ``masks`` (K, H, W) say where each class is. A pixel is tinted by the mean of the colours of its
    classes, and left as it is without any; with ``borders`` each class has an outline in its own
    colour, by which it is followed through the others.
    """
    check_drawing(alpha, legend)
    if image.shape[:2] != masks.shape[1:]:
        raise ValueError(f"the photo is {image.shape[:2]}, the masks are {masks.shape[1:]}")
    painted = tinted_by_several(image, masks, classes, alpha)
    if borders:
        draw_outlines(painted, masks, classes)
    if legend == "none":
        return painted
    (height, width), shown = image.shape[:2], classes.flat
    size = text_size(height, width)
    if legend == "right":
        every = range(1, len(classes) + 1)
        return _beside(painted, _column_legend(every, shown, height, size))
    there = [place + 1 for place in np.flatnonzero(masks.any((1, 2))).tolist()]
    return _below(painted, _row_legend(there, shown, width, size))


def check_drawing(alpha: float, legend: str) -> None:
    """UserError for an ``alpha`` outside of 0..1, and a ``legend`` that is none of `Legend`."""
    if not 0 <= alpha <= 1:  # nor nan
        raise UserError(f"alpha {alpha}: lies from 0 (no tint) to 1", "FC-PREDICT-004")
    if legend not in get_args(Legend):
        known = ", ".join(get_args(Legend))
        raise UserError(f"legend {legend!r} is unknown: use {known}", "FC-PREDICT-004")


def text_size(height: int, width: int) -> int:
    """Font height in pixels that reads well when a picture of that size is looked at whole.

    No more than a sixteenth of the width, so that a name fits below a narrow picture.
    """
    return max(12, min(round(math.sqrt(height * width) / 48), width // 16))


def legend(values: Sequence[int], classes: ClassSet, width: int, size: int = 14) -> RGB:
    """Swatch and name of each class in ``values``, wrapped to ``width`` pixels.

    ``size`` is the text's height in pixels. Wider than ``width`` only where one name is.
    """
    return np.asarray(_row_legend(values, classes, width, size))


def _row_legend(values: Sequence[int], classes: ClassSet, width: int, size: int) -> Image.Image:
    """As many names side by side as ``width`` has room for, in rows."""
    pad, column = size // 2, _column_width(values, classes, size)
    across = max(1, (width - pad) // column) if values else 1
    down = math.ceil(len(values) / across)
    size_of = max(width, column + pad), down * _row_height(size) + 2 * pad
    places = [(position % across, position // across) for position in range(len(values))]
    return _drawn(values, classes, size, size_of, places)


def _column_legend(values: Sequence[int], classes: ClassSet, height: int, size: int) -> Image.Image:
    """Names one below the other, in as few columns as ``height`` has room for; exactly as high."""
    while size > SMALLEST and len(values) * _row_height(size) + size > height:
        size -= 1
    pad, column = size // 2, _column_width(values, classes, size)
    down = max(1, (height - 2 * pad) // _row_height(size))
    across = math.ceil(len(values) / down)
    places = [divmod(position, down) for position in range(len(values))]
    return _drawn(values, classes, size, (across * column + pad, height), places)


def _drawn(
    values: Sequence[int],
    classes: ClassSet,
    size: int,
    size_of: tuple[int, int],
    places: Sequence[tuple[int, int]],
) -> Image.Image:
    """A legend of ``size_of`` (width, height); ``places`` are the column and row of each value."""
    pad, column, height = size // 2, _column_width(values, classes, size), _row_height(size)
    picture = Image.new("RGB", size_of, PAPER)
    for value, (across, down) in zip(values, places, strict=True):
        x, y = pad + across * column, pad + down * height
        box = (x, y + size // 4, x + round(1.6 * size), y + size // 4 + size)
        _draw_swatch(picture, box, value, classes)
        draw_text(picture, (x + 2 * size, y + height / 2), _name(value, classes), size, INK)
    return picture


def _column_width(values: Sequence[int], classes: ClassSet, size: int) -> int:
    """Pixels of a swatch and the longest name."""
    longest = max((text_width(_name(value, classes), size) for value in values), default=0)
    return 2 * size + size // 2 * 2 + longest


def _row_height(size: int) -> int:
    return math.ceil(size * 1.6)


def _name(value: int, classes: ClassSet) -> str:
    if value == classes.ignore:
        return IGNORED
    return label(classes.names[value], value) if value < len(classes) else f"no class ({value})"


def _draw_swatch(
    picture: Image.Image, box: tuple[int, int, int, int], value: int, classes: ClassSet
) -> None:
    left, top, right, bottom = box
    flat = np.full((bottom - top, right - left), value)
    grey = np.full((*flat.shape, 3), 110, np.uint8)
    tile = tinted(grey, flat, classes, 1.0, background=True)
    picture.paste(Image.fromarray(tile), (left, top))
    ImageDraw.Draw(picture).rectangle(box, outline=LINE, width=max(1, (bottom - top) // 14))


def _below(picture: RGB, names: Image.Image) -> RGB:
    height, width = picture.shape[:2]
    out = np.full((height + names.height, max(width, names.width), 3), PAPER, np.uint8)
    out[:height, :width] = picture
    out[height:, : names.width] = np.asarray(names)
    return out


def _beside(picture: RGB, names: Image.Image) -> RGB:
    return np.concatenate([picture, np.asarray(names)], axis=1)
