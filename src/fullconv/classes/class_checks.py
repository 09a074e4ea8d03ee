"""The checks of a `ClassSet`: one-line errors for wrong names, colours and values."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fullconv.classes.colors import Color
from fullconv.errors import UserError

if TYPE_CHECKING:
    from fullconv.classes.class_set import ClassSet

MOST_CLASSES = 65535  # masks are at most 16 bits deep
THRESHOLD = 0.5


def checked_color(color: Sequence[int]) -> Color:
    """A colour as three whole numbers 0..255; UserError otherwise."""
    channels = tuple(color) if isinstance(color, Sequence) else ()
    whole = all(isinstance(c, int) and not isinstance(c, bool) for c in channels)
    if len(channels) != 3 or not whole or not all(0 <= c <= 255 for c in channels):
        raise UserError(
            f"color {_short(color)} is not three whole numbers from 0 to 255, as [128, 0, 0]",
            "FC-CLASS-005",
        )
    return channels[0], channels[1], channels[2]


def check_class_set(classes: "ClassSet") -> None:
    """UserError for names, colours, values or thresholds that contradict each other."""
    names, count = classes.names, len(classes.names)
    if not names or count > MOST_CLASSES:
        raise UserError(
            f"{count} classes: there must be between 1 and {MOST_CLASSES}", "FC-CLASS-004"
        )
    if any(not isinstance(name, str) or not name.strip() for name in names):
        raise UserError("a class has an empty name, or one that is no text", "FC-CLASS-004")
    composed = Counter(unicodedata.normalize("NFC", name) for name in names)
    name, times = composed.most_common(1)[0]
    if times > 1:
        raise UserError(
            f"class name {_short(name)} stands {times} times; give each class its own",
            "FC-CLASS-004",
        )
    if len(classes.colors) != count:
        raise UserError(f"{len(classes.colors)} colors for {count} classes", "FC-CLASS-005")
    strange = [v for v in classes.background if type(v) is not int or not 0 <= v < count]
    if strange:
        raise UserError(
            f"background = {_short(strange[0])} is no class value from 0 to {count - 1}",
            "FC-CLASS-013",
        )
    whole = isinstance(classes.ignore, int) and not isinstance(classes.ignore, bool)
    values = 2 if classes.thresholds else count
    if not whole or not values <= classes.ignore <= MOST_CLASSES:
        raise UserError(
            f"ignore = {_short(classes.ignore)} must be a whole number above the {values} class "
            f"values 0 to {values - 1} and at most {MOST_CLASSES}",
            "FC-CLASS-006",
        )
    if classes.thresholds:
        _check_thresholds(classes)


def _check_thresholds(classes: "ClassSet") -> None:
    if len(classes.thresholds) != len(classes.names):
        raise UserError(
            f"{len(classes.thresholds)} thresholds for {len(classes.names)} classes: give one "
            "number for all, or one for each class",
            "FC-CLASS-014",
        )
    for value in classes.thresholds:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < 1:
            raise UserError(
                f"threshold {_short(value)}: is a probability, above 0 and below 1, as {THRESHOLD}",
                "FC-CLASS-014",
            )
    if classes.parts:
        raise UserError(
            "several outputs are of classes that exclude each other: leave out the thresholds",
            "FC-CLASS-014",
        )


def _short(value: object) -> str:
    """A value of the user's in a message: short, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
