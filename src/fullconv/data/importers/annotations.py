"""What a labelling tool left behind, as every reader hands it on: photos, labels, notes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fullconv.classes import Color
from fullconv.errors import DataError, Finding, UserError

IGNORE = "__ignore__"
"""The label of pixels that are neither trained on nor scored; labelme's name for them."""
BACKGROUND = "background"
UNLABELLED = 0
"""Number of the pixels that carry no label; the labels count from 1."""
LEFT_OUT = -1
"""Number of a label whose shapes are not drawn."""
Size = tuple[int, int]
"""Height and width in pixels."""

NOTES = {
    "split": "splits",
    "no pixel": "classes without a pixel",
    "spelling": "labels that differ only in spelling, kept apart",
    "same name": "categories of the same name, made one label",
    "other labels": "label files of the same photos for other tasks, not read",
    "several": "photos with several annotations, of which the ground truth or the newest was taken",
    "no split": "photos of no split, given to train",
    "faulty": "photos or label files that cannot be used, left out",
    "left out": "photos left out whole, because annotations that may be theirs were skipped",
    "no photo": "masks without a photo, left out",
    "layout": "what the source's folders and lists hold beside",
    "unlabelled": "photos without labels, left out",
    "ignored": "photos without a pixel of any class, left out",
    "no shapes": "photos without shapes, all background",
    "turned": "photos that EXIF turns, with labels taken as drawn on the upright photo "
    "(if not: --exif stored)",
    "clipped": "shapes that reach beyond the photo, cut off there",
    "empty": "shapes that hold no pixel's centre, lost",
    "hidden": "shapes that lie wholly under others, lost",
    "covered": "pixels under shapes of several labels, given to the uppermost",
    "crowd": "regions of crowds (iscrowd), ignored",
    "brush": "run lengths marked as crowds (iscrowd), as tools mark what is painted with a brush, "
    "taken for regions",
    "no area": "objects that cover no certain pixels (skeletons, cuboids), the pixels of the box "
    "around them ignored",
    "boxed": "objects with a box and no outline, the pixels of the box ignored",
    "groups": "groups of shapes (group_id), taken apart: a mask has classes, no objects",
    "not for masks": "flags, tags and attributes, which have no place in a mask",
}
"""Kinds of notes, in the order of the report, each with what it says there."""


@dataclass(frozen=True)
class Note:
    """Something that was merged, cut off, ignored or left out; ``kind`` is one of NOTES."""

    kind: str
    file: str
    what: str = ""
    count: int = 1


@dataclass(frozen=True, eq=False)
class Painted:
    """The label of each pixel as its number, integers (H, W), and how many shapes each has."""

    numbers: npt.NDArray[np.integer]
    shapes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


class Labelling(Protocol):
    """How one photo is labelled: shapes to draw, or a file to read."""

    def paint(self, size: Size, numbers: Mapping[str, int]) -> Painted:
        """The labels of a photo of ``size``, by their ``numbers``; UserError where it cannot be.

        Shapes of a label with the number `LEFT_OUT` are not drawn, such pixels may have it.
        """
        ...


@dataclass(frozen=True, eq=False)
class Item:
    """One labelled photo.

    ``name`` is what it will be called, without suffix ('street/0001'); ``split`` as the source
    gives it, or None; ``photo`` its file, or a function that gives the bytes of one; ``file`` the
    labels' file, for messages; ``size`` the photo's size as the labels state it, or None.
    """

    name: str
    split: str | None
    photo: Path | Callable[[], bytes]
    file: str
    labelling: Labelling
    size: Size | None = None


@dataclass(frozen=True, eq=False)
class Export:
    """All that a reader finds in a source.

    ``labels`` stand in the order of the classes to come. ``ignored`` are those that the format
    itself leaves out of training. ``background`` is the class of the pixels without label, None
    where they are ignored. ``findings`` are the photos that cannot be used.
    """

    labels: tuple[str, ...]
    items: tuple[Item, ...]
    background: str | None
    colors: Mapping[str, Color] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()
    findings: tuple[Finding, ...] = ()


def finding_of(error: UserError, where: str, fix: str) -> Finding:
    """The finding that an error is; ``where`` and ``fix`` are said where it does not."""
    if isinstance(error, DataError):
        return error.finding
    return Finding(where, str(error), "", fix, code=error.code)


def without_photo(mask: Path) -> Finding:
    """The finding that a mask has no photo."""
    return Finding(str(mask), "this mask has no photo", "", "add the photo", code="FC-IMPORT-027")
