"""Classes made visible: colours, overlay, legend, sample sheets. numpy and Pillow only."""

import importlib.util
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fullconv.classes import ClassSet

RGB = npt.NDArray[np.uint8]
"""uint8 RGB picture, (H, W, 3)."""
Mask = npt.NDArray[np.integer]
"""Class index of each pixel, (H, W)."""
Row = tuple[RGB, Mask | None, Mask]
"""A photo, its true classes if known, and its predicted ones."""

PAPER, INK, LINE = (255, 255, 255), (34, 34, 34), (150, 150, 150)
IGNORED = "ignored"
_STRIP = 2**16  # pixels painted at a time: they stay in the processor's cache


def colorize(mask: Mask, classes: ClassSet) -> RGB:
    """Each class in its colour, the ignored value in its own, uint8 (H, W, 3)."""
    return classes.palette()[mask]


def overlay(
    image: RGB,
    mask: Mask,
    classes: ClassSet,
    alpha: float = 0.6,
    legend: bool = True,
    borders: bool = True,
) -> RGB:
    """The photo under its classes: tinted by ``alpha`` (0..1), ignored hatched, ``borders`` drawn.

    ``image`` is uint8 RGB (H, W, 3), ``mask`` (H, W) of the same size. With ``legend`` the classes
    present are named below, so the result is higher than the photo, and wider than a tiny one;
    without it the result has the photo's size. Raises ValueError when the sizes differ.
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(f"the photo is {image.shape[:2]}, the mask {mask.shape}")
    painted = _tinted(image, mask, classes, alpha)
    if borders:
        _draw_borders(painted, mask, classes.ignore)
    if not legend:
        return painted
    size = text_size(*mask.shape)
    names = _legend(present(mask), classes, mask.shape[1], size)
    return _below(painted, names)


def layer(mask: Mask, classes: ClassSet) -> npt.NDArray[np.uint8]:
    """What ``overlay`` lays over a photo, alone: uint8 RGBA (H, W, 4), borders drawn.

    Opaque, so that who shows it decides how much of the photo is seen; what is ignored is clear
    between its stripes.
    """
    never = [255 - channel for channel in classes.ignore_color]  # a colour that stripes cannot have
    ground = np.full((*mask.shape, 3), never, np.uint8)
    painted = _tinted(ground, mask, classes, 1.0)
    seen = (mask != classes.ignore) | (painted != ground).any(axis=2)
    _draw_borders(painted, mask, classes.ignore)
    return np.dstack([painted, np.where(seen, 255, 0).astype(np.uint8)])


def present(mask: Mask) -> list[int]:
    """The values that occur in ``mask``, rising."""
    values = {
        value for rows in _strips(mask) for value in np.flatnonzero(np.bincount(mask[rows].ravel()))
    }
    return sorted(map(int, values))


def as_photo(image: npt.NDArray[Any]) -> RGB:
    """The photo to show of a net's input (H, W, channels): its colours, else a grey of the first.

    Three or more channels begin with a picture (colours, or HHA); a single one, as depth, is
    stretched from black to white.
    """
    if image.shape[2] >= 3:
        first = image[..., :3]
        return first if first.dtype == np.uint8 else np.rint(first).clip(0, 255).astype(np.uint8)
    plane = image[..., :1].astype(np.float32)
    low, high = plane.min(), plane.max()
    grey = ((plane - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    return np.repeat(grey, 3, axis=2)


def planes_of(mask: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """The label map (H, W) of each output, from one (H, W) or (H, W, outputs)."""
    return [mask] if mask.ndim == 2 else list(np.moveaxis(mask, 2, 0))


def text_size(height: int, width: int) -> int:
    """Font height in pixels that reads well when a picture of that size is looked at whole.

    No more than a sixteenth of the width, so that a name fits below a narrow picture.
    """
    return max(12, min(round(math.sqrt(height * width) / 48), width // 16))


def _tinted(image: RGB, mask: Mask, classes: ClassSet, alpha: float) -> RGB:
    """The photo tinted, without its borders; what is ignored shows the photo under stripes."""
    hatch = max(6, round(math.sqrt(mask.size) / 60))
    weight = round(256 * min(max(alpha, 0.0), 1.0))
    palette = classes.palette().astype(np.uint16) * weight
    out = np.empty_like(image)
    columns = np.arange(mask.shape[1])
    for rows in _strips(mask):
        values = mask[rows]
        blend = np.multiply(image[rows], np.uint16(256 - weight), dtype=np.uint16)
        blend += palette.take(values, axis=0)
        out[rows] = np.right_shift(blend, 8, out=blend)
        ignored = values == classes.ignore
        if ignored.any():
            diagonals = columns + np.arange(rows.start, rows.start + len(values))[:, None]
            out[rows][ignored] = image[rows][ignored]  # what nobody labelled is left as it is
            out[rows][ignored & (diagonals % hatch < (hatch + 2) // 4)] = classes.ignore_color
    return out


def _strips(mask: Mask) -> Iterator[slice]:
    """Rows to work on at a time."""
    step = max(1, _STRIP // max(mask.shape[1], 1))
    for top in range(0, len(mask), step):
        yield slice(top, top + step)


def _draw_borders(painted: RGB, mask: Mask, ignore: int) -> None:
    width = max(1, round(math.sqrt(mask.size) / 600))
    painted[_borders(mask, ignore, width)] = PAPER


def _borders(mask: Mask, ignore: int, width: int) -> npt.NDArray[np.bool_]:
    """Where two classes meet, ``width`` pixels wide; the ignored area ends without a line."""
    edge = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        here, there = _shifted(axis, width)
        a, b = mask[here], mask[there]
        middle = [slice(None), slice(None)]
        middle[axis] = slice(width // 2, width // 2 + a.shape[axis])
        edge[tuple(middle)] |= (a != b) & (a != ignore) & (b != ignore)
    return edge


def _shifted(axis: int, by: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    whole = slice(None)
    if axis == 0:
        return (slice(by, None), whole), (slice(None, -by), whole)
    return (whole, slice(by, None)), (whole, slice(None, -by))


def legend(values: Sequence[int], classes: ClassSet, width: int, size: int = 14) -> RGB:
    """Swatch and name of each class in ``values``, wrapped to ``width`` pixels.

    ``size`` is the text's height in pixels. Wider than ``width`` only where one name is.
    """
    return np.asarray(_legend(values, classes, width, size))


def _legend(values: Sequence[int], classes: ClassSet, width: int, size: int) -> Image.Image:
    font, pad = _font(size), size // 2
    named = [(v, _name(v, classes)) for v in values]
    cells = [2 * size + pad + math.ceil(font.getlength(name)) for _, name in named]
    column = max(cells, default=0) + pad
    across = max(1, (width - pad) // column) if cells else 1
    down = math.ceil(len(named) / across)
    height = math.ceil(size * 1.6)
    picture = Image.new("RGB", (max(width, column + pad), down * height + 2 * pad), PAPER)
    draw = ImageDraw.Draw(picture)
    for position, (value, name) in enumerate(named):
        row, place = divmod(position, across)
        x, y = pad + place * column, pad + row * height
        box = (x, y + size // 4, x + round(1.6 * size), y + size // 4 + size)
        _swatch(picture, box, value, classes)
        draw.text((x + 2 * size, y + height / 2), name, INK, font, anchor="lm")
    return picture


def _name(value: int, classes: ClassSet) -> str:
    if value == classes.ignore:
        return IGNORED
    return classes.names[value] if value < len(classes) else f"no class ({value})"


def _swatch(
    picture: Image.Image, box: tuple[int, int, int, int], value: int, classes: ClassSet
) -> None:
    left, top, right, bottom = box
    flat = np.full((bottom - top, right - left), value)
    grey = np.full((*flat.shape, 3), 110, np.uint8)
    tile = _tinted(grey, flat, classes, 1.0)
    picture.paste(Image.fromarray(tile), (left, top))
    ImageDraw.Draw(picture).rectangle(box, outline=LINE, width=max(1, (bottom - top) // 14))


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which comes with matplotlib and knows most alphabets; else Pillow's own."""
    package = importlib.util.find_spec("matplotlib")
    for folder in package.submodule_search_locations or () if package else ():
        file = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        if file.is_file():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


def _below(picture: RGB, names: Image.Image) -> RGB:
    height, width = picture.shape[:2]
    out = np.full((height + names.height, max(width, names.width), 3), PAPER, np.uint8)
    out[:height, :width] = picture
    out[height:, : names.width] = np.asarray(names)
    return out


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
    bands.append(_legend(sorted(shown), classes, width, size))
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
    return Image.fromarray(_tinted(grey, small, classes, 1.0))


def _line(texts: Sequence[str], width: int, step: int, gap: int, size: int) -> Image.Image:
    band = Image.new("RGB", (width, math.ceil(size * 1.6)), PAPER)
    draw = ImageDraw.Draw(band)
    for position, text in enumerate(texts):
        draw.text((gap + position * step, band.height / 2), text, INK, _font(size), anchor="lm")
    return band


def _stacked(bands: Sequence[Image.Image]) -> RGB:
    out = Image.new("RGB", (max(b.width for b in bands), sum(b.height for b in bands)), PAPER)
    top = 0
    for band in bands:
        out.paste(band, (0, top))
        top += band.height
    return np.array(out)
