"""Pictures of 16 bits a sample: told from the header, and unpacked as stored."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.data.reading.formats import Picture, opened, unreadable
from fullconv.errors import DataError
from fullconv.modalities import ReadOptions


def needs_range(label: str, what: str) -> DataError:
    """The error of a photo of more than 8 bits where nothing says what is black and white."""
    return DataError(
        label, f"its values are of {what}, and nets see 8 bits", "",
        "say which values are black and white in all photos: --range 0,4095, or range = [0, 4095] "
        "in classes.toml", "FC-RASTER-004",
    )  # fmt: skip


def over_white_16(deep: npt.NDArray[np.uint16], options: ReadOptions) -> Any:
    """How 8-bit colors are laid over white by the alpha of 16-bit samples; None without one."""
    if deep.shape[2] != 4:
        return None
    alpha = deep[..., 3:].astype(np.float32) / 65535
    return lambda colors: np.rint(colors * alpha + 255 * (1 - alpha)).astype(np.uint8)


_DEEP = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""How Pillow unpacks 16-bit samples to their upper bytes, and what gives the lower ones instead."""


def deep_mode(image: Image.Image) -> str | None:
    """How the 16-bit samples of an open, undecoded picture are packed; None: it has 8 bits."""
    if image.mode.startswith("I;16"):
        return image.mode
    tiles = getattr(image, "tile", ())  # of files alone
    packed = tiles[0][3] if tiles else None
    packed = packed[0] if isinstance(packed, tuple) and packed else packed
    return packed if isinstance(packed, str) and ";16" in packed and image.mode != "I" else None


def deep_samples(file: Picture, image: Image.Image, label: str) -> npt.NDArray[np.uint16] | None:
    """The samples (H, W, channels) of a picture of 16 bits, as stored; None for one of 8 bits."""
    packed = deep_mode(image)
    if packed is None or image.format == "BMP":
        return None
    try:
        if packed.startswith("I;16"):
            image.load()
            return np.asarray(image).astype(np.uint16)[..., None]
        if packed not in _DEEP:
            raise DataError(label, f"its samples are of 16 bits ({packed})", "",
                            "save it without alpha, or as 8-bit RGB", "FC-DATA-008")  # fmt: skip
        return (_unpacked(file, packed) << 8 | _unpacked(file, _DEEP[packed])).astype(np.uint16)
    except Exception as error:
        raise unreadable(file, label, error) from error


def _unpacked(file: Picture, how: str) -> npt.NDArray[np.uint16]:
    if not isinstance(file, str | Path):
        file.seek(0)
    with opened(file) as image:
        tiles: Any = getattr(image, "tile", ())
        setattr(image, "tile", [tile._replace(args=how) for tile in tiles])  # noqa: B010
        return np.asarray(image).astype(np.uint16)
