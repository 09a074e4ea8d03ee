"""The classes of a data set: names, colours and the value that is left out."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fullconv.classes.class_checks import (
    THRESHOLD,
    check_class_set,
    checked_color,
)
from fullconv.classes.colors import Color, default_colors, voc_colors
from fullconv.errors import UserError

CREAM: Color = (224, 224, 192)  # what VOC's palette shows for 255
SHOWN = 12  # names in the repr
_BACKGROUND = "background bg void none nothing empty unknown unlabelled unlabeled nolabel noclass"
BACKGROUND_NAMES = frozenset(_BACKGROUND.split(" "))
"""The names of class 0 where it is the background; letters only."""
BY_NAME = (-1,)
"""The background is told by the name of class 0."""
OVERLAP_IGNORE = 255  # in the masks of overlapping classes, which are of 0, 1 and this
NONE_OF_THEM = ("none", "none of these", "(none)")  # more than a name can be

Task = Literal["semantic", "binary", "multilabel"]
"""What a net decides at each pixel: one class of several (the highest logit), whether the one
class is there (a sigmoid and a threshold), or that for each of several classes."""


@dataclass(frozen=True, repr=False)
class ClassSet:
    """Class names and RGB colours; a class is its position, the mask value.

    ``ignore`` is the mask value that is never trained on nor scored (255, as in VOC) and
    ``ignore_color`` its colour in RGB masks and pictures. Colours left out are those of
    `fullconv.classes.colors.default_colors`. ``background`` are the classes that are no object:
    overlays leave the photo as it is there. Left out it is class 0 where its name is one of
    `BACKGROUND_NAMES`. ``parts`` are the outputs of a net that labels each pixel several times
    (see ``joint``). With ``thresholds``, one a class, the classes may overlap: each is there where
    its probability (the sigmoid of its logit) reaches its threshold, and has a mask of its own, of
    0, 1 and ``ignore``; none is a background. Raises UserError when the values contradict each
    other.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] = ()
    ignore: int = 255
    ignore_color: Color = CREAM
    parts: tuple[tuple[str, "ClassSet"], ...] = ()
    background: tuple[int, ...] = BY_NAME
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "thresholds", tuple(self.thresholds))
        if self.background == BY_NAME:
            named = () if self.is_overlapping else named_background(self.names)
            object.__setattr__(self, "background", named)
        object.__setattr__(self, "background", tuple(sorted(self.background)))
        colors = self.colors or default_colors(len(self.names), background=0 in self.background)
        object.__setattr__(self, "colors", tuple(checked_color(color) for color in colors))
        object.__setattr__(self, "ignore_color", checked_color(self.ignore_color))
        check_class_set(self)

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
    def is_overlapping(self) -> bool:
        """Whether a pixel can have several classes, or none."""
        return bool(self.thresholds)

    @property
    def task(self) -> Task:
        """The decision at each pixel: see `Task`."""
        if not self.is_overlapping:
            return "semantic"
        return "binary" if len(self) == 1 else "multilabel"

    def overlapping(self, thresholds: float | Sequence[float] = THRESHOLD) -> "ClassSet":
        """The same classes, which may overlap, with one threshold for all or one for each.

        Colours of their own stay. Raises UserError for a threshold that is none, and for several
        outputs.
        """
        values = (thresholds,) * len(self) if isinstance(thresholds, int | float) else thresholds
        is_default = self.colors == default_colors(len(self), background=0 in self.background)
        colors = () if is_default else self.colors  # black is for what is none of them
        return replace(
            self, thresholds=tuple(values), ignore=OVERLAP_IGNORE, colors=colors, background=()
        )

    @property
    def flat(self) -> "ClassSet":
        """The classes of one map to look at: of overlapping ones `flattened` (0 is none of them).

        Of others the classes themselves.
        """
        if not self.is_overlapping:
            return self
        none = next(name for name in NONE_OF_THEM if name not in self.names)
        return ClassSet(
            (none, *self.names),
            ((0, 0, 0), *self.colors),
            max(255, len(self) + 1),
            self.ignore_color,
            background=(0,),
        )

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
        classes = ClassSet(
            (f"not {name}", name), colors, self.ignore, self.ignore_color, background=(0,)
        )
        return Output(name if len(self) > 1 else "", place, classes, is_sigmoid=True)

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
            **({"thresholds": list(self.thresholds)} if self.thresholds else {}),
        }

    def _marked_background(self) -> dict[str, list[int]]:
        """The background where names do not tell it."""
        by_name = () if self.is_overlapping else named_background(self.names)
        return {} if self.background == by_name else {"background": list(self.background)}

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
        by_name = named_background(self.names)
        for value, (name, color) in enumerate(zip(self.names, self.colors, strict=True)):
            lines += ["", "[[class]]", f"name = {_quoted(name)}", f"color = {list(color)}"]
            if (value in self.background) != (value in by_name):
                lines.append(f"background = {str(value in self.background).lower()}")
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


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
