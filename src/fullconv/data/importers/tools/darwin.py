"""Darwin JSON of V7: a file for each photo, 2.0 ('item', 'annotations') or 1.0 ('image').

Drawn in the order of the file, as darwin-py's export to masks does. The paths of one polygon are
filled by the even-odd rule, so an inner one is a hole. A brush is a 'mask' whose pixels are in the
'raster_layer' of the photo: pairs of value and count along the rows (darwin/exporter/formats/
mask.py). Ellipses are turned by an angle in radians.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.data.importers.annotations import Export, Item, Note, Size
from fullconv.data.importers.drawing.bitmaps import as_runs
from fullconv.data.importers.drawing.combined import NOTHING, EvenOdd, dotted, stroked
from fullconv.data.importers.drawing.draw_regions import Region
from fullconv.data.importers.drawing.regions import Ellipse, Shape, box
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of, json_files, number, read_json, size_of
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.data.importers.photos.photo_entries import (
    Entries,
    draw,
    entry,
    label_text,
    without_area,
    xy_points,
)
from fullconv.errors import UserError

_NO_PIXELS = ("tag", "string", "graph", "table", "simple_table", "link")
"""Kinds of annotations that are text or say something of the whole photo."""
_WITHOUT_AREA = ("skeleton", "cuboid", "eye")


def recognise(source: Path) -> bool:
    """A JSON file of V7's among the first."""
    return any(_is_darwin(file) for file in json_files(source)[:20])


def _is_darwin(file: Path) -> bool:
    text = ends_of(file)
    new = b'"slots"' in text and b'"item"' in text
    old = b'"image"' in text and b'"annotations"' in text and b'"dataset"' in text
    return b'"annotations"' in text and (new or b"darwin_json" in text or (
        old and b'"workview_url"' in text))  # fmt: skip


def read(source: Path, request: Request) -> Export:
    """Every Darwin file below ``source`` with its photo."""
    shelf, entries = Shelf(source, request.images), Entries("fix it in V7")
    for file in json_files(source):
        entries.add(str(file), lambda notes, file=file: _item(file, shelf, request, notes))
    return entries.export(shelf)


def _item(file: Path, shelf: Shelf, request: Request, notes: list[Note]) -> Item:
    content = read_json(file)
    annotations = entry(content, "annotations", list, "the file")
    if "item" in content:
        name, folder, names, size = _of_item(entry(content, "item", dict, "the file"))
    else:
        name, folder, names, size = _of_image(entry(content, "image", dict, "the file"))
    regions = []
    masks = _brushes(annotations, size)
    for place, annotation in enumerate(annotations):
        try:
            regions += _regions(annotation, masks, str(file), request, notes)
        except UserError as error:
            raise UserError(f"annotation {place} {error}", error.code) from None
    place = plain(f"{folder.strip('/')}/{name}".lstrip("/"))
    same = [f"{Path(name).stem}{Path(other).suffix}" for other in names]
    photo = _photo(shelf, [place.as_posix(), name, *same, *names], file)
    return Item(place.with_suffix("").as_posix(), None, photo, str(file), draw(str(file), regions),
                size)  # fmt: skip


def _photo(shelf: Shelf, names: list[str], file: Path) -> Path:
    """Under the name of its item, else of the file that was uploaded."""
    errors = []
    for name in names:
        try:
            return shelf.find(name, file.parent, file)
        except UserError as error:
            errors.append(error)
    raise errors[0]


def _of_item(item: dict[str, Any]) -> tuple[str, str, list[str], Size | None]:
    name = entry(item, "name", str, "its item")
    slots = entry(item, "slots", list, "its item")
    if len(slots) != 1:
        raise UserError(f"has {len(slots)} slots, not one photo", "FC-IMPORT-072")
    kind = entry(slots[0], "type", str, "its slot")
    if kind != "image":
        raise UserError(f"is of a {kind}, not of a photo; export its frames as photos",
                        "FC-IMPORT-072")  # fmt: skip
    files = slots[0].get("source_files")
    files = files if isinstance(files, list) else []
    names = [file.get("file_name") for file in files if isinstance(file, dict)]
    folder = item.get("path") if isinstance(item.get("path"), str) else ""
    size = size_of(slots[0].get("height"), slots[0].get("width"))
    return name, folder or "", [name for name in names if isinstance(name, str)], size


def _of_image(image: dict[str, Any]) -> tuple[str, str, list[str], Size | None]:
    if image.get("frame_urls") or image.get("frame_count"):
        raise UserError("is of a video, not of a photo; export its frames as photos",
                        "FC-IMPORT-072")  # fmt: skip
    name = entry(image, "filename", str, "its image")
    original = image.get("original_filename")
    folder = image.get("path") if isinstance(image.get("path"), str) else ""
    names = [original] if isinstance(original, str) else []
    return name, folder or "", names, size_of(image.get("height"), image.get("width"))


