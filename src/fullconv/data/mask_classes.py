"""Values or colours of a mask -> class of each pixel; what belongs to no class is an error."""

from collections import Counter

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.classes import ClassSet, default_colors
from fullconv.classes.colors import voc_colors
from fullconv.data.checks import mask_values as diagnosis
from fullconv.data.sample import Mask
from fullconv.errors import DataError


def mask_of(values: npt.NDArray[np.integer], classes: ClassSet, label: str) -> Mask:
    """Class numbers (H, W), or colours (H, W, 3), as class values; DataError for others.

    Of overlapping classes the mask of each, (H, W, K), of one (H, W), of 0, 1 and ``ignore``.
    """
    if classes.is_overlapping:
        return _planes(values, classes, label)
    if values.ndim == 3:
        return _from_colors(values.astype(np.uint8, copy=False), classes, label)
    return _from_values(values, classes, label)


def _planes(values: npt.NDArray[np.integer], classes: ClassSet, label: str) -> Mask:
    count = len(classes)
    right = values.shape[2:] == ((count,) if count > 1 else ())
    if not right or not ((values == 0) | (values == 1) | (values == classes.ignore)).all():
        shape = f"(H, W, {count})" if count > 1 else "(H, W)"
        what = f"its mask {values.shape} has values that are not 0, 1 or {classes.ignore}"
        what = what if right else f"its mask is {values.shape}, not {shape}"
        fix = f"give 1 where a class is, 0 where it is not, {classes.ignore} where nobody knows"
        raise DataError(label, what, "", fix, "FC-DATA-014")
    return values.astype(np.uint8, copy=False)


def _from_values(values: npt.NDArray[np.integer], classes: ClassSet, label: str) -> Mask:
    counts = _histogram(values)
    unknown = {v: n for v, n in counts.items() if v != classes.ignore and not 0 <= v < len(classes)}
    if unknown:
        raise DataError(label, *diagnosis.of_values(counts, unknown, classes), "FC-DATA-014")
    return values.astype(_dtype(classes), copy=False)


def _histogram(values: npt.NDArray[np.integer]) -> dict[int, int]:
    if values.dtype == np.uint8:  # Pillow counts twice as quickly, and without a copy
        counts = Image.fromarray(values).histogram()
        return {value: count for value, count in enumerate(counts) if count}
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        counts = np.bincount(values.ravel())
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    return {int(v): int(n) for v, n in zip(*np.unique(values, return_counts=True), strict=True)}


def _dtype(classes: ClassSet) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if max(len(classes) - 1, classes.ignore) < 256 else np.uint16


def _from_colors(pixels: npt.NDArray[np.uint8], classes: ClassSet, label: str) -> Mask:
    codes = (pixels.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(-1, dtype=np.uint32)
    present, position = np.unique(codes, return_inverse=True)
    meaning = _color_codes(classes)
    unknown = [int(code) for code in present if int(code) not in meaning]
    if unknown:
        counts = np.bincount(position.ravel())
        amount = {int(c): int(n) for c, n in zip(present, counts, strict=True) if int(c) in unknown}
        raise DataError(label, *diagnosis.of_colors(present, amount, classes), "FC-DATA-015")
    _check_one_meaning({int(code) for code in present}, classes, label)
    table = np.array([meaning[int(code)] for code in present], _dtype(classes))
    return table[position.reshape(codes.shape)]


def _check_one_meaning(present: set[int], classes: ClassSet, label: str) -> None:
    """DataError for a color in a mask that the class file gives to several classes."""
    if len(set(classes.colors)) == len(classes.colors):
        return
    for color, count in Counter(classes.colors).items():
        red, green, blue = color
        if count > 1 and (red << 16 | green << 8 | blue) in present:
            names = [n for n, c in zip(classes.names, classes.colors, strict=True) if c == color]
            raise DataError(label, f"color {color} is that of {' and of '.join(map(repr, names))}",
                            "the class file gives it to both", "give every class a color of its "
                            "own in the class file", "FC-DATA-015")  # fmt: skip


def _color_codes(classes: ClassSet) -> dict[int, int]:
    """Colour as one number -> class value; classes win over the ignore colour.

    Where a class has the default colour, none was named for it: then VOC's, in which many tools
    paint, means it too.
    """
    default = default_colors(len(classes), background=0 in classes.background)
    pairs = [
        (voc, value)
        for value, voc in enumerate(voc_colors(min(len(classes), 256)))
        if classes.colors[value] == default[value]
    ]
    pairs += [(classes.ignore_color, classes.ignore)]
    pairs += [(color, value) for value, color in reversed(list(enumerate(classes.colors)))]
    return {red << 16 | green << 8 | blue: value for (red, green, blue), value in pairs}
