"""The classes of a data set: names, colours and the value that is left out."""

import colorsys
import html
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError

Color = tuple[int, int, int]
CREAM: Color = (224, 224, 192)  # what VOC's palette shows for 255
SHOWN = 12  # names in the repr
MOST_CLASSES = 65535  # masks are at most 16 bits deep
THRESHOLD = 0.5
OVERLAP_IGNORE = 255  # in the masks of overlapping classes, which are of 0, 1 and this
NONE_OF_THEM = ("none", "none of these", "(none)")  # more than a name can be

Task = Literal["semantic", "binary", "multilabel"]
"""What a net decides at each pixel: one class of several (the highest logit), whether the one
class is there (a sigmoid and a threshold), or that for each of several classes."""


@dataclass(frozen=True, repr=False)
class ClassSet:
    """Class names and RGB colours; a class is its position, the mask value.

    ``ignore`` is the mask value that is never trained on nor scored (255, as in VOC) and
    ``ignore_color`` its colour in RGB masks and pictures. Colours left out are VOC's palette.
    ``parts`` are the outputs of a net that labels each pixel several times (see ``joint``).
    With ``thresholds``, one a class, the classes may overlap: each is there where its probability
    (the sigmoid of its logit) reaches its threshold, and has a mask of its own, of 0, 1 and
    ``ignore``. Raises UserError when the values contradict each other.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] = ()
    ignore: int = 255
    ignore_color: Color = CREAM
    parts: tuple[tuple[str, "ClassSet"], ...] = ()
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "thresholds", tuple(self.thresholds))
        first = int(self.is_overlapping)  # black is for what is none of them
        colors = self.colors or default_colors(len(self.names) + first)[first:]
        object.__setattr__(self, "colors", tuple(_color(color) for color in colors))
        object.__setattr__(self, "ignore_color", _color(self.ignore_color))
        _check(self)

    def __repr__(self) -> str:
        more = f", ... ({len(self)} classes)" if len(self) > SHOWN else ""
        return f"ClassSet({', '.join(map(repr, self.names[:SHOWN]))}{more})"

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><td>{value}</td><td style='background:rgb{color}'>&emsp;</td>"
            f"<td>{html.escape(name)}</td></tr>"
            for value, (name, color) in enumerate(zip(self.names, self.colors, strict=True))
        )
        return f"<table>{''.join(rows)}</table>"

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Mask value of the class called ``name``; UserError with the known names otherwise."""
        try:
            return self.names.index(name)
        except ValueError:
            known = ", ".join(self.names)
            raise UserError(
                f"no class is called {name!r}; the classes are {known}", "FC-CLASS-007"
            ) from None

    @classmethod
    def joint(cls, parts: Mapping[str, "ClassSet"]) -> "ClassSet":
        """The classes of several outputs behind one another, named 'OUTPUT: CLASS'.

        So one range of values, one palette and one row of scores serve all outputs; ``outputs``
        takes them apart. A single one keeps its classes' names, and is still known by its own.
        Raises UserError when the parts do not ignore the same value.
        """
        if len({part.ignore for part in parts.values()}) != 1:
            raise UserError(
                f"the outputs {', '.join(parts)} must ignore the same mask value", "FC-CLASS-012"
            )
        first = next(iter(parts.values()))
        return cls(
            names=tuple(
                f"{output}: {name}" if len(parts) > 1 else name
                for output, part in parts.items()
                for name in part.names
            ),
            colors=tuple(color for part in parts.values() for color in part.colors),
            ignore=first.ignore,
            ignore_color=first.ignore_color,
            parts=tuple(parts.items()),
        )

    @property
    def is_overlapping(self) -> bool:
        """Whether a pixel can have several classes, or none."""
        return bool(self.thresholds)

    @property
    def task(self) -> Task:
        """What a net decides at each pixel: see `Task`."""
        if not self.is_overlapping:
            return "semantic"
        return "binary" if len(self) == 1 else "multilabel"

    def overlapping(self, thresholds: float | Sequence[float] = THRESHOLD) -> "ClassSet":
        """The same classes, which may overlap, with one threshold for all or one for each.

        Colours of their own stay. Raises UserError for a threshold that is none, and for several
        outputs.
        """
        each = (thresholds,) * len(self) if isinstance(thresholds, int | float) else thresholds
        is_default = not self.thresholds and self.colors == default_colors(len(self))
        colors = () if is_default else self.colors  # VOC's first, black, is for what is none
        return replace(self, thresholds=tuple(each), ignore=OVERLAP_IGNORE, colors=colors)

    @property
    def flat(self) -> "ClassSet":
        """The classes of one map to look at: of overlapping ones `flattened` (0 is none of them).

        Of others the classes themselves.
        """
        if not self.is_overlapping:
            return self
        none = next(name for name in NONE_OF_THEM if name not in self.names)
        colors = ((0, 0, 0), *self.colors)
        return ClassSet((none, *self.names), colors, max(255, len(self) + 1), self.ignore_color)

    @property
    def outputs(self) -> tuple["Output", ...]:
        """The outputs with their values; one without a name where there are no ``parts``.

        Overlapping classes are an output each, of the classes 'not NAME' (0) and NAME (1).
        """
        if self.is_overlapping:
            return tuple(self._output(place) for place in range(len(self)))
        outputs, first = [], 0
        for name, part in self.parts or (("", self),):
            outputs.append(Output(name, first, part))
            first += len(part)
        return tuple(outputs)

    def _output(self, place: int) -> "Output":
        name = self.names[place]
        colors = ((0, 0, 0), self.colors[place])
        classes = ClassSet((f"not {name}", name), colors, self.ignore, self.ignore_color)
        return Output(name if len(self) > 1 else "", place, classes, is_sigmoid=True)

    def palette(self) -> npt.NDArray[np.uint8]:
        """RGB of every mask value, uint8 (256, 3); (65536, 3) when 8 bits are not enough.

        Values that mean nothing get VOC's colours, so that an error in a mask is visible.
        """
        size = 256 if max(self.ignore, len(self) - 1) < 256 else 65536
        table = np.zeros((size, 3), np.uint8)
        table[:256] = default_colors(256)
        table[: len(self)] = self.colors
        table[self.ignore] = self.ignore_color
        return table

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON; ``from_dict`` reads it back."""
        if self.parts:
            return {"outputs": {name: part.to_dict() for name, part in self.parts}}
        return {
            "names": list(self.names),
            "colors": [list(color) for color in self.colors],
            "ignore": self.ignore,
            "ignore_color": list(self.ignore_color),
            **({"thresholds": list(self.thresholds)} if self.thresholds else {}),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ClassSet":
        """The ClassSet that ``to_dict`` wrote; UserError when something is missing or wrong."""
        try:
            if "outputs" in content:
                parts = content["outputs"].items()
                return cls.joint({str(name): cls.from_dict(part) for name, part in parts})
            return cls(
                names=tuple(str(name) for name in content["names"]),
                colors=tuple(content.get("colors", ())),
                ignore=int(content.get("ignore", 255)),
                ignore_color=tuple(content.get("ignore_color", CREAM)),
                thresholds=tuple(content.get("thresholds", ())),
            )
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            StopIteration,
            OverflowError,
        ) as error:
            raise UserError(f"not a description of classes: {error!r}", "FC-CLASS-003") from error

    def to_toml(self) -> str:
        """The text of a ``classes.toml``."""
        lines = [f"ignore = {self.ignore}", f"ignore_color = {list(self.ignore_color)}"]
        for name, color in zip(self.names, self.colors, strict=True):
            lines += ["", "[[class]]", f"name = {_quoted(name)}", f"color = {list(color)}"]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Output:
    """One of the label maps that a net gives: its classes have the values from ``first`` on.

    With ``is_sigmoid`` it is one of overlapping classes: a single channel, whose map has the values
    0 and 1 of ``classes``.
    """

    name: str
    first: int
    classes: ClassSet
    is_sigmoid: bool = False

    @property
    def channels(self) -> slice:
        """Its part of the score channels, and of anything else that has one value a class."""
        return slice(self.first, self.first + (1 if self.is_sigmoid else len(self.classes)))

    @property
    def lowest(self) -> int:
        """The value of the first of its classes in the maps of all outputs."""
        return 0 if self.is_sigmoid else self.first


@cache
def default_colors(count: int) -> tuple[Color, ...]:
    """The first ``count`` colours of VOC's palette (its devkit's VOClabelcolormap).

    The bits of the index are dealt out to red, green and blue in turn, highest bit first. Past
    256 the palette would repeat, so hues are spread evenly from there on.
    """
    return tuple(_voc_color(i) if i < 256 else _spread_color(i) for i in range(count))


def _voc_color(index: int) -> Color:
    channels = [0, 0, 0]
    for position in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * position + channel) & 1) << (7 - position)
    return channels[0], channels[1], channels[2]


def _spread_color(index: int) -> Color:
    hue = index * 0.6180339887498949 % 1  # the golden ratio never lands twice on one hue
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.4 + index % 7 / 10, 0.95 - index % 5 / 10)
    return round(255 * red), round(255 * green), round(255 * blue)


def _color(color: Sequence[int]) -> Color:
    channels = tuple(color) if isinstance(color, Sequence) else ()
    whole = all(isinstance(c, int) and not isinstance(c, bool) for c in channels)
    if len(channels) != 3 or not whole or not all(0 <= c <= 255 for c in channels):
        raise UserError(
            f"color {_short(color)} is not three whole numbers from 0 to 255, as [128, 0, 0]",
            "FC-CLASS-005",
        )
    return channels[0], channels[1], channels[2]


def _check(classes: ClassSet) -> None:
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


def _check_thresholds(classes: ClassSet) -> None:
    if len(classes.thresholds) != len(classes.names):
        raise UserError(
            f"{len(classes.thresholds)} thresholds for {len(classes.names)} classes: give one "
            "number for all, or one for each class",
            "FC-CLASS-013",
        )
    for value in classes.thresholds:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < 1:
            raise UserError(
                f"threshold {_short(value)}: is a probability, above 0 and below 1, as {THRESHOLD}",
                "FC-CLASS-013",
            )
    if classes.parts:
        raise UserError(
            "several outputs are of classes that exclude each other: leave out the thresholds",
            "FC-CLASS-013",
        )


def _short(value: object) -> str:
    """A value of the user's in a message: short, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


_VOC = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
)
VOC = ClassSet(names=tuple(_VOC.split(" ")))
"""PASCAL VOC: 20 kinds of object and the background."""

_CAMVID = "sky building pole road pavement tree sign fence car pedestrian bicyclist"
CAMVID = ClassSet(
    names=tuple(_CAMVID.split(" ")),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
)
"""CamVid in SegNet's 11 classes."""