def _brushes(annotations: list[Any], size: Size | None) -> dict[str, Shape]:
    """The pixels of each 'mask' by its id, from the raster layers."""
    shapes: dict[str, Shape] = {}
    for annotation in annotations:
        layer = annotation.get("raster_layer") if isinstance(annotation, dict) else None
        if layer is None:
            continue
        if size is None:
            raise UserError("has a raster layer, but its photo states no size", "FC-IMPORT-013")
        values = _dense(layer, size)
        mapping = entry(layer, "mask_annotation_ids_mapping", dict, "its raster layer")
        for key, value in mapping.items():
            if type(value) is not int:
                raise UserError(f"has a raster layer with the value {value!r}", "FC-IMPORT-013")
            shapes[key] = as_runs(values == value)
    return shapes


def _dense(layer: Any, size: Size) -> np.ndarray:
    """The values of a raster layer, (H, W)."""
    pairs = entry(layer, "dense_rle", list, "its raster layer")
    if not all(type(value) is int and 0 <= value < 2**31 for value in pairs) or len(pairs) % 2:
        raise UserError("has a raster layer (dense_rle) that is no list of values and counts",
                        "FC-IMPORT-013")  # fmt: skip
    values, counts = np.array(pairs[0::2], np.int32), np.array(pairs[1::2], np.int64)
    if counts.sum() != size[0] * size[1]:
        raise UserError(f"has a raster layer of {counts.sum()} pixels, not {size[1]} x {size[0]}",
                        "FC-IMPORT-013")  # fmt: skip
    return np.repeat(values, counts).reshape(size)


def _regions(
    annotation: Any, masks: dict[str, Shape], file: str, request: Request, notes: list[Note]
) -> list[Region]:
    if not isinstance(annotation, dict):
        raise UserError("is no object", "FC-IMPORT-060")
    if "frames" in annotation or "sections" in annotation:
        raise UserError("is of a video; export its frames as photos", "FC-IMPORT-072")
    if "raster_layer" in annotation:
        return []
    label = label_text(annotation.get("name"), "give it a class in V7")
    if any(kind in annotation for kind in _NO_PIXELS):
        notes.append(Note("not for masks", file))
        return []
    try:
        return _shaped(annotation, label, masks, file, request, notes)
    except UserError as error:
        raise UserError(f"({label}) {error}", error.code) from None


def _shaped(
    annotation: dict[str, Any],
    label: str,
    masks: dict[str, Shape],
    file: str,
    request: Request,
    notes: list[Note],
) -> list[Region]:
    lost = next((kind for kind in _WITHOUT_AREA if kind in annotation), None)
    if lost is not None:
        nodes = annotation[lost].get("nodes") if isinstance(annotation[lost], dict) else None
        corners = xy_points(nodes) if nodes else None
        return without_area(lost, label, file, corners, request, notes)
    if "mask" in annotation:
        shape = masks.get(str(annotation.get("id")))
        if shape is None:
            raise UserError("is a mask that no raster layer has", "FC-IMPORT-013")
        return [Region(label, shape)]
    for kind, shape_of in _SHAPES.items():
        if kind in annotation:
            content = annotation[kind]
            if not isinstance(content, dict):
                raise UserError(f"has a {kind} that is no object", "FC-IMPORT-060")
            return [Region(label, shape_of(content, request))]
    known = ", ".join([*_SHAPES, "mask"])
    raise UserError(f"is of an unknown kind; known are {known}", "FC-IMPORT-011")


def _polygon(content: dict[str, Any], request: Request) -> Shape:
    """2.0 has all paths in a list; 1.0 one path, and additional ones."""
    paths = content.get("paths")
    if paths is None:
        more = content.get("additional_paths") or []
        paths = [content.get("path"), *(more if isinstance(more, list) else [None])]
    if not isinstance(paths, list):
        raise UserError("has paths that are no list", "FC-IMPORT-012")
    rings = tuple(xy_points(path) for path in paths if path != [])
    return EvenOdd(rings) if rings else NOTHING


def _box(content: dict[str, Any], request: Request) -> Shape:
    left, top, width, height = (number(content.get(key), f"has {key} =") for key in "xywh")
    return box(left, top, left + width, top + height)


def _ellipse(content: dict[str, Any], request: Request) -> Shape:
    (center,), (radius,) = (xy_points([content.get(key)]) for key in ("center", "radius"))
    degrees = math.degrees(number(content.get("angle") or 0, "has angle ="))
    return Ellipse((center[0], center[1]), (abs(radius[0]), abs(radius[1])), degrees)


def _line(content: dict[str, Any], request: Request) -> Shape:
    return stroked(xy_points(content.get("path")), request.line_width)


def _dot(content: dict[str, Any], request: Request) -> Shape:
    return dotted(xy_points([content]), request.point_radius)


_SHAPES = {"polygon": _polygon, "ellipse": _ellipse, "line": _line, "keypoint": _dot,
           "bounding_box": _box}  # fmt: skip
"""In this order: a polygon has its bounding box beside it."""
