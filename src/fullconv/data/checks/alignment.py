"""Does a mask lie on its photo? Borders of the classes should follow edges of the photo.

The edges are correlated with the borders at every offset up to `REACH`. Where the mask lies right
the best offset is zero; a shifted mask has its best where it should lie; the mask of another photo
has none. How far a value stands out is counted in standard deviations over all offsets, so it means
the same for sharp and for soft photos. Where a border is short, one strong edge beside it is enough
to stand out; so it is also asked how many parts of the border say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.data.sample import Image, Mask

SIDE = 480  # longest side, in pixels, of what is compared
REACH = 16  # offsets looked at, at that size
LOOSE = 3  # how far from its edge a border drawn by hand may lie
LEAST = 200  # pixels of borders from which a correlation says something
PART = 8  # side of the squares that speak for an offset independently of each other
BAND = 9  # widest ignored band around an object, in pixels compared; odd
LUMA = (0.299, 0.587, 0.114)

Plane = npt.NDArray[np.float32]
Maps = npt.NDArray[np.float32]
"""Two planes, (2, h, w): what changes along a row, and what changes along a column."""


@dataclass(frozen=True)
class Alignment:
    """How well borders and edges agree: at the mask's place (``here``), and at the best offset.

    Both in standard deviations over the offsets. ``offset`` (down, right) in pixels of the photo
    is where the mask lies in relation to its photo; ``steps`` is the same in pixels compared.
    ``sure`` is by how many standard errors, over the parts of the border, the best offset is better
    than the mask's place: 0 where they are one.
    """

    here: float
    best: float
    offset: tuple[int, int]
    steps: tuple[int, int]
    sure: float


def align(image: Image, mask: Mask, ignore: int) -> Alignment | None:
    """Compare a photo (H, W, 3) with its mask (H, W); None where there is too little to compare."""
    return compare(edges(image), borders(mask, ignore), step(mask.shape))


def compare(edge: Maps, border: Maps, step: int = 1) -> Alignment | None:
    """As ``align``, of the maps; ``step`` is the pixels of the photo in one of theirs."""
    if border.sum() < LEAST or min(border.shape[1:]) < 2 * REACH:
        return None
    fit = _correlation(edge, border)  # 2 REACH + 1 a side, the mask's own place in the middle
    middle = float(np.median(fit))
    spread = 1.4826 * float(np.median(np.abs(fit - middle)))  # the deviation, without the peak
    if spread == 0:
        return None
    near = fit.copy()
    near[np.maximum(*np.abs(np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1])) > LOOSE] = -np.inf
    here, best = (np.unravel_index(fits.argmax(), fits.shape) for fits in (near, fit))
    steps = (REACH - int(best[0]), REACH - int(best[1]))
    return Alignment(
        here=float(fit[here] - middle) / spread,
        best=float(fit[best] - middle) / spread,
        offset=(steps[0] * step, steps[1] * step),
        steps=steps,
        sure=_standard_errors(edge, border, here, best),
    )


def step(shape: tuple[int, ...]) -> int:
    """Of how many pixels one is compared, in a photo of ``shape``."""
    return -(-max(shape) // SIDE)


def edges(image: Image) -> Maps:
    """How strongly the photo changes, against its surroundings, float32 (2, h, w) of mean 0."""
    by = step(image.shape[:2])
    grey = _soft(_averaged(image[..., :3] @ np.array(LUMA, np.float32), by))
    changes = np.zeros((2, *grey.shape), np.float32)
    changes[0, :, 1:] = np.abs(np.diff(grey, axis=1))
    changes[1, 1:] = np.abs(np.diff(grey, axis=0))
    around = np.stack([_mean_around(changes[0], 12), _mean_around(changes[1], 12)])
    strength = np.minimum(changes / (around + 2), 4)  # two grey levels: noise is no edge
    return strength - strength.mean((1, 2), keepdims=True)


def borders(mask: Mask, ignore: int) -> Maps:
    """The borders between classes, float32 (2, h, w) of 0 and 1.

    A narrow ignored band, as VOC has it around each object, is a border in its middle.
    """
    by = step(mask.shape)
    small = mask[by // 2 :: by, by // 2 :: by][: mask.shape[0] // by, : mask.shape[1] // by]
    small = _without_bands(small.astype(np.int32), ignore)
    maps = np.zeros((2, *small.shape), np.float32)
    maps[0, :, 1:] = small[:, 1:] != small[:, :-1]
    maps[1, 1:] = small[1:] != small[:-1]
    return maps


def _without_bands(values: npt.NDArray[np.int32], ignore: int) -> npt.NDArray[np.int32]:
    """The classes on both sides grown into ignored areas of up to ``BAND`` pixels' width."""
    ignored = values == ignore
    inner = _mean_around(ignored.astype(np.float32), BAND // 2) > 0.999
    wide = _mean_around(inner.astype(np.float32), BAND // 2) > 0.001
    open_ = ignored & ~wide
    for _ in range(BAND // 2 + 1):
        if not open_.any():
            break
        for axis, way in ((0, 1), (0, -1), (1, 1), (1, -1)):
            beside = np.roll(values, way, axis)
            grown = open_ & (beside != ignore)
            values = np.where(grown, beside, values)
            open_ = open_ & ~grown
    return values


def _correlation(edge: Maps, border: Maps) -> npt.NDArray[np.float32]:
    """Sum of ``edge`` on ``border`` for each offset up to REACH of the border."""
    size = [-(-(n + 2 * REACH) // 32) * 32 for n in border.shape[1:]]
    product = np.fft.rfft2(edge, size) * np.fft.rfft2(border, size).conj()
    whole = np.fft.irfft2(product.sum(0), size)
    side = 2 * REACH + 1
    return np.roll(whole, (REACH, REACH), (0, 1))[:side, :side].astype(np.float32)


def _standard_errors(
    edge: Maps, border: Maps, here: Sequence[np.intp], best: Sequence[np.intp]
) -> float:
    """What the border gains from ``here`` to ``best`` (places in the correlation), and how surely.

    Each square of PART pixels is one observation of the gain; the sum of all is measured in its own
    standard error, sqrt(sum of squares), as large as it would be by chance around 0.
    """
    wide = np.pad(edge, ((0, 0), (REACH, REACH), (REACH, REACH)))
    height, width = border.shape[1:]
    there, before = (wide[:, y : y + height, x : x + width] for y, x in (best, here))
    gain = ((there - before) * border).sum(0)
    parts = np.add.reduceat(gain, range(0, height, PART), 0)
    parts = np.add.reduceat(parts, range(0, width, PART), 1)
    error = float(np.sqrt((parts**2).sum()))
    return float(parts.sum()) / error if error else 0.0


def _averaged(plane: Plane, by: int) -> Plane:
    """Means of squares of ``by`` pixels."""
    height, width = plane.shape[0] // by, plane.shape[1] // by
    squares = plane[: height * by, : width * by].reshape(height, by, width, by)
    return squares.mean((1, 3)) if by > 1 else plane


def _soft(plane: Plane) -> Plane:
    for axis in (0, 1):
        before, after = np.roll(plane, 1, axis), np.roll(plane, -1, axis)
        plane = (before + 2 * plane + after) * np.float32(0.25)
    return plane


def _mean_around(plane: Plane, reach: int) -> Plane:
    """Mean of the square that reaches so far, smaller at the sides."""
    sums = np.pad(plane, ((1, 0), (1, 0))).cumsum(0, np.float64).cumsum(1)
    ends = []
    for length in plane.shape:
        place = np.arange(length)
        ends.append((np.maximum(place - reach, 0), np.minimum(place + reach + 1, length)))
    (top, bottom), (left, right) = ends
    total = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left]
    total += sums[top][:, left]
    return (total / np.outer(bottom - top, right - left)).astype(np.float32)
