"""The photos of an export while it is read: those to use, and a finding for each that cannot."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fullconv.classes import Color
from fullconv.data.importers.annotations import (
    BACKGROUND,
    IGNORE,
    Export,
    Item,
    Note,
    finding_of,
)
from fullconv.data.importers.drawing.combined import corners_of
from fullconv.data.importers.drawing.draw_regions import Drawing, Region
from fullconv.data.importers.drawing.regions import Points, box
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.photos.named_photos import Shelf
from fullconv.errors import DataError, Finding, UserError, reason_of


@dataclass
class Entries:
    """Items, notes and findings; ``fix`` is what a finding says where its error does not."""

    fix: str
    items: list[Item] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, where: str, read: Callable[[list[Note]], Item | None]) -> None:
        """Keep the item that ``read(notes)`` returns, and its notes; a UserError is a finding."""
        notes: list[Note] = []
        try:
            item = read(notes)
            _is_text(item)
        except UserError as error:
            self.findings.append(finding_of(error, where, self.fix))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            what = f"has values of a kind that the tool does not write ({reason_of(error)})"
            self.findings.append(Finding(where, what, "", self.fix, code="FC-IMPORT-060"))
        else:
            self.items += [item] if item is not None else []
            self.notes += notes

    def add_error(self, error: DataError) -> None:
        """A file of which nothing can be used."""
        self.findings.append(error.finding)

    def export(
        self,
        shelf: Shelf,
        listed: Iterable[str] = (),
        colors: Mapping[str, Color] | None = None,
    ) -> Export:
        """Labels in the order of ``listed``, then the others that are drawn, by the alphabet."""
        notes = (*self.notes, *shelf.unlabelled(self.items))
        drawn = {label for item in self.items for label in labels_of(item)}
        self._draws_something(drawn, shelf)
        known = tuple(dict.fromkeys(listed))
        labels = (*known, *sorted(drawn - {*known, IGNORE}))
        return Export(labels, tuple(self.items), BACKGROUND, colors or {}, notes=notes,
                      findings=tuple(self.findings))  # fmt: skip

    def _draws_something(self, labels: Set[str], shelf: Shelf) -> None:
        """UserError where all is boxes or labels of whole photos: no mask can be made of them."""
        others = any(note.kind in ("boxed", "not for masks") for note in self.notes)
        if others and not self.findings and not labels - {IGNORE}:
            raise UserError(
                f"{shelf.source}: has boxes or labels of whole photos only and no outlines; "
                "export with polygons or masks",
                "FC-IMPORT-069",
            )


def _is_text(item: Item | None) -> None:
    """UserError where a photo's name has half a character or a control character."""
    name = item.name if item is not None else ""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise UserError(f"names a photo {name!r}, which no file can be called", "FC-IMPORT-065")


def labels_of(item: Item) -> list[str]:
    """The label of every region that is drawn on a photo."""
    regions: Sequence[Region] = getattr(item.labelling, "regions", ())
    return [region.label for region in regions]


def draw(file: str, regions: Iterable[Region], smaller_on_top: bool = False) -> Drawing:
    """Regions in their order, those that are ignored below all others."""
    ordered = sorted(regions, key=lambda region: region.label != IGNORE)
    return Drawing(file, tuple(ordered), smaller_on_top)


def label_text(value: Any, fix: str) -> str:
    """A label that is text; UserError for anything else."""
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"has no label; {fix}", "FC-IMPORT-061")
    return value


def entry(content: Any, key: str, kind: type, what: str) -> Any:
    """``content[key]``, which must be a ``kind``; UserError says of ``what`` it is missing."""
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        missing = {dict: "object", list: "list", str: "text"}.get(kind, kind.__name__)
        raise UserError(f"{what} has no {missing} {key!r}", "FC-IMPORT-060")
    return value


def xy_points(values: Any) -> Points:
    """[{"x": x, "y": y}, ...] as corners, (n, 2); UserError where it is anything else."""
    if not isinstance(values, list) or not all(isinstance(point, dict) for point in values):
        raise UserError("has points that are no list of x and y", "FC-IMPORT-012")
    return corners_of([[point.get("x"), point.get("y")] for point in values])


def without_area(
    kind: str, label: str, where: str, corners: Points | None, request: Request, notes: list[Note]
) -> list[Region]:
    """What becomes of an object that covers no certain pixels: an error; with --skip, its box.

    The pixels of the box around its ``corners`` are ignored, and it is noted; without corners the
    photo cannot be used.
    """
    what = f"({label}) is of the kind {kind!r}, which covers no certain pixels"
    if corners is None or not len(corners):
        raise UserError(f"{what} and has no points", "FC-IMPORT-011")
    if not request.skip:
        fix = "--skip leaves out only it and ignores the box around it"
        raise UserError(f"{what}; {fix}", "FC-IMPORT-011")
    notes.append(Note("no area", where, f"{kind} ({label})"))
    return [Region(IGNORE, box(*corners.min(0), *corners.max(0)))]


def photo_name(place: str) -> str:
    """The name of a photo in an address: 'http://host/d/a%20b.jpg?x' is 'a b.jpg'.

    Label Studio's own addresses are understood ('/data/local-files/?d=night/1.jpg' is
    'night/1.jpg'); what is no address stays.
    """
    if "://" not in place and not place.startswith("/data/"):
        return place
    try:
        parts = urlsplit(place)
    except ValueError:  # brackets that are no address of version 6
        return place
    local = parse_qs(parts.query).get("d")
    return local[0] if local else PurePosixPath(unquote(parts.path)).name
