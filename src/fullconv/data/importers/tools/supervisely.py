"""Supervisely: DATASET/ann/PHOTO.json with DATASET/img/PHOTO, and meta.json with the classes.

Later objects lie on top. What is downloaded has whole numbers: places between pixels, cut down to
the pixel, the photo's right and lower border to the last one (supervisely/geometry/geometry.py,
_to_pixel_coordinate_system_json). So corners on the last column or row reach to the border.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import Color
from fullconv.data.importers.annotations import Export, Item, Note, Size
from fullconv.data.importers.drawing.bitmaps import as_runs, bitmap_of
from fullconv.data.importers.drawing.combined import (
    Together,
    corners_of,
    dotted,
    filled,
    stroked,
)
from fullconv.data.importers.drawing.draw_regions import Region
from fullconv.data.importers.drawing.regions import (
    Points,
    Polygon,
    Shape,
    box,
    turned,
)
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import (
    ends_of,
    json_files,
    number,
    points,
    read_json,
    size_of,
)
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.photos.named_photos import Shelf
from fullconv.data.importers.photos.photo_entries import (
    Entries,
    draw,
    entry,
    label_text,
    without_area,
)
from fullconv.data.importers.tools.cvat import hexadecimal
from fullconv.data.reading.formats import SUFFIXES
from fullconv.data.reading.walk import has_file
from fullconv.errors import DataError, UserError

_WITHOUT_AREA = ("graph", "cuboid", "cuboid_2d", "cuboid_3d", "point_3d", "point_cloud", "mask_3d",
                 "multichannelBitmap", "closed_surface_mesh", "mesh", "polyline_3d",
                 "any")  # fmt: skip


def recognise(source: Path) -> bool:
    """A folder ann/ with a JSON file of a photo's objects, unless the same is there as masks."""
    files = [file for file in _files(source) if not _has_masks(file.parent.parent)]
    return any(_is_annotation(file) for file in files[:20])


def _has_masks(dataset: Path) -> bool:
    folders = (dataset / name for name in ("masks_machine", "masks_human"))
    return any(folder.is_dir() and has_file(folder, _is_picture) for folder in folders)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def _files(source: Path) -> list[Path]:
    files = json_files(source)
    return [file for file in files if file.parent.name == "ann"] if source.is_dir() else files


def _is_annotation(file: Path) -> bool:
    text = ends_of(file)
    return b'"objects"' in text and b'"size"' in text


def read(source: Path, request: Request) -> Export:
    """Every annotation below ``source``; a split is a data set (folder) called as one."""
    folder = source if source.is_dir() else source.parent
    shelf, entries = Shelf(source, request.images), Entries("fix it in Supervisely")
    files = _files(source)
    if not files:
        raise UserError(f"{source}: has no folder 'ann' with a .json for each photo",
                        "FC-IMPORT-060")  # fmt: skip
    for file in files:
        entries.add(str(file), lambda notes, file=file: _item(file, folder, shelf, request, notes))
    colors = _classes(folder)
    return entries.export(shelf, colors, {name: c for name, c in colors.items() if c is not None})


def _classes(folder: Path) -> dict[str, Color | None]:
    """Names and colours of meta.json, in or above ``folder``."""
    places = [folder / "meta.json", folder.parent / "meta.json", folder.parent.parent / "meta.json"]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        return {}
    content = read_json(file)
    listed = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise DataError(file, "has no list 'classes'", "", "export it again", "FC-IMPORT-066")
    colors: dict[str, Color | None] = {}
    for row in listed:
        title = row.get("title") if isinstance(row, dict) else None
        if not isinstance(title, str) or not title.strip():
            raise DataError(file, "has a class without a title", "", "export it again",
                            "FC-IMPORT-066")  # fmt: skip
        colors[title] = hexadecimal(str(row.get("color")))
    return colors


def _item(file: Path, folder: Path, shelf: Shelf, request: Request, notes: list[Note]) -> Item:
    content = read_json(file)
    stated = entry(content, "size", dict, "the file")
    size = size_of(stated.get("height"), stated.get("width"))
    tagged = _tags(content)
    regions = []
    for place, figure in enumerate(entry(content, "objects", list, "the file")):
        try:
            regions += _regions(figure, size, str(file), request, notes)
        except UserError as error:
            raise UserError(f"object {place} {error}", error.code) from None
        tagged += _tags(figure)
    if tagged:
        notes.append(Note("not for masks", str(file), count=tagged))
    dataset = file.parent.parent
    photo = shelf.find(file.stem, dataset / "img", file, dataset.name)
    inside = dataset.relative_to(folder) if folder in (dataset, *dataset.parents) else Path()
    bare = photo.stem if photo.name == file.stem else file.stem
    name = Path(*(part for part in inside.parts if part != "datasets"), bare).as_posix()
    split = USUAL.get(dataset.name.lower())
    return Item(name, split, photo, str(file), draw(str(file), regions), size)


