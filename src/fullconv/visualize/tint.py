"""Class maps as colours: tint, borders, hatched ignored areas. numpy only."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet

RGB = npt.NDArray[np.uint8]
"""uint8 RGB picture, (H, W, 3)."""
Mask = npt.NDArray[np.integer]
"""Class index of each pixel, (H, W)."""
PAPER = (255, 255, 255)
_STRIP = 2**16  # pixels painted at a time: they stay in the processor's cache


def colorize(mask: Mask, classes: ClassSet) -> RGB:
    """Each class in its colour, the ignored value in its own, uint8 (H, W, 3)."""
    return classes.palette()[mask]


def layer(mask: Mask, classes: ClassSet) -> npt.NDArray[np.uint8]:
    """The layer that ``overlay`` draws over a photo: uint8 RGBA (H, W, 4), borders drawn.

    Opaque, so that who shows it decides how much of the photo is seen; the background is clear,
    and what is ignored between its stripes.
    """
    never = [255 - channel for channel in classes.ignore_color]  # a colour that stripes cannot have
    ground = np.full((*mask.shape, 3), never, np.uint8)
    painted = tinted(ground, mask, classes, 1.0)
    seen = ~np.isin(mask, (*classes.background, classes.ignore)) | (painted != ground).any(axis=2)
    seen |= draw_borders(painted, mask, classes.ignore)
    return np.dstack([painted, np.where(seen, 255, 0).astype(np.uint8)])


def present(mask: Mask) -> list[int]:
    """The values that occur in ``mask``, rising."""
    values = {
        value
        for rows in _row_slices(mask)
        for value in np.flatnonzero(np.bincount(mask[rows].ravel()))
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


def flattened(mask: npt.NDArray[Any], classes: ClassSet) -> list[npt.NDArray[Any]]:
    """The maps to show (H, W), in the values of ``classes.flat``: those of each output.

    Of overlapping classes it is one: 0 where none is, else 1 + the class; where several are, the
    one with the fewest pixels in the picture lies on top, and what all ignore is ignored.
    """
    planes = planes_of(mask)
    if not classes.is_overlapping:
        return planes
    shown = classes.flat
    flat = np.zeros(planes[0].shape, np.uint8 if shown.ignore < 256 else np.uint16)
    flat[np.logical_and.reduce([plane == classes.ignore for plane in planes])] = shown.ignore
    sizes = [int((plane == 1).sum()) for plane in planes]
    for place in sorted(range(len(planes)), key=lambda place: -sizes[place]):
        flat[planes[place] == 1] = place + 1
    return [flat]


def tinted(
    image: RGB, mask: Mask, classes: ClassSet, alpha: float, background: bool = False
) -> RGB:
    """The photo tinted, without its borders; what is ignored shows the photo under stripes.

    The classes' background stays as the photo is, unless ``background`` asks for its colour too.
    """
    hatch = max(6, round(math.sqrt(mask.size) / 60))
    weight = round(256 * min(max(alpha, 0.0), 1.0))
    palette = classes.palette().astype(np.uint16) * weight
    clear = np.zeros(len(palette), bool)
    clear[list(classes.background)] = not background
    out = np.empty_like(image)
    columns = np.arange(mask.shape[1])
    for rows in _row_slices(mask):
        values = mask[rows]
        blend = np.multiply(image[rows], np.uint16(256 - weight), dtype=np.uint16)
        blend += palette.take(values, axis=0)
        out[rows] = np.right_shift(blend, 8, out=blend)
        if clear.any():
            np.copyto(out[rows], image[rows], where=clear.take(values)[..., None])
        ignored = values == classes.ignore
        if ignored.any():
            diagonals = columns + np.arange(rows.start, rows.start + len(values))[:, None]
            out[rows][ignored] = image[rows][ignored]  # what nobody labelled is left as it is
            out[rows][ignored & (diagonals % hatch < (hatch + 2) // 4)] = classes.ignore_color
    return out


def tinted_by_several(
    image: RGB, masks: npt.NDArray[np.bool_], classes: ClassSet, alpha: float
) -> RGB:
    """The photo tinted by the mean colour of the classes of each pixel, (H, W, 3)."""
    colors, out = np.array(classes.colors, np.float32), image.copy()
    weight = np.float32(min(max(alpha, 0.0), 1.0))
    for rows in _row_slices(masks[0]):
        part = masks[:, rows]
        count = part.sum(0, dtype=np.int32)
        mean = np.einsum("khw,kc->hwc", part.astype(np.float32), colors)
        mean /= np.maximum(count, 1)[..., None]
        blend = (1 - weight) * image[rows] + weight * mean
        out[rows] = np.where(count[..., None] > 0, np.rint(blend), image[rows]).astype(np.uint8)
    return out


def draw_outlines(painted: RGB, masks: npt.NDArray[np.bool_], classes: ClassSet) -> None:
    """Draw a line of its colour around each class into ``painted``."""
    width = max(2, round(math.sqrt(masks[0].size) / 300))
    for mask, color in zip(masks, classes.colors, strict=True):
        painted[_borders(mask.astype(np.uint8), 255, width) & mask] = color


def _row_slices(mask: Mask) -> Iterator[slice]:
    """The rows of a mask in blocks of about `_STRIP` pixels."""
    step = max(1, _STRIP // max(mask.shape[1], 1))
    for top in range(0, len(mask), step):
        yield slice(top, top + step)


def draw_borders(painted: RGB, mask: Mask, ignore: int) -> npt.NDArray[np.bool_]:
    """Draw a white line into ``painted`` where two classes meet; where it lies, (H, W)."""
    line = _borders(mask, ignore, max(1, round(math.sqrt(mask.size) / 600)))
    painted[line] = PAPER
    return line


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
