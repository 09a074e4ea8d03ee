"""VGG Image Annotator (VIA) 1 and 2: its project, its annotations as JSON, or as CSV.

Ellipses are turned by 'theta' in radians. A region has attributes of any name; the one that names
its class is 'class', 'label' and the like, or the only one. Later regions lie on top.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fullconv.data.importers.annotations import Export, Item, Note
from fullconv.data.importers.drawing.combined import corners_of, dotted, filled, stroked
from fullconv.data.importers.drawing.draw_regions import Region
from fullconv.data.importers.drawing.regions import Ellipse, Points, Shape, box
from fullconv.data.importers.export_files import files_below
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of, number, read_json
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.data.importers.photos.photo_entries import Entries, draw, entry, photo_name
from fullconv.errors import DataError, UserError
from fullconv.parsing import parse_json, read_csv

_NAMES = (
    "class",
    "label",
    "name",
    "category",
    "type",
    "class_name",
    "object",
    "objects",
    "species",
)
"""Attributes that name the class, the likeliest first."""
_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_Photo = tuple[Path, str, str, list[Any]]
"""File, the photo's name, where for messages, regions."""


def recognise(source: Path) -> bool:
    """A JSON or CSV file of VIA's, in the source or one folder below."""
    return any(_is_via(file) for file in _files(source))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = [file for file in files_below(source) if file.suffix.lower() in (".json", ".csv")]
    return [file for file in files if len(file.relative_to(source).parts) <= 2]


def _is_via(file: Path) -> bool:
    text = ends_of(file)
    if file.suffix.lower() == ".csv":
        return b"region_shape_attributes" in text[:2000]
    return b'"shape_attributes"' in text or b'"_via_img_metadata"' in text or (
        b'"file_attributes"' in text and b'"regions"' in text)  # fmt: skip


def read(source: Path, request: Request) -> Export:
    """The photos of all files of VIA's in ``source``."""
    shelf, entries = Shelf(source, request.images), Entries("fix it in VIA")
    photos: list[_Photo] = []
    for file in [file for file in _files(source) if _is_via(file)] or _files(source):
        try:
            is_table = file.suffix.lower() == ".csv"
            photos += _of_table(file) if is_table else _of_json(file)
        except DataError as error:
            entries.add_error(error)
    attribute = _attribute(photos)
    for photo in photos:
        entries.add(photo[2], lambda notes, photo=photo: _item(
            photo, attribute, shelf, request, notes))  # fmt: skip
    return entries.export(shelf)


def _of_json(file: Path) -> Iterator[_Photo]:
    content = read_json(file)
    if isinstance(content, dict) and "_via_img_metadata" in content:
        content = content["_via_img_metadata"]
    if not isinstance(content, dict):
        raise DataError(file, "is no file of VIA's", code="FC-IMPORT-060")
    for key, image in content.items():
        name = image.get("filename") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name.strip():
            raise DataError(file, f"the entry {key[:80]!r} has no filename", "no file of VIA's",
                            "export it again", "FC-IMPORT-065")  # fmt: skip
        regions = image.get("regions")
        if isinstance(regions, dict):  # VIA 1
            regions = list(regions.values())
        if not isinstance(regions, list):
            raise DataError(f"{file} ({name})", "has no list 'regions'", "", "export it again",
                            "FC-IMPORT-060")  # fmt: skip
        yield file, name, f"{file} ({name})", regions


def _of_table(file: Path) -> list[_Photo]:
    """The rows of a CSV file by photo; a photo without regions has one row with an empty one."""
    head, *rows = read_csv(file) or [[]]
    columns = [name.lstrip("#") for name in head]
    regions: dict[str, list[Any]] = defaultdict(list)
    for place, cells in enumerate(rows, 2):
        row = dict(zip(columns, cells, strict=False))
        if any(not isinstance(row.get(column), str) for column in _COLUMNS):
            raise DataError(file, f"line {place} is cut off, or not of VIA's", "",
                            "export it again", "FC-IMPORT-060")  # fmt: skip
        of_photo = regions[row["filename"]]
        region = {name: _object(file, place, row[f"region_{name}"])
                  for name in ("shape_attributes", "attributes")}  # fmt: skip
        if region["shape_attributes"] or region["attributes"]:
            of_photo.append({"shape_attributes": region["shape_attributes"],
                         "region_attributes": region["attributes"]})  # fmt: skip
    return [(file, name, f"{file} ({name})", listed) for name, listed in regions.items()]


def _object(file: Path, line: int, text: str) -> dict[str, Any]:
    content = parse_json(text or "{}", f"{file}, line {line}")
    if not isinstance(content, dict):
        raise DataError(file, f"line {line} has {text[:40]!r}, which is no JSON object", "",
                        "export it again", "FC-IMPORT-060")  # fmt: skip
    return content