def _tags(content: dict[str, Any]) -> int:
    tags = content.get("tags")
    return len(tags) if isinstance(tags, list) else 0


def _regions(
    figure: Any, size: Size | None, file: str, request: Request, notes: list[Note]
) -> list[Region]:
    label = label_text(figure.get("classTitle") if isinstance(figure, dict) else None,
                       "give it a class in Supervisely")  # fmt: skip
    kind = figure.get("geometryType") or ("bitmap" if figure.get("bitmap") else "polygon")
    try:
        if kind in ("bitmap", "alpha_mask"):
            return [Region(label, _bitmap(figure.get(kind), size, kind == "alpha_mask"))]
        if kind == "multipolygon":
            parts = entry(figure, "parts", list, "the multipolygon")
            return [Region(label, _polygon(part, size)) for part in parts]
        if not isinstance(kind, str) or kind in _WITHOUT_AREA:
            return without_area(str(kind), label, file, _bounds(figure), request, notes)
        if kind not in _SHAPES:
            known = ", ".join(("bitmap", "alpha_mask", "multipolygon", *_SHAPES))
            raise UserError(f"is of the unknown type {kind!r}; known are {known}",
                            "FC-IMPORT-011")  # fmt: skip
        return [Region(label, _SHAPES[kind](figure, size, request))]
    except UserError as error:
        raise UserError(f"({label}, {kind}) {error}", error.code) from None


def _bounds(figure: dict[str, Any]) -> Points | None:
    """The nodes of a skeleton, or the points of a cuboid; None where there are none."""
    nodes, listed = figure.get("nodes"), figure.get("points")
    if isinstance(nodes, dict):
        listed = [node.get("loc") for node in nodes.values() if isinstance(node, dict)]
    elif isinstance(listed, dict):
        listed = listed.get("exterior")
    return corners_of(listed) if listed else None


def _corners(values: Any, size: Size | None) -> Points:
    """Corners of a region; whole numbers on the last column or row mean the photo's border."""
    corners = corners_of(values)
    if size is None or not (corners == np.floor(corners)).all():
        return corners
    border = np.array([size[1], size[0]], np.float64)
    return np.where(corners == border - 1, border, corners)


def _polygon(content: Any, size: Size | None) -> Shape:
    holes = content.get("interior") if isinstance(content, dict) else None
    if holes is not None and not isinstance(holes, list):
        raise UserError("has an interior that is no list", "FC-IMPORT-012")
    outer = filled(_exterior(content, size))
    return Together((outer,), tuple(filled(_corners(hole, size)) for hole in holes or []))


def _exterior(content: Any, size: Size | None) -> Points:
    return _corners(entry(content, "exterior", list, "the shape"), size)


def _points_of(figure: dict[str, Any]) -> Any:
    return entry(figure, "points", dict, "the shape")


def _of_polygon(figure: dict[str, Any], size: Size | None, request: Request) -> Shape:
    return _polygon(_points_of(figure), size)


def _rectangle(figure: dict[str, Any], size: Size | None, request: Request) -> Shape:
    corners = _exterior(_points_of(figure), size)
    if len(corners) != 2:
        raise UserError(f"has {len(corners)} points where 2 are needed", "FC-IMPORT-012")
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    upright = box(left, top, right, bottom).rings[0]
    radians = figure.get("angle", _points_of(figure).get("angle"))
    degrees = math.degrees(number(radians or 0, "has angle ="))
    center = float(upright[:, 0].mean()), float(upright[:, 1].mean())
    return Polygon((turned(upright, center, degrees) if degrees else upright,))


def _line(figure: dict[str, Any], size: Size | None, request: Request) -> Shape:
    return stroked(_exterior(_points_of(figure), size), request.line_width)


def _dot(figure: dict[str, Any], size: Size | None, request: Request) -> Shape:
    return dotted(_exterior(_points_of(figure), size), request.point_radius)


_SHAPES = {"polygon": _of_polygon, "rectangle": _rectangle, "oriented_bbox": _rectangle,
           "line": _line, "polyline": _line, "point": _dot}  # fmt: skip


def _bitmap(content: Any, size: Size | None, soft: bool) -> Shape:
    text = entry(content, "data", str, "the bitmap")
    ((left, top),) = points([content.get("origin")])
    bits = bitmap_of(text, size, 127 if soft else 0)
    return as_runs(bits, int(top), int(left))
