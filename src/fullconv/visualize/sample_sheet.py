"""Sample sheets: photo, truth and prediction of several photos in one picture."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.visualize.fonts import draw_text, drawn_form
from fullconv.visualize.overlay import INK, legend
from fullconv.visualize.tint import PAPER, RGB, Mask, present, tinted

Row = tuple[RGB, Mask | None, Mask]
"""A photo, its true classes if known, and its predicted ones."""


def sheet(
    rows: Sequence[Row], classes: ClassSet, titles: Sequence[str] = (), cell: int = 320
) -> RGB:
    """A sample sheet: one row a photo, 'photo | truth | prediction', the legend below.

    The truth's column is left out when no row has one. ``titles`` are written above the rows;
    ``cell`` is the width of a column in pixels. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("a sample sheet needs at least one row")
    truths = any(truth is not None for _, truth, _ in rows)
    heads = ["photo", "truth", "prediction"] if truths else ["photo", "prediction"]
    gap, size = 8, 14
    width = len(heads) * (cell + gap) + gap
    bands = [_line(heads, width, cell + gap, gap, size)]
    for number, row in enumerate(rows):
        if number < len(titles):
            bands.append(_line([titles[number]], width, width, gap, size - 2))
        bands.append(_cells(row, classes, truths, cell, gap))
    shown = {v for _, truth, prediction in rows for m in (truth, prediction) if m is not None
             for v in present(m)}  # fmt: skip
    bands.append(Image.fromarray(legend(sorted(shown), classes, width, size)))
    return _stacked(bands)


def _cells(row: Row, classes: ClassSet, truths: bool, cell: int, gap: int) -> Image.Image:
    photo, truth, prediction = row
    height = max(1, min(round(cell * photo.shape[0] / photo.shape[1]), 2 * cell))
    pictures: list[Image.Image | None] = [_fitted(Image.fromarray(photo), cell, height)]
    for mask in (truth, prediction) if truths else (prediction,):
        pictures.append(None if mask is None else _fitted_mask(mask, classes, cell, height))
    band = Image.new("RGB", (len(pictures) * (cell + gap) + gap, height + gap), PAPER)
    for position, picture in enumerate(pictures):
        if picture is not None:
            left = gap + position * (cell + gap) + (cell - picture.width) // 2
            band.paste(picture, (left, 0))
    return band


def _fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Scaled to fit into width x height with its sides' ratio kept."""
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _fitted_mask(mask: Mask, classes: ClassSet, width: int, height: int) -> Image.Image:
    """Picks pixels, never averages: a blend of two colours would show a third class."""
    scale = min(width / mask.shape[1], height / mask.shape[0])
    size = [max(1, round(side * scale)) for side in mask.shape]
    picks = [
        ((np.arange(n) + 0.5) * side / n).astype(int)
        for n, side in zip(size, mask.shape, strict=True)
    ]
    small = mask[np.ix_(*picks)]
    grey = np.full((*small.shape, 3), 110, np.uint8)
    return Image.fromarray(tinted(grey, small, classes, 1.0, background=True))


def _line(texts: Sequence[str], width: int, step: int, gap: int, size: int) -> Image.Image:
    band = Image.new("RGB", (width, math.ceil(size * 1.6)), PAPER)
    for position, text in enumerate(texts):
        draw_text(band, (gap + position * step, band.height / 2), drawn_form(text, 120), size, INK)
    return band


def _stacked(bands: Sequence[Image.Image]) -> RGB:
    out = Image.new("RGB", (max(b.width for b in bands), sum(b.height for b in bands)), PAPER)
    top = 0
    for band in bands:
        out.paste(band, (0, top))
        top += band.height
    return np.array(out)
