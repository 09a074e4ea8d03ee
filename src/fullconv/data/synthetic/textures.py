"""Surfaces of generated objects and backgrounds: fields of 0..1 that mix two colours."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

Field = npt.NDArray[np.floating]
Texture = Callable[[Field, Field, np.random.Generator], Field]


def plain(u: Field, v: Field, rng: np.random.Generator) -> Field:
    """A soft run from one side to the other."""
    return np.clip(np.float32(0.5) + np.float32(rng.uniform(0.1, 0.35)) * v, 0, 1)


def stripes(u: Field, v: Field, rng: np.random.Generator) -> Field:
    """Straight stripes."""
    return _wave(u, rng.uniform(6, 12), rng)


def bands(u: Field, v: Field, rng: np.random.Generator) -> Field:
    """Concentric bands."""
    return _wave(np.hypot(u, v), rng.uniform(9, 14), rng)


def checks(u: Field, v: Field, rng: np.random.Generator) -> Field:
    """A chess board."""
    rate = rng.uniform(6, 10)
    return np.abs(_wave(u, rate, rng) - _wave(v, rate, rng))


def dots(u: Field, v: Field, rng: np.random.Generator) -> Field:
    """Round dots on a square grid."""
    rate = np.float32(rng.uniform(1.7, 2.8))
    x, y = (u * rate) % 1 - np.float32(0.5), (v * rate) % 1 - np.float32(0.5)
    return np.clip((np.float32(0.32) - np.hypot(x, y)) * np.float32(9) + np.float32(0.5), 0, 1)


def speckle(u: Field, v: Field, rng: np.random.Generator) -> Field:
    """Fine random grain."""
    return clouds(u.shape, rng, 4)


def _wave(x: Field, rate: float, rng: np.random.Generator) -> Field:
    wave = np.sin(x * np.float32(rate) + np.float32(rng.uniform(0, 6)))
    return np.clip(wave * np.float32(2.5) + np.float32(0.5), 0, 1)


def clouds(shape: tuple[int, ...], rng: np.random.Generator, cell: int) -> Field:
    """Smooth random field, float32 in 0..1, with detail of ``cell`` pixels and twice that."""
    coarse = _noise(shape, rng, 2 * cell)
    return np.clip(np.float32(0.6) * coarse + np.float32(0.4) * _noise(shape, rng, cell), 0, 1)


def _noise(shape: tuple[int, ...], rng: np.random.Generator, cell: int) -> Field:
    height, width = shape[0] // cell + 2, shape[1] // cell + 2
    grid = rng.random((height, width), dtype=np.float32)
    size = (shape[1], shape[0])
    return np.asarray(Pillow.fromarray(grid).resize(size, Pillow.Resampling.BICUBIC))


TEXTURES: dict[str, Texture] = {
    "plain": plain,
    "stripes": stripes,
    "bands": bands,
    "checks": checks,
    "dots": dots,
    "speckle": speckle,
}
