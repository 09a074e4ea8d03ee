"""Brightness, contrast, saturation and hue as one colour matrix."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from fullconv.data.sample import Image

Matrix = npt.NDArray[np.float64]
LUMA = np.array([0.299, 0.587, 0.114])
# YIQ (NTSC): turning I and Q about Y turns the hue and leaves the brightness.
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


class Strengths(Protocol):
    """How far each of the four may move."""

    @property
    def brightness(self) -> float:
        """Relative, 0..1."""
        ...

    @property
    def contrast(self) -> float:
        """Relative, 0..1."""
        ...

    @property
    def saturation(self) -> float:
        """Relative, 0..1."""
        ...

    @property
    def hue(self) -> float:
        """Degrees."""
        ...


def color_matrix(strengths: Strengths, rng: np.random.Generator) -> Matrix | None:
    """A random (3, 4) matrix: RGB -> RGB in 0..255, the last column contrast's share (see recolor).

    Four numbers are drawn whatever the strengths, so that a change of one leaves the rest of the
    random sequence alone. None where all strengths are zero.
    """
    drawn = rng.uniform(-1, 1, 4)
    limits = (strengths.brightness, strengths.contrast, strengths.saturation, strengths.hue)
    if not any(limits):
        return None
    brightness, contrast, saturation = 1 + drawn[:3] * limits[:3]
    grey = np.tile(LUMA, (3, 1))
    colors = saturation * np.eye(3) + (1 - saturation) * grey
    linear = brightness * colors @ _hue(np.deg2rad(drawn[3] * limits[3]))
    pivot = (1 - contrast) * brightness * np.ones((3, 1))
    return np.hstack([contrast * linear, pivot])


def _hue(angle: float) -> Matrix:
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return np.linalg.inv(TO_YIQ) @ turn @ TO_YIQ


def recolor(image: Image, matrix: Matrix) -> Image:
    """``image`` through ``matrix``, cut off at 0 and 255; contrast turns on its mean brightness.

    The colours are the first three channels; what follows them stays as it is.
    """
    if image.size == 0:
        return image
    colors = image[..., :3]
    coarse = colors[::4, ::4].reshape(-1, 3)  # a mean needs no more pixels than these
    pivot = float(coarse.mean(0) @ LUMA)
    table = matrix.copy()
    table[:, 3] *= pivot
    picture = Pillow.fromarray(np.ascontiguousarray(_whole(colors)))
    changed = np.array(picture.convert("RGB", tuple(table.ravel())))
    if image.shape[2] == 3 and image.dtype == np.uint8:
        return changed
    return np.concatenate([changed.astype(image.dtype), image[..., 3:]], axis=2)


def _whole(colors: Image) -> Image:
    return colors if colors.dtype == np.uint8 else np.rint(colors).astype(np.uint8)
