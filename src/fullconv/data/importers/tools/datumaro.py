"""Datumaro: annotations/SPLIT.json with 'categories' and 'items', photos in images/ (SPLIT/).

Shapes are drawn by z_order, then in the order of the file. A box is what a detector learns from: it
is ignored where nothing else lies, unless a polygon or mask of its group outlines the object. The
fields are those of datumaro/plugins/data_formats/datumaro/exporter.py, version 1.0 and before.
"""

import os
import re
from pathlib import Path
from typing import Any

from fullconv.classes import Color
from fullconv.data.importers.annotations import IGNORE, Export, Item, Note, Size
from fullconv.data.importers.drawing import rle
from fullconv.data.importers.drawing.combined import corners_of, dotted, filled, stroked
from fullconv.data.importers.drawing.draw_regions import Region
from fullconv.data.importers.drawing.regions import Ellipse, Points, Shape, box
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import (
    ends_of,
    json_files,
    number,
    read_json,
    size_of,
)
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.data.importers.photos.photo_entries import Entries, draw, entry, without_area
from fullconv.errors import DataError, UserError

_SIGNS = (rb'"items"\s*:\s*\[', rb'"categories"\s*:\s*\{')
_NO_PIXELS = ("label", "caption", "feature_vector", "hash_key", "tabular")
"""Kinds of annotations that say something of the whole photo."""


def recognise(source: Path) -> bool:
    """A JSON file with items and categories, in the source or one folder below."""
    return any(_is_datumaro(file) for file in _files(source))


def _files(source: Path) -> list[Path]:
    files = json_files(source)
    return [file for file in files if len(file.relative_to(source).parts) <= 2]


def _is_datumaro(file: Path) -> bool:
    """By the words that only such a file has; a large one ends with annotations of its items."""
    text = ends_of(file)
    return all(re.search(pattern, text) for pattern in _SIGNS)


def read(source: Path, request: Request) -> Export:
    """All files of Datumaro's below ``source``: one a split, of equal categories or not."""
    shelf, entries = Shelf(source, request.images), Entries("fix it in the file")
    labels: dict[str, Color | None] = {}
    for file in [file for file in _files(source) if _is_datumaro(file)] or _files(source):
        try:
            content = read_json(file)
            listed = _categories(content)
            items = entry(content, "items", list, "the file")
        except DataError as error:
            entries.add_error(error)
            continue
        except UserError as error:
            entries.add_error(DataError(file, str(error), "no file of Datumaro's", code=error.code))
            continue
        labels |= {name: labels.get(name) or color for name, color in listed}
        names = [name for name, _ in listed]
        for item in items:
            where = f"{file} ({item.get('id') if isinstance(item, dict) else item!r})"
            entries.add(where, lambda notes, where=where, item=item, file=file, names=names: _item(
                file, where, item, names, shelf, request, notes))  # fmt: skip
    colors = {name: color for name, color in labels.items() if color is not None}
    return entries.export(shelf, labels, colors)


def _categories(content: Any) -> list[tuple[str, Color | None]]:
    """Names in the order of their ids, each with its colour."""
    categories = entry(content, "categories", dict, "the file")
    listed = entry(categories.get("label"), "labels", list, "its categories")
    named = categories.get("mask")
    colors = {}
    rows = named.get("colormap") if isinstance(named, dict) else None
    for row in rows if isinstance(rows, list) else []:
        rgb = [row.get(channel) for channel in "rgb"] if isinstance(row, dict) else []
        if len(rgb) == 3 and all(type(value) is int and 0 <= value <= 255 for value in rgb):
            colors[str(row.get("label_id"))] = (rgb[0], rgb[1], rgb[2])
    named_colors = []
    for place, label in enumerate(listed):
        name = label.get("name") if isinstance(label, dict) else label
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"category {place} has no name", "FC-IMPORT-066")
        named_colors.append((name, colors.get(str(place))))
    return named_colors


def _item(
    file: Path,
    where: str,
    content: Any,
    names: list[str],
    shelf: Shelf,
    request: Request,
    notes: list[Note],
) -> Item:
    key = entry(content, "id", str, "an item")
    if any(content.get(kind) for kind in ("point_cloud", "video", "video_frame")):
        raise UserError("is no photo but a video or a point cloud", "FC-IMPORT-072")
    image = content.get("image") or content.get("media") or {}
    stated = image.get("path") if isinstance(image, dict) else None
    photo = stated if isinstance(stated, str) and stated else key
    size = _size(image)
    regions = []
    for z_order, region in _regions(content, size, names, where, request, notes):
        regions.append((z_order, region))
    regions.sort(key=lambda pair: pair[0])
    split = USUAL.get(file.stem.lower())
    near = file.parent.parent / "images"
    near = near / file.stem if os.path.isfile(near / file.stem / photo) else near
    return Item(
        name=plain(key).as_posix(),
        split=split,
        photo=shelf.find(photo, near, where, split),
        file=where,
        labelling=draw(where, (region for _, region in regions)),
        size=size,
    )


