"""A small picture of a large class map, for the eye."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv import visualize as pictures
from fullconv.classes import ClassSet
from fullconv.data.reading.raster import RGB
from fullconv.files.atomic import write_atomically
from fullconv.inference.photos.own_results import save_jpeg

SIDE = 2000
"""The longest side of a preview, in pixels, without its legend."""


def reduced(size: tuple[int, int]) -> tuple[int, int]:
    """The size (h, w) of the preview of a raster of ``size`` (H, W)."""
    scale = min(1, SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def picked(
    rows: Callable[[slice], npt.NDArray[Any]], size: tuple[int, int]
) -> npt.NDArray[np.integer]:
    """The class map that ``rows`` gives, (H, W, ...), reduced by picking pixels; never averaged."""
    down, across = (
        ((np.arange(small) + 0.5) * large / small).astype(int)
        for small, large in zip(reduced(size), size, strict=True)
    )
    return np.stack([rows(slice(row, row + 1))[0, across] for row in down.tolist()])


def write_preview(
    path: Path,
    photo: RGB,
    mask: npt.NDArray[np.integer],
    classes: ClassSet,
    alpha: float,
    borders: bool = True,
    legend: pictures.Legend = "below",
) -> Path:
    """Write the photo (h, w, 3) tinted by its classes (h, w), with a legend, as a JPEG."""
    picture = Image.fromarray(pictures.overlay(photo, mask, classes, alpha, legend, borders))
    write_atomically(path, lambda file: save_jpeg(picture, file))
    return path
