"""The only possible meaning of the stored values of a data set's masks: one rule for all masks.

A rule is used where the masks together leave one reading. Where they leave two (0/255 masks of
three classes, a 0 beside numbers that count from 1), there is none, and nothing is corrected.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.checks.mask_values import MANY
from fullconv.data.sample import Mask

WHITE, WHITE_16 = 255, 65535  # of masks of 8 and of 16 bits
Stored = npt.NDArray[np.integer]
"""Class numbers (H, W), or colors (H, W, 3), as a file has them."""


@dataclass(frozen=True)
class ValueRule:
    """Stored value -> class value, and ``says``, a line for each correction that it makes."""

    mapping: tuple[tuple[int, int], ...] = ()
    says: tuple[str, ...] = ()

    def applied(self, values: Stored, classes: ClassSet) -> Mask | None:
        """The class values of stored numbers (H, W); None where one of them means nothing."""
        dtype = np.uint8 if max(len(classes) - 1, classes.ignore) < 256 else np.uint16
        known = [(value, value) for value in (*range(len(classes)), classes.ignore)]
        mapping = dict(self.mapping or known)
        present, places = np.unique(values, return_inverse=True)
        if any(int(value) not in mapping for value in present):
            return None
        table = np.array([mapping[int(value)] for value in present], dtype)
        return table[places.reshape(values.shape)]


def value_rule(
    present: Iterable[frozenset[int]], classes: ClassSet, unlabelled: Iterable[int] = ()
) -> ValueRule:
    """The rule for masks with these sets of values; the empty one where there is nothing to correct
    or two corrections would be possible. ``unlabelled`` are the values that somebody has said to be
    those of unlabelled pixels. Where 0 is one, class 0 has no other value than 1, unless it is a
    background, which may be what is meant."""
    ignore, count = classes.ignore, len(classes)
    stated = frozenset(unlabelled)
    masks = _without_slips([mask - stated for mask in present], classes)
    values = frozenset().union(*masks)
    voids = {ignore, *stated}
    if values in ({0, WHITE}, {0, WHITE_16}) and count == 2:
        white, name = max(values), classes.names[1]
        numbers, says = [(0, 0), (white, 1)], [f"0/{white} mask: {white} is now 1 ({name})"]
        voids = set(stated)
    else:
        if ignore != WHITE and WHITE in values and count <= WHITE and _is_void(masks, count):
            voids.add(WHITE)
        classed = values - voids
        says = []
        numbers = [(value, value) for value in range(count) if value not in voids]
        from_1 = count in values or (0 in stated and 0 not in classes.background)
        if ignore != count and from_1 and classed and classed <= set(range(1, count + 1)):
            numbers = [(value, value - 1) for value in range(1, count + 1)]
            says = [f"class numbers from 1 to {count} now count from 0"]
    said = [
        f"{value} for unlabelled pixels is now {ignore}, the ignored value"
        for value in sorted(voids - {ignore})
    ]
    if not said and not says:
        return ValueRule()
    return ValueRule((*numbers, *((value, ignore) for value in voids)), (*said, *says))


def _without_slips(masks: Iterable[frozenset[int]], classes: ClassSet) -> list[frozenset[int]]:
    """The masks that say how all are numbered: without the damaged, and a few with odd values."""
    whole = [mask for mask in masks if not is_damaged(mask, classes)]
    known = {*range(len(classes) + 1), classes.ignore, WHITE, WHITE_16}
    usual = [mask for mask in whole if mask <= known]
    return usual if 2 * len(usual) > len(whole) else whole


def is_damaged(mask: frozenset[int], classes: ClassSet) -> bool:
    """Whether a mask has as many values without a meaning as averaging or JPEG make of it."""
    return len(mask - {*range(len(classes) + 1), classes.ignore}) >= MANY


def _is_void(masks: Sequence[frozenset[int]], count: int) -> bool:
    """Whether 255 stands beside classes other than the first: it is then no foreground."""
    return any(WHITE in mask and mask & set(range(1, count + 1)) for mask in masks)


def numbers_of(stored: Stored, classes: ClassSet) -> Stored | None:
    """The class numbers in stored values: themselves, or of a grey RGB picture its one channel.

    None for colors: those that the class file has mean classes, and others nothing.
    """
    if stored.ndim == 2:
        return stored
    is_grey = (stored == stored[..., :1]).all()
    return stored[..., 0] if is_grey and not colors_known(stored, classes) else None


def colors_known(stored: Stored, classes: ClassSet) -> bool:
    """Whether all colors (H, W, 3) are those of classes or of the ignored value."""
    colors = np.unique(stored.reshape(-1, 3), axis=0)
    known = {*classes.colors, classes.ignore_color}
    return all(tuple(color) in known for color in colors.tolist())