def _size(image: Any) -> Size | None:
    stated = image.get("size") if isinstance(image, dict) else None
    if not isinstance(stated, list) or len(stated) != 2:
        return None
    return size_of(*stated)


def _regions(
    content: dict[str, Any],
    size: Size | None,
    names: list[str],
    where: str,
    request: Request,
    notes: list[Note],
) -> list[tuple[float, Region]]:
    annotations = entry(content, "annotations", list, "the item")
    outlined = {_group(annotation) for annotation in annotations if isinstance(annotation, dict)
                and annotation.get("type") in ("polygon", "mask")} - {0, None}  # fmt: skip
    regions = []
    for place, annotation in enumerate(annotations):
        try:
            if annotation.get("type") in _NO_PIXELS:
                notes.append(Note("not for masks", where))
            elif annotation.get("type") != "bbox" or _group(annotation) not in outlined:
                z_order = number(annotation.get("z_order") or 0, "its z_order")
                drawn = _drawn(annotation, size, names, where, request, notes)
                regions += [(z_order, region) for region in drawn]
        except AttributeError:
            raise UserError(f"annotation {place} is no object", "FC-IMPORT-060") from None
        except UserError as error:
            raise UserError(f"annotation {place} {error}", error.code) from None
    return regions


def _group(annotation: dict[str, Any]) -> int | None:
    group = annotation.get("group")
    return group if isinstance(group, int) else None


def _drawn(
    annotation: dict[str, Any],
    size: Size | None,
    names: list[str],
    where: str,
    request: Request,
    notes: list[Note],
) -> list[Region]:
    label_id, kind = annotation.get("label_id"), annotation.get("type")
    if type(label_id) is not int or not 0 <= label_id < len(names):
        raise UserError(f"has the label_id {label_id!r}, which is not listed", "FC-IMPORT-061")
    label = names[label_id]
    if kind == "bbox":
        notes.append(Note("boxed", where, label))
        return [Region(IGNORE, _box(annotation.get("bbox")))]
    if kind == "mask":
        return [Region(label, _mask(annotation.get("rle"), size))]
    if not isinstance(kind, str) or kind not in _SHAPES:
        corners = (
            _pairs(annotation["points"]) if kind == "cuboid_2d" and _is_pairs(annotation) else None
        )
        return without_area(str(kind), label, where, corners, request, notes)
    return [Region(label, _SHAPES[kind](_pairs(annotation.get("points")), request))]


def _is_pairs(annotation: dict[str, Any]) -> bool:
    values = annotation.get("points")
    return isinstance(values, list) and all(isinstance(value, int | float) for value in values)


def _pairs(values: Any) -> Points:
    """[x, y, x, y, ...] as corners, (n, 2)."""
    if not isinstance(values, list) or len(values) % 2:
        raise UserError("has points that are no list of x and y in turn", "FC-IMPORT-012")
    return corners_of([values[place : place + 2] for place in range(0, len(values), 2)])


def _box(values: Any) -> Shape:
    if not isinstance(values, list) or len(values) != 4:
        raise UserError("has no box (bbox) of 4 numbers", "FC-IMPORT-012")
    left, top, width, height = (number(value, "its box") for value in values)
    return box(left, top, left + width, top + height)


def _mask(coded: Any, size: Size | None) -> Shape:
    if not isinstance(coded, dict):
        raise UserError("has no run lengths (rle)", "FC-IMPORT-013")
    stated = coded.get("size")
    if size is None and isinstance(stated, list) and len(stated) == 2:
        size = size_of(*stated)
    if size is None:
        raise UserError("has run lengths (rle) of no size", "FC-IMPORT-013")
    return rle.from_coco(coded, size)


def _polygon(corners: Points, request: Request) -> Shape:
    return filled(corners)


def _polyline(corners: Points, request: Request) -> Shape:
    return stroked(corners, request.line_width)


def _dots(corners: Points, request: Request) -> Shape:
    return dotted(corners, request.point_radius)


def _ellipse(corners: Points, request: Request) -> Shape:
    """Two corners of the box around it."""
    if len(corners) != 2:
        raise UserError(f"has {len(corners)} points where 2 are needed", "FC-IMPORT-012")
    (x, y), (wide, high) = corners.mean(0), abs(corners[1] - corners[0]) / 2
    return Ellipse((float(x), float(y)), (float(wide), float(high)))


_SHAPES = {"polygon": _polygon, "polyline": _polyline, "points": _dots, "ellipse": _ellipse}
