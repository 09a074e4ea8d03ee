"""Label numbers of a published data set -> class values, by the names of both."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.layouts.listing import read_lines
from fullconv.data.sample import Mask
from fullconv.errors import DataError, UserError, printable

BACKGROUND = "background"
"""A class of this name takes every label that is no other class; without it they are ignored."""


def spelled(name: str) -> str:
    """A name without case, spaces and hyphens: 'Night-stand' and 'night stand' are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def table(
    names: Mapping[int, str], classes: ClassSet, file: Path, also: Mapping[str, str] | None = None
) -> npt.NDArray[np.uint16]:
    """Class value of each label number, from 0 to the highest of ``names`` (number -> name).

    Numbers of no class, and those that have no name, become 'background' where there is such a
    class, else ignored. ``also`` gives a second name to look for. Raises UserError for a class
    that ``file``, where the names are from, does not know.
    """
    numbers = {spelled(name): number for number, name in names.items()}
    rest = classes.names.index(BACKGROUND) if BACKGROUND in classes.names else classes.ignore
    values = np.full(max(names) + 1, rest, np.uint16)
    for value, name in enumerate(classes.names):
        plain = spelled(name)
        number = numbers.get(plain, numbers.get((also or {}).get(plain, "")))
        if number is not None:
            values[number] = value
        elif name != BACKGROUND:
            raise UserError(
                f"{file}: has no label called {name!r}; {_known(list(names.values()))}",
                "FC-DATA-134",
            )
    return values


def _known(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"its labels are {', '.join(names[:8])}{more}"


def to_classes(
    file: Path, labels: npt.NDArray[np.int32], values: npt.NDArray[np.uint16], classes: ClassSet
) -> Mask:
    """``labels`` (H, W) through a ``table``; DataError for a number that is no label."""
    if labels.min() < 0 or labels.max() >= len(values):
        numbers, counts = np.unique(labels, return_counts=True)
        strange = (numbers < 0) | (numbers >= len(values))
        worst = int(numbers[strange][counts[strange].argmax()])
        pixels = int(counts[strange].max())
        what = f"value {worst} ({pixels} pixels) is no label: the labels are 0 to {len(values) - 1}"
        raise DataError(file, what, "a file of another data set, or a damaged one",
                        "unpack the data set again", "FC-DATA-134")  # fmt: skip
    return values.astype(np.uint8 if classes.ignore < 256 else np.uint16)[labels]


def read_numbered(file: Path) -> dict[int, str]:
    """The names of a ``labels.txt`` with 'number: name' on each line; UserError names the line."""
    names: dict[int, str] = {}
    for line in read_lines(file):
        number, _, name = (part.strip() for part in line.partition(":"))
        if not name or not _is_label(number):
            raise UserError(
                f"{file}: line {printable(line, 200)!r} is not 'number: name'", "FC-DATA-105"
            )
        if int(number) in names:
            raise UserError(f"{file}: label {number} stands twice; remove one", "FC-DATA-105")
        names[int(number)] = name
    return names


def _is_label(number: str) -> bool:
    return number.isdecimal() and len(number) < 9 and 0 < int(number) <= 65535


def photo_lists(root: Path, splits: tuple[str, ...]) -> dict[str, Path]:
    """The lists ``SPLIT.txt`` that are there, in the order of ``splits``."""
    files = {split: root / f"{split}.txt" for split in splits}
    return {split: file for split, file in files.items() if file.is_file()}


def listed_names(file: Path) -> list[str]:
    """The photos of a list, without folders and endings (a backslash parts folders too)."""
    return [Path(line.split()[0].replace("\\", "/")).stem for line in read_lines(file)]
