"""Label file -> class index of each pixel, with nothing guessed."""

from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data.checks import mask_values as diagnosis
from fullconv.data.checks.findings import DataError
from fullconv.data.reading import image as photo
from fullconv.data.sample import Mask

_SAVE = "save the masks as PNG with one class number a pixel"


def read_mask(file: str | Path | IO[bytes], classes: ClassSet, name: str | None = None) -> Mask:
    """Read a label image as class values, (H, W); uint8, uint16 with more than 255 classes.

    Palette and grey files (1, 8, 16, 32 bits) hold the class values themselves, a palette's colours
    are not looked at. RGB files are mapped through ``classes.colors`` and ``classes.ignore_color``.
    An alpha channel must be opaque everywhere. Raises UserError (DataError) with the likely cause:
    a value or colour that is no class, JPEG, transparency, other colour modes, broken files.
    """
    label = name or (str(file) if isinstance(file, str | Path) else "the mask")
    image = photo.decode(file, label)
    if image.format in ("JPEG", "MPO"):
        raise DataError(label, "is a JPEG mask", "JPEG changes pixel values, so classes are lost",
                        f"export the masks again as PNG ({_SAVE})")  # fmt: skip
    return mask_of(values_of(image, label), classes, label)


def mask_of(values: npt.NDArray[np.integer], classes: ClassSet, label: str) -> Mask:
    """Class numbers (H, W), or colours (H, W, 3), as class values; DataError for others."""
    if values.ndim == 3:
        return _from_colors(values.astype(np.uint8, copy=False), classes, label)
    return _from_values(values, classes, label)


def values_of(image: Image.Image, label: str) -> npt.NDArray[np.integer]:
    """What a label image holds: class numbers (H, W), or colours (H, W, 3) uint8."""
    if image.mode in ("RGB", "RGBA"):
        return _without_alpha(image, label)
    return _values(image, label)


def _values(image: Image.Image, label: str) -> npt.NDArray[np.integer]:
    mode = image.mode
    if mode in ("L", "P", "1", "I") or mode.startswith("I;16"):
        return np.array(image, np.uint8) if mode == "1" else np.array(image)
    if mode in ("LA", "PA"):
        return _without_alpha(image, label)[..., 0]
    raise DataError(label, f"colour mode {mode} cannot hold classes", "", _SAVE)


def _without_alpha(image: Image.Image, label: str) -> npt.NDArray[np.uint8]:
    pixels = np.array(image)
    if image.mode in ("RGB",):
        return pixels
    see_through = int((pixels[..., -1] != 255).sum())
    if see_through:
        raise DataError(label, f"{see_through} transparent pixels", "they carry no certain class",
                        "paint what is unlabelled in the ignore colour, without alpha")  # fmt: skip
    return pixels[..., :-1]


def _from_values(values: npt.NDArray[np.integer], classes: ClassSet, label: str) -> Mask:
    found = _histogram(values)
    unknown = {v: n for v, n in found.items() if v != classes.ignore and not 0 <= v < len(classes)}
    if unknown:
        raise DataError(label, *diagnosis.of_values(found, unknown, classes))
    return values.astype(_dtype(classes), copy=False)


def _histogram(values: npt.NDArray[np.integer]) -> dict[int, int]:
    if values.dtype == np.uint8:  # Pillow counts twice as quickly, and without a copy
        counts = Image.fromarray(values).histogram()
        return {value: count for value, count in enumerate(counts) if count}
    if values.dtype.itemsize <= 2:
        counts = np.bincount(values.ravel())
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    return {int(v): int(n) for v, n in zip(*np.unique(values, return_counts=True), strict=True)}


def _dtype(classes: ClassSet) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if max(len(classes) - 1, classes.ignore) < 256 else np.uint16


def _from_colors(pixels: npt.NDArray[np.uint8], classes: ClassSet, label: str) -> Mask:
    codes = (pixels.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(-1, dtype=np.uint32)
    found, position = np.unique(codes, return_inverse=True)
    meaning = _color_codes(classes)
    unknown = [int(code) for code in found if int(code) not in meaning]
    if unknown:
        counts = np.bincount(position.ravel())
        amount = {int(c): int(n) for c, n in zip(found, counts, strict=True) if int(c) in unknown}
        raise DataError(label, *diagnosis.of_colors(found, amount, classes))
    table = np.array([meaning[int(code)] for code in found], _dtype(classes))
    return table[position.reshape(codes.shape)]


def _color_codes(classes: ClassSet) -> dict[int, int]:
    """Colour as one number -> class value; classes win over the ignore colour."""
    pairs = [(classes.ignore_color, classes.ignore)]
    pairs += [(color, value) for value, color in reversed(list(enumerate(classes.colors)))]
    return {red << 16 | green << 8 | blue: value for (red, green, blue), value in pairs}
