"""Why a mask holds values that are no class: the usual causes, in words."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.sample import Mask

Diagnosis = tuple[str, str, str]
"""What, likely cause, fix."""

_IN_A_COPY = ", as fullconv check DATA --fix OUT does in a copy"
MANY = 8  # distinct unknown values; exports by mistake have few, interpolation makes many


def of_values(pixels: dict[int, int], unknown: dict[int, int], classes: ClassSet) -> Diagnosis:
    """Diagnosis of a mask with ``pixels`` of each value, of which the ``unknown`` are no class."""
    count = len(classes)
    worst = max(unknown, key=lambda value: unknown[value])
    what = (
        f"value {worst} ({unknown[worst]} pixels{_others(unknown)}) is no class: "
        f"the {count} classes are 0 to {count - 1}, ignored is {classes.ignore}"
    )
    if count == 1 and set(pixels) <= {0, 1, 255, classes.ignore}:
        fix = f"add 'background' to the class file, before {classes.names[0]!r}{_IN_A_COPY}"
        return what, "pixels of no class, 0, have no class of their own", fix
    if set(pixels) <= {0, 255} and 255 in unknown:
        fix = "save the foreground as 1 instead of 255"
        return what, "a 0/255 mask", f"{fix}{_IN_A_COPY if len(classes) == 2 else ''}"
    if len(unknown) >= MANY:
        cause = "a mask resized with averaging (anti-aliased), or once saved as JPEG"
        return what, cause, "export it again; resize masks with nearest only"
    if 0 not in pixels and min(pixels) == 1 and max(set(pixels) - {classes.ignore}) == count:
        return what, "class numbers that start at 1", f"subtract 1 from every mask{_IN_A_COPY}"
    if set(unknown) == {count}:
        cause = f"class numbers that start at 1, or {count} is the void value"
        fix = (
            f"fullconv check DATA --fix OUT --ignore 0, or --ignore {count}, corrects a copy; a "
            "missing class goes into the class file"
        )
        return what, cause, fix
    if set(unknown) == {255}:
        fix = f"set ignore = 255 in the class file, or write void as {classes.ignore}"
        return what, "255 is used for unlabelled pixels, as in VOC", fix
    cause = "a class missing in the class file, or masks of another numbering"
    return what, cause, "add the class to the class file, or renumber the masks"


def of_colors(codes: Iterable[int], unknown: dict[int, int], classes: ClassSet) -> Diagnosis:
    """Diagnosis of an RGB mask; colours as numbers 0xRRGGBB."""
    worst = max(unknown, key=lambda code: unknown[code])
    colour = _rgb(worst)
    what = f"colour {colour} ({unknown[worst]} pixels{_others(unknown)}) belongs to no class"
    values = [_rgb(int(code)) for code in codes]
    if all(r == g == b and (r < len(classes) or r == classes.ignore) for r, g, b in values):
        fix = f"save the masks with one channel{_IN_A_COPY}"
        return what, "class numbers saved as RGB", fix
    if len(unknown) >= MANY:
        cause = "a mask resized with averaging (anti-aliased), or once saved as JPEG"
        return what, cause, "export it again; resize masks with nearest only"
    distances = np.abs(np.array(classes.colors) - np.array(colour)).sum(1)
    near = int(distances.argmin())
    nearest = f"the nearest is {classes.names[near]!r} {classes.colors[near]}"
    cause = f"a class or its colour missing in the class file ({nearest})"
    if colour[::-1] in classes.colors:
        cause = "red and blue exchanged (BGR) when the mask was written"
        return what, cause, f"exchange them back{_IN_A_COPY}"
    return what, cause, "give every class its color in the class file"


def averaged_share(mask: Mask, classes: ClassSet) -> float:
    """Share of the steps between distant classes that pass through a value in between, 0..1.

    Averaging a step from class 1 to class 7 invents a pixel of class 4. Clean masks have near 0,
    resized ones a third and more. 0 where there are too few steps to tell.
    """
    hard = passed = 0
    for lines in (mask.astype(np.int32), mask.astype(np.int32).T):
        labels = np.where(lines == classes.ignore, NOTHING, lines)
        hard += int(_steps(labels[:, :-1], labels[:, 1:]).sum())
        passed += sum(_passages(labels, width) for width in (1, 2))
    return passed / (hard + passed) if hard + passed >= 50 else 0.0


NOTHING = -(10**6)


def _steps(left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """The pairs of labelled pixels whose values differ by 2 or more."""
    known = (left != NOTHING) & (right != NOTHING)
    return known & (np.abs(left - right) >= 2)


def _passages(labels: npt.NDArray[np.int32], width: int) -> int:
    """Steps with exactly ``width`` pixels between their ends, all of values in between."""
    span = width + 1
    left, right = labels[:, :-span], labels[:, span:]
    low, high = np.minimum(left, right), np.maximum(left, right)
    passages = _steps(left, right)
    for shift in range(1, span):
        middle = labels[:, shift : labels.shape[1] - span + shift]
        passages &= (middle > low) & (middle < high)
    return int(passages.sum())


def _others(unknown: dict[int, int]) -> str:
    return f", and {len(unknown) - 1} more such values" if len(unknown) > 1 else ""


def _rgb(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255
