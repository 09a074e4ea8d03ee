"""labelme: a JSON file beside each photo.

Its points are coordinates of the upright photo (labelme applies EXIF orientation before it shows
one); shapes are drawn in the order of the file, as labelme's own shapes_to_label does.
"""

import base64
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes.class_files import read_classes
from fullconv.data.importers.annotations import (
    BACKGROUND,
    Export,
    Item,
    Note,
    Size,
    finding_of,
)
from fullconv.data.importers.drawing.draw_regions import Drawing, Region
from fullconv.data.importers.drawing.packed_bits import MOST_PIXELS, PackedBits, png_size
from fullconv.data.importers.drawing.regions import (
    Ellipse,
    Points,
    Polygon,
    Shape,
    Stroke,
    box,
)
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of, json_files, points, read_json, size_of
from fullconv.data.importers.photos.named_photos import Shelf
from fullconv.errors import DataError, Finding, UserError

_POINTS = {"polygon": 1, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 1, "point": 1,
           "points": 1, "mask": 2, "oriented_rectangle": 4, "rotation": 4}  # fmt: skip
"""The kinds of shapes, and how many points each has at least; X-AnyLabeling has 'rotation'."""

_SHAPES = re.compile(rb'"shapes"\s*:\s*[\[n]')  # a list, or null


def recognise(source: Path) -> bool:
    """A labelme file, or a folder where the first JSON files hold one."""
    return any(_is_labelme(file) for file in json_files(source)[:20])


def _is_labelme(file: Path) -> bool:
    """labelme writes the shapes before the photo; old versions and other programs after it."""
    text = ends_of(file)
    listed = _SHAPES.search(text) is not None
    return listed and (b'"imagePath"' in text or _SHAPES.search(text[:2000]) is not None)


def read(source: Path, request: Request) -> Export:
    """Every JSON file below ``source``, and the photo that each names or holds."""
    folder = source if source.is_dir() else source.parent
    shelf = Shelf(source, request.images)
    items: list[Item] = []
    notes: list[Note] = []
    findings: list[Finding] = []
    for file in json_files(source):
        try:
            content = read_json(file)
            if not isinstance(content, dict) or "shapes" not in content:
                raise DataError(file, "has no 'shapes'", "no file of labelme's",
                                "move it elsewhere", "FC-IMPORT-004")  # fmt: skip
            items.append(_item(file, folder, content, shelf, request))
            notes += _not_for_masks(file, content)
        except UserError as error:
            findings.append(finding_of(error, str(file), "fix it in labelme"))
    notes += shelf.unlabelled(items)
    labels = _labels(items, folder, request)
    return Export(labels, tuple(items), BACKGROUND, notes=tuple(notes), findings=tuple(findings))


def _labels(items: list[Item], folder: Path, request: Request) -> tuple[str, ...]:
    """In the order of labels.txt where there is one, then by the alphabet.

    The background that is listed there is the pixels without label: --background says what it is.
    """
    listed = request.labels or folder / "labels.txt"
    order = read_classes(listed).names if request.labels or listed.is_file() else ()
    drawings = [item.labelling for item in items if isinstance(item.labelling, Drawing)]
    used = {region.label for drawing in drawings for region in drawing.regions}
    if request.background is not None:
        order = [name for name in order if name != BACKGROUND or name in used]
    return (*order, *sorted(used - set(order)))


def _item(file: Path, folder: Path, content: Any, shelf: Shelf, request: Request) -> Item:
    if not isinstance(content["shapes"], list):
        raise UserError("its shapes are no list", "FC-IMPORT-010")
    regions = []
    size = size_of(content.get("imageHeight"), content.get("imageWidth"))
    for number, shape in enumerate(content["shapes"]):
        try:
            regions.append(_region(shape, size, request))
        except UserError as error:
            raise UserError(f"shape {number} {error}", error.code) from None
    return Item(
        name=file.relative_to(folder).with_suffix("").as_posix(),
        split=None,
        photo=_photo(file, content, shelf),
        file=str(file),
        labelling=Drawing(str(file), tuple(regions)),
        size=size,
    )


