"""The classes of a data set: names, colours and the value that is left out."""

import html
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes.colors import Color, default_colors, voc_colors
from fullconv.errors import UserError

CREAM: Color = (224, 224, 192)  # what VOC's palette shows for 255
SHOWN = 12  # names in the repr
MOST_CLASSES = 65535  # masks are at most 16 bits deep
_BACKGROUND = "background bg void none nothing empty unknown unlabelled unlabeled nolabel noclass"
BACKGROUND_NAMES = frozenset(_BACKGROUND.split(" "))
"""What class 0 is called where it is no object; letters only."""
BY_NAME = (-1,)
"""The background is told by the name of class 0."""


@dataclass(frozen=True, repr=False)
class ClassSet:
    """Class names and RGB colours; a class is its position, the mask value.

    ``ignore`` is the mask value that is never trained on nor scored (255, as in VOC) and
    ``ignore_color`` its colour in RGB masks and pictures. Colours left out are those of
    `fullconv.classes.colors.default_colors`. ``background`` are the classes that are no object:
    overlays leave the photo as it is there. Left out it is class 0 where its name is one of
    `BACKGROUND_NAMES`. ``parts`` are the outputs of a net that labels each pixel several times
    (see ``joint``). Raises UserError when the values contradict each other.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] = ()
    ignore: int = 255
    ignore_color: Color = CREAM
    parts: tuple[tuple[str, "ClassSet"], ...] = ()
    background: tuple[int, ...] = BY_NAME

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if self.background == BY_NAME:
            object.__setattr__(self, "background", named_background(self.names))
        object.__setattr__(self, "background", tuple(sorted(self.background)))
        colors = self.colors or default_colors(len(self.names), background=0 in self.background)
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
            background=_joint_background(parts.values()),
        )

    @property
    def outputs(self) -> tuple["Output", ...]:
        """The outputs with their values; one without a name where there are no ``parts``."""
        outputs, first = [], 0
        for name, part in self.parts or (("", self),):
            outputs.append(Output(name, first, part))
            first += len(part)
        return tuple(outputs)

    def palette(self) -> npt.NDArray[np.uint8]:
        """RGB of every mask value, uint8 (256, 3); (65536, 3) when 8 bits are not enough.

        Values that mean nothing get VOC's colours, so that an error in a mask is visible.
        """
        size = 256 if max(self.ignore, len(self) - 1) < 256 else 65536
        table = np.zeros((size, 3), np.uint8)
        table[:256] = voc_colors(256)
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
            **self._marked_background(),
        }

    def _marked_background(self) -> dict[str, list[int]]:
        """The background where names do not tell it."""
        by_name = self.background == named_background(self.names)
        return {} if by_name else {"background": list(self.background)}

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
                background=tuple(content.get("background", BY_NAME)),
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
        by_name = named_background(self.names)
        for value, (name, color) in enumerate(zip(self.names, self.colors, strict=True)):
            lines += ["", "[[class]]", f"name = {_quoted(name)}", f"color = {list(color)}"]
            if (value in self.background) != (value in by_name):
                lines.append(f"background = {str(value in self.background).lower()}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Output:
    """One of the label maps that a net gives: its classes have the values from ``first`` on."""

    name: str
    first: int
    classes: ClassSet

    @property
    def channels(self) -> slice:
        """Its part of the score channels, and of anything else that has one value a class."""
        return slice(self.first, self.first + len(self.classes))


def named_background(names: Sequence[str]) -> tuple[int, ...]:
    """(0,) where class 0 is called as a background is, else ()."""
    first = "".join(c for c in str(names[0]).casefold() if c.isalpha()) if names else ""
    return (0,) if first in BACKGROUND_NAMES else ()


def _joint_background(parts: Iterable["ClassSet"]) -> tuple[int, ...]:
    """The backgrounds of parts that stand behind one another."""
    values, first = [], 0
    for part in parts:
        values += [first + value for value in part.background]
        first += len(part)
    return tuple(values)


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
    strange = [v for v in classes.background if type(v) is not int or not 0 <= v < count]
    if strange:
        raise UserError(
            f"background = {_short(strange[0])} is no class value from 0 to {count - 1}",
            "FC-CLASS-013",
        )
    whole = isinstance(classes.ignore, int) and not isinstance(classes.ignore, bool)
    if not whole or not count <= classes.ignore <= MOST_CLASSES:
        raise UserError(
            f"ignore = {_short(classes.ignore)} must be a whole number above the {count} class "
            f"values 0 to {count - 1} and at most {MOST_CLASSES}",
            "FC-CLASS-006",
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
VOC = ClassSet(names=tuple(_VOC.split(" ")), colors=voc_colors(21))
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
