"""Labels of a source -> classes of a data set."""

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.classes import (
    MOST_CLASSES,
    ClassSet,
    Color,
    default_colors,
    named_background,
)
from fullconv.data.importers.annotations import IGNORE, Export, Note
from fullconv.data.importers.import_request import Request
from fullconv.data.layouts.find_class_file import given_classes
from fullconv.errors import UserError


@dataclass(frozen=True)
class Plan:
    """``becomes[label]`` is its class or ``__ignore__``, ``unlabelled`` that of other pixels."""

    classes: ClassSet
    becomes: dict[str, str]
    unlabelled: str
    notes: tuple[Note, ...] = ()

    def numbers(self) -> dict[str, int]:
        """The number of each label in a `Painted`."""
        return {label: number for number, label in enumerate(self.becomes, 1)}

    def table(self) -> npt.NDArray[np.integer]:
        """The class value of each label's number, that of the pixels without label first."""
        names = (self.unlabelled, *self.becomes.values())
        ignore = self.classes.ignore
        values = [ignore if name == IGNORE else self.classes.index(name) for name in names]
        return np.array(values, np.uint8 if ignore < 256 else np.uint16)


def plan(export: Export, request: Request) -> Plan:
    """Decide the classes; UserError for a name that is none of the labels, or of no listed class.

    The background comes first where pixels without label become it, then the classes stand in the
    order of the labels, or all as in the file ``request.classes``.
    """
    labels = dict.fromkeys((*export.labels, IGNORE))
    _one_line(labels)
    request = request.with_labels(labels)
    merge = dict(request.merged)
    _known(merge, labels, "--merge")
    _known(request.ignore, {*labels, *merge.values()}, "--ignore")
    wanted = None if request.classes is None else given_classes(request.classes)
    becomes = {label: request.class_of(label) for label in labels}
    for label in export.ignored:
        asked = label in merge or (wanted is not None and label in wanted.names)
        if label in becomes and not asked:
            becomes[label] = IGNORE
    unlabelled = request.background or export.background or IGNORE
    unlabelled = IGNORE if unlabelled in request.ignore else unlabelled
    first = export.background is not None or unlabelled not in becomes.values()
    ordered = [unlabelled, *becomes.values()] if first else list(becomes.values())
    names = dict.fromkeys(name for name in ordered if name != IGNORE)
    if not names:
        raise UserError("no class is left: every label is ignored", "FC-IMPORT-009")
    classes = wanted or _classes(tuple(names), becomes, export)
    _listed(names, becomes, classes, request)
    return Plan(classes, becomes, unlabelled, _alike(names))


def _classes(names: tuple[str, ...], becomes: dict[str, str], export: Export) -> ClassSet:
    if len(names) > MOST_CLASSES:
        raise UserError(
            f"{len(names)} classes: a mask holds at most {MOST_CLASSES}", "FC-IMPORT-009"
        )
    ignore = 255 if len(names) <= 255 else MOST_CLASSES
    return ClassSet(names, _colors(names, becomes, export), ignore)


def _colors(names: tuple[str, ...], becomes: dict[str, str], export: Export) -> tuple[Color, ...]:
    """The tool's own colours where all classes have one and no two the same, else the default."""
    given: dict[str, Color] = {}
    for label, name in becomes.items():
        if label in export.colors:
            given.setdefault(name, export.colors[label])
    if export.background is not None and names[0] == export.background:
        given.setdefault(names[0], (0, 0, 0))
    colors = tuple(given[name] for name in names if name in given)
    distinct = len(set(colors)) == len(names)
    return (
        colors if distinct else default_colors(len(names), background=bool(named_background(names)))
    )


def _one_line(labels: Iterable[str]) -> None:
    """A label with a line break or half a character can stand in no table and no class file."""
    for label in labels:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in label):
            raise UserError(
                f"the label {label!r} has a character that is no text; rename it there",
                "FC-IMPORT-009",
            )


def _known(names: Iterable[str], labels: Iterable[str], option: str) -> None:
    for name in names:
        if name not in labels:
            close = difflib.get_close_matches(name, labels, 1)
            guess = f"did you mean {close[0]!r}? " if close else ""
            shown = _some([label for label in labels if label != IGNORE])
            raise UserError(
                f"{option} {name!r}: there is no such label; {guess}there are {shown}",
                "FC-IMPORT-008",
            )


def _some(names: Sequence[str]) -> str:
    """The first names of many, as a message lists them."""
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _listed(
    names: Iterable[str], becomes: dict[str, str], classes: ClassSet, request: Request
) -> None:
    """Every class must be in the list that the user gave: nothing is dropped in silence."""
    unknown = [name for name in names if name not in classes.names]
    if not unknown:
        return
    name = unknown[0]
    known = _some(classes.names)
    if name in becomes.values():
        fix = f"--merge {_quoted(name)}=CLASS, or --ignore {_quoted(name)}"
    else:
        fix = f"pixels without label become it: --background CLASS, or --background {IGNORE}"
    more = f" (and {len(unknown) - 1} more: {', '.join(unknown[1:8])})" if unknown[1:] else ""
    raise UserError(
        f"{request.classes}: has no class {name!r}{more}; use {fix}, or add it. It has {known}",
        "FC-IMPORT-009",
    )


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def _alike(names: Iterable[str]) -> tuple[Note, ...]:
    """'Car' and 'car ' are two classes; somebody may have meant one."""
    spelled: dict[str, list[str]] = defaultdict(list)
    for name in names:
        spelled["".join(c for c in name.lower() if c.isalnum()) or name].append(name)
    same = [group for group in spelled.values() if len(group) > 1]
    return tuple(
        Note("spelling", " and ".join(map(repr, group)), f"--merge '{group[1]}'='{group[0]}'")
        for group in same
    )