def _photo(file: Path, content: dict[str, Any], shelf: Shelf) -> Path | Callable[[], bytes]:
    """The file that it names, which is what the camera wrote; else the photo that it holds.

    A file of that name in another folder comes last: days and cameras number their photos alike.
    """
    stated, data = content.get("imagePath"), content.get("imageData")
    name = stated if isinstance(stated, str) else ""
    beside = shelf.beside(name, file.parent)
    if beside is not None:
        return beside
    if isinstance(data, str) and data:
        return partial(_embedded, file)
    if not name:
        raise DataError(
            file, "names no photo (imagePath)", "", "open and save it in labelme", "FC-IMPORT-010"
        )
    return shelf.find(name, file.parent, file)


def _embedded(file: Path) -> bytes:
    """The photo inside a file, read when it is wanted: all of them may not fit into memory."""
    try:
        return base64.b64decode(read_json(file)["imageData"], validate=True)
    except ValueError as error:
        raise DataError(file, f"its imageData is damaged: {error}", "",
                        "put the photo beside it", "FC-IMPORT-010") from None  # fmt: skip


def _region(shape: Any, size: Size | None, request: Request) -> Region:
    if not isinstance(shape, dict):
        raise UserError("is no object", "FC-IMPORT-010")
    label, kind = shape.get("label"), shape.get("shape_type") or "polygon"
    if not isinstance(label, str) or not label.strip():
        raise UserError("has no label; give it one in labelme", "FC-IMPORT-010")
    if not isinstance(kind, str) or kind not in _POINTS:
        known = ", ".join(_POINTS)
        raise UserError(
            f"({label}) is of the unknown type {str(kind)[:40]!r}; known are {known}",
            "FC-IMPORT-011",
        )
    try:
        corners = points(shape.get("points"), _POINTS[kind])
        return Region(label, _shape(kind, corners, shape, size, request))
    except UserError as error:
        raise UserError(f"({label}, {kind}) {error}", error.code) from None


def _shape(
    kind: str, corners: Points, shape: dict[str, Any], size: Size | None, request: Request
) -> Shape:
    if kind in ("polygon", "oriented_rectangle", "rotation"):
        return Polygon((corners,))
    low, high = corners.min(0), corners.max(0)
    if kind == "rectangle":
        return box(*low, *high) if len(corners) < 4 else Polygon((corners,))
    if kind == "circle":
        radius = float(np.hypot(*(corners[1] - corners[0])))
        return Ellipse((corners[0, 0], corners[0, 1]), (radius, radius))
    if kind in ("line", "linestrip"):
        return Stroke((corners,), request.line_width)
    if kind == "mask":
        # Cut to whole numbers, as labelme does (utils/shape.py, versions 5.8.3 and 6.3.1).
        return PackedBits(_png_of(shape.get("mask"), size), int(low[1]), int(low[0]))
    return Stroke(tuple(corners[:, None]), 2 * request.point_radius)


def _png_of(text: Any, size: Size | None) -> bytes:
    """The PNG of a shape that was painted, as labelme stores it: no larger than its photo."""
    try:
        content = base64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise UserError(f"holds a damaged mask: {error}", "FC-IMPORT-013") from None
    height, width = png_size(content)
    limit = size[0] * size[1] if size else MOST_PIXELS
    if height * width > max(limit, 0):
        raise UserError(
            f"holds a mask of {width} x {height} pixels, more than its photo has", "FC-IMPORT-013"
        )
    return content


def _not_for_masks(file: Path, content: dict[str, Any]) -> list[Note]:
    shapes = content["shapes"]
    groups = {str(shape["group_id"]) for shape in shapes if shape.get("group_id") is not None}
    flags = [content.get("flags"), *(shape.get("flags") for shape in shapes)]
    set_flags = sum(1 for flag in flags if isinstance(flag, dict) and any(flag.values()))
    notes = [Note("groups", str(file), count=len(groups))] if groups else []
    return notes + ([Note("not for masks", str(file), count=set_flags)] if set_flags else [])