def _attribute(photos: list[_Photo]) -> str | None:
    """The attribute that names the class of a region; UserError where several could."""
    used: dict[str, int] = defaultdict(int)
    for *_, regions in photos:
        for region in regions:
            attributes = region.get("region_attributes") if isinstance(region, dict) else None
            for key, value in attributes.items() if isinstance(attributes, dict) else ():
                used[key] += bool(value)
    for name in _NAMES:
        match = next((key for key in used if key.strip().lower() == name and used[key]), None)
        if match is not None:
            return match
    filled = [key for key, count in used.items() if count]
    if len(filled) > 1:
        names = ", ".join(map(repr, filled[:8]))
        raise UserError(
            f"{photos[0][0]}: regions have several attributes ({names}) and none is called "
            "'class'; rename the one that names the class to 'class' in VIA",
            "FC-IMPORT-070",
        )
    return filled[0] if filled else next(iter(used), None)


def _item(
    photo: _Photo, attribute: str | None, shelf: Shelf, request: Request, notes: list[Note]
) -> Item:
    file, name, where, content = photo
    regions, others = [], 0
    for place, region in enumerate(content):
        try:
            attributes = entry(region, "region_attributes", dict, "it")
            regions.append(Region(_label(attributes, attribute), _shape(region, request)))
        except UserError as error:
            raise UserError(f"region {place} {error}", error.code) from None
        others += sum(bool(value) for key, value in attributes.items() if key != attribute)
    if others:
        notes.append(Note("not for masks", where, count=others))
    name = photo_name(name)
    path = shelf.find(name, file.parent, where)
    return Item(plain(name).with_suffix("").as_posix(), None, path, where, draw(where, regions))


def _label(attributes: dict[str, Any], attribute: str | None) -> str:
    """Text; or {'car': true} of check boxes, of which one may be ticked."""
    value = attributes.get(attribute) if attribute is not None else None
    if isinstance(value, dict):
        ticked = [key for key, on in value.items() if on]
        if len(ticked) > 1:
            raise UserError(f"has several values of {attribute!r} ({', '.join(ticked[:4])}); a "
                            "pixel has one class: keep one in VIA", "FC-IMPORT-070")  # fmt: skip
        value = ticked[0] if ticked else None
    if not isinstance(value, str) or not value.strip():
        named = f"value of {attribute!r}" if attribute else "attribute that names its class"
        raise UserError(f"has no {named}; give it one in VIA", "FC-IMPORT-061")
    return value.strip()


def _shape(region: dict[str, Any], request: Request) -> Shape:
    content = entry(region, "shape_attributes", dict, "it")
    kind = content.get("name")
    if not isinstance(kind, str) or kind not in _SHAPES:
        known = ", ".join(_SHAPES)
        raise UserError(f"is of the unknown type {kind!r}; known are {known}", "FC-IMPORT-011")
    try:
        return _SHAPES[kind](content, request)
    except UserError as error:
        raise UserError(f"({kind}) {error}", error.code) from None


def _value(content: dict[str, Any], key: str) -> float:
    return number(content.get(key), f"has {key} =")


def _corners(content: dict[str, Any]) -> Points:
    x, y = content.get("all_points_x"), content.get("all_points_y")
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
        raise UserError("has no all_points_x and all_points_y of one length", "FC-IMPORT-012")
    return corners_of([list(pair) for pair in zip(x, y, strict=True)])


def _polygon(content: dict[str, Any], request: Request) -> Shape:
    return filled(_corners(content))


def _polyline(content: dict[str, Any], request: Request) -> Shape:
    return stroked(_corners(content), request.line_width)


def _rectangle(content: dict[str, Any], request: Request) -> Shape:
    left, top, width, height = (_value(content, key) for key in ("x", "y", "width", "height"))
    return box(left, top, left + width, top + height)


def _circle(content: dict[str, Any], request: Request) -> Shape:
    radius = _value(content, "r")
    return Ellipse((_value(content, "cx"), _value(content, "cy")), (radius, radius))


def _ellipse(content: dict[str, Any], request: Request) -> Shape:
    degrees = math.degrees(number(content.get("theta") or 0, "has theta ="))
    x, y, wide, high = (_value(content, key) for key in ("cx", "cy", "rx", "ry"))
    return Ellipse((x, y), (wide, high), degrees)


def _dot(content: dict[str, Any], request: Request) -> Shape:
    return dotted(corners_of([[_value(content, "cx"), _value(content, "cy")]]),
                  request.point_radius)  # fmt: skip


_SHAPES = {"polygon": _polygon, "polyline": _polyline, "rect": _rectangle, "circle": _circle,
           "ellipse": _ellipse, "point": _dot}  # fmt: skip
