"""Colours: one matrix for brightness, contrast, saturation and hue; grey, blur and noise."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageFilter

from fullconv.data.sample import Image

Matrix = npt.NDArray[np.float64]
LUMA = np.array([0.299, 0.587, 0.114])
# YIQ (NTSC): turning I and Q about Y turns the hue and leaves the brightness.
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
TO_GREY = np.hstack([np.tile(LUMA, (3, 1)), np.zeros((3, 1))])


class Strengths(Protocol):
    """The strengths of the four colour changes."""

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


class Disturbances(Protocol):
    """How far the colours may be disturbed."""

    @property
    def grayscale(self) -> float:
        """Probability, 0..1."""
        ...

    @property
    def blur(self) -> float:
        """Pixels."""
        ...

    @property
    def noise(self) -> float:
        """Share of 255, 0..1."""
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
    rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return np.linalg.inv(TO_YIQ) @ rotation @ TO_YIQ


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
    return _with_colors(image, np.array(picture.convert("RGB", tuple(table.ravel()))))


def disturb(image: Image, limits: Disturbances, rng: np.random.Generator) -> Image:
    """``image`` (H, W, C) randomly made grey, blurred and noisy in its first three channels.

    Five numbers are drawn whatever the limits, so that none of the three moves the others.
    """
    grey, blurred, sigma, noisy, deviation = map(float, rng.random(5))
    if image.size == 0:
        return image
    if grey < limits.grayscale:
        image = recolor(image, TO_GREY)
    if limits.blur and blurred < 0.5:
        image = blur(image, sigma * limits.blur)
    if limits.noise and noisy < 0.5:
        image = add_noise(image, 255 * deviation * limits.noise, rng)
    return image


def blur(image: Image, sigma: float) -> Image:
    """The colours through a Gaussian of ``sigma`` pixels (Pillow's, three box filters)."""
    picture = Pillow.fromarray(np.ascontiguousarray(_whole(image[..., :3])))
    return _with_colors(image, np.array(picture.filter(ImageFilter.GaussianBlur(sigma))))


def add_noise(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """The colours with Gaussian noise in each pixel and channel, cut off at 0 and 255."""
    colors = image[..., :3]
    noise = rng.standard_normal(colors.shape, np.float32)
    noise *= deviation
    noise += colors
    np.clip(noise, 0, 255, out=noise)
    return _with_colors(image, np.rint(noise, out=noise) if image.dtype == np.uint8 else noise)


def _with_colors(image: Image, colors: Image) -> Image:
    """``image`` with its first three channels replaced, in its own dtype."""
    colors = colors.astype(image.dtype, copy=False)
    return colors if image.shape[2] == 3 else np.concatenate([colors, image[..., 3:]], axis=2)


def _whole(colors: Image) -> Image:
    return colors if colors.dtype == np.uint8 else np.rint(colors).astype(np.uint8)
