"""Colours as people see them: told apart by everyone, and text that can be read on them.

Colour-blindness is simulated for the complete lack of one kind of cone by the matrices of Machado,
Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency",
IEEE TVCG 15(6), 2009, at severity 1, on linear RGB. Distances are Euclidean in CIE 1976 L*a*b*.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet, Color

Palette = Literal["classes", "colour-blind"]
PALETTES: tuple[Palette, ...] = ("classes", "colour-blind")
Floats = npt.NDArray[np.float64]

VISIONS: dict[str, Floats] = {
    "usual": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
    "tritanopia": np.array([
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
"""What is seen of linear RGB, as linear RGB."""
XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip
WHITE_POINT = np.array([0.95047, 1.0, 1.08883])
STEPS = 18  # values of a channel among which colours are chosen
LIGHTEST = 92  # L* of the lightest: white is for borders and paper
MOST = 256  # colours told apart; there is no room for more


def recolored(classes: ClassSet, palette: Palette) -> ClassSet:
    """The classes with the colours of a palette; 'classes' leaves them their own.

    Past 256 classes the colours of 'colour-blind' repeat.
    """
    if palette == "classes":
        return classes
    first = int(classes.is_overlapping)  # black is for what is none of them
    some = distinct_colors(min(len(classes) + first, MOST))[first:]
    colors = tuple(some[i % len(some)] for i in range(len(classes)))
    parts = tuple(
        (output.name, replace(output.classes, colors=colors[output.channels]))
        for output in classes.outputs
        if classes.parts
    )
    return replace(classes, colors=colors, parts=parts)


@cache
def distinct_colors(count: int) -> tuple[Color, ...]:
    """``count`` colours, at most 256, which stay far apart with every kind of colour vision.

    Black first, then always the colour whose nearest one is farthest in the worst of `VISIONS`. So
    the first colours are the same for any ``count``, and the farthest apart.
    """
    levels = np.rint(np.linspace(0, 255, STEPS)).astype(np.uint8)
    all_ = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    seen = np.stack([lab(all_, vision) for vision in VISIONS])  # V,N,3
    dark = seen[0, :, 0] <= LIGHTEST
    all_, seen = all_[dark], seen[:, dark]
    chosen = [0]
    nearest = np.full(len(all_), np.inf)
    while len(chosen) < count:
        last = seen[:, chosen[-1], None]
        nearest = np.minimum(nearest, np.linalg.norm(seen - last, axis=-1).min(0))
        chosen.append(int(nearest.argmax()))
    return tuple((int(r), int(g), int(b)) for r, g, b in all_[chosen[:count]])


def lab(colors: npt.ArrayLike, vision: str = "usual") -> Floats:
    """L*a*b* of sRGB colours (N, 3) of 0..255, as seen with one of `VISIONS`."""
    linear = np.clip(_linear(np.asarray(colors, np.float64)) @ VISIONS[vision].T, 0, 1)
    part = linear @ XYZ.T / WHITE_POINT
    x, y, z = np.moveaxis(
        np.where(part > (6 / 29) ** 3, np.cbrt(part), part * 841 / 108 + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def _linear(colors: Floats) -> Floats:
    share = colors / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def luminance(color: Sequence[int]) -> float:
    """Relative luminance of an sRGB colour, 0..1."""
    return float(_linear(np.asarray(color, np.float64)) @ XYZ[1])


def contrast(first: Sequence[int], second: Sequence[int]) -> float:
    """Contrast ratio of WCAG 2, 1..21; from 4.5 on small text can be read."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def ink_on(color: Sequence[int]) -> Color:
    """Black or white, whichever can be read better on ``color``; the contrast is above 4.5."""
    black, white = (0, 0, 0), (255, 255, 255)
    return max((black, white), key=lambda ink: contrast(color, ink))
