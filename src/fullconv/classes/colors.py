"""Colours as people see them: told apart by everyone, and text that can be read on them.

Colour-blindness is simulated for the complete lack of one kind of cone by the matrices of Machado,
Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency",
IEEE TVCG 15(6), 2009, at severity 1, on linear RGB. Distances are Euclidean in CIE 1976 L*a*b*.
"""

import colorsys
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Color = tuple[int, int, int]
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
DARKEST, LIGHTEST = 32, 90  # L*: black is the background's, white is for borders and paper
LEAST_CHROMA = 25  # greys are for what is no class
USUAL_WEIGHT = 0.5  # a distance that only usual vision sees counts half: else all is blue or yellow
FIRST: Color = (0, 140, 255)
MOST = 256  # colours told apart; there is no room for more


def default_colors(count: int, background: bool = False) -> tuple[Color, ...]:
    """The colours of ``count`` classes whose data names none; the first is black for a background.

    Up to 255 are `distinct_colors`; from there on hues are spread evenly.
    """
    distinct = distinct_colors(min(count + (not background), MOST))[not background :]
    return (*distinct, *(_spread_color(i) for i in range(len(distinct), count)))


def _spread_color(index: int) -> Color:
    hue = index * 0.6180339887498949 % 1  # the golden ratio never lands twice on one hue
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.4 + index % 7 / 10, 0.95 - index % 5 / 10)
    return round(255 * red), round(255 * green), round(255 * blue)


@cache
def voc_colors(count: int) -> tuple[Color, ...]:
    """The first ``count`` colours, at most 256, of VOC's palette (its devkit's VOClabelcolormap).

    The bits of the index are dealt out to red, green and blue in turn, highest bit first.
    """
    return tuple(map(_voc_color, range(count)))


def _voc_color(index: int) -> Color:
    channels = [0, 0, 0]
    for position in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * position + channel) & 1) << (7 - position)
    return channels[0], channels[1], channels[2]


@cache
def distinct_colors(count: int) -> tuple[Color, ...]:
    """``count`` colours, at most 256, which stay far apart with every kind of colour vision.

    Black first, then bright ones: always the colour whose nearest one is farthest in the worst of
    `VISIONS`. So the first colours are the same for any ``count``, and the farthest apart.
    """
    levels = np.rint(np.linspace(0, 255, STEPS)).astype(np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    lightness, *axes = lab(rgb).T
    bright = (lightness >= DARKEST) & (lightness <= LIGHTEST) & (np.hypot(*axes) >= LEAST_CHROMA)
    rgb = rgb[bright]
    seen = np.stack([_evened(lab(rgb, vision)) for vision in VISIONS])  # V,N,3
    weights = np.where(np.array(list(VISIONS)) == "usual", USUAL_WEIGHT, 1.0)[:, None]
    chosen, nearest = (
        [int(np.abs(rgb.astype(int) - FIRST).sum(1).argmin())],
        np.full(len(rgb), np.inf),
    )
    while len(chosen) < count - 1:
        apart = np.linalg.norm(seen - seen[:, chosen[-1], None], axis=-1)  # V,N
        nearest = np.minimum(nearest, (weights * apart).min(0))
        chosen.append(int(nearest.argmax()))
    colors = [(0, 0, 0), *((int(r), int(g), int(b)) for r, g, b in rgb[chosen])]
    return tuple(colors[:count])


def _evened(colors: Floats) -> Floats:
    """L*a*b* (N, 3) with high chroma compressed, as people judge differences (CIEDE2000's S_C)."""
    chroma = np.hypot(colors[:, 1], colors[:, 2])
    shorter = np.log1p(0.03 * chroma) / (0.03 * np.maximum(chroma, 1e-6))
    return colors * np.stack([np.ones_like(chroma), shorter, shorter], 1)


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
