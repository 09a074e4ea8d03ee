"""CVAT for images 1.1: one XML file for all photos.

Shapes are drawn by z_order, then in the order of the file. Run lengths of a mask go along the rows
of its own rectangle. Coordinates are those of the upright photo, as CVAT shows it.
"""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from fullconv.classes import Color
from fullconv.data.importers.annotations import (
    BACKGROUND,
    IGNORE,
    Export,
    Item,
    Note,
    Size,
    finding_of,
)
from fullconv.data.importers.drawing import rle
from fullconv.data.importers.drawing.draw_regions import Drawing, Region
from fullconv.data.importers.drawing.regions import Ellipse, Polygon, Shape, Stroke, box, turned
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of, number, points, size_of
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.errors import DataError, Finding, UserError
from fullconv.parsing import read_xml


def recognise(source: Path) -> bool:
    """An XML file of CVAT's, or a folder with one."""
    return any(_is_cvat(file) for file in _files(source))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return sorted(path for path in source.iterdir() if path.suffix.lower() == ".xml")


def _is_cvat(file: Path) -> bool:
    return file.suffix.lower() == ".xml" and b"<annotations>" in ends_of(file)[:4000]


def read(source: Path, request: Request) -> Export:
    """The photos of all XML files of ``source`` that are CVAT's."""
    shelf = Shelf(source, request.images)
    labels: dict[str, Color | None] = {}
    items: list[Item] = []
    notes: list[Note] = []
    findings: list[Finding] = []
    for file in [file for file in _files(source) if _is_cvat(file)] or _files(source):
        root = _root(file)
        labels |= _labels(root)
        for image in root.iter("image"):
            where = f"{file} ({image.get('name')})"
            of_image: list[Note] = []
            try:
                items.append(_item(file, image, shelf, request, of_image))
                notes += [*of_image, *_not_for_masks(where, image)]
            except UserError as error:
                findings.append(finding_of(error, where, "fix it in CVAT"))
    notes += shelf.unlabelled(items)
    drawings = [item.labelling for item in items if isinstance(item.labelling, Drawing)]
    used = {region.label for drawing in drawings for region in drawing.regions} - {IGNORE}
    names = (*labels, *sorted(used - set(labels)))
    colors = {name: color for name, color in labels.items() if color is not None}
    return Export(
        names, tuple(items), BACKGROUND, colors, notes=tuple(notes), findings=tuple(findings)
    )


def _root(file: Path) -> Element:
    root = read_xml(file)
    if root.find("track") is not None:
        raise DataError(file, "is CVAT's format for video", "",
                        "export as 'CVAT for images 1.1'", "FC-IMPORT-003")  # fmt: skip
    return root


def _labels(root: Element) -> dict[str, Color | None]:
    """Names and colours, in CVAT's order."""
    colors: dict[str, Color | None] = {}
    for label in root.iterfind("meta//labels/label"):
        name, color = label.findtext("name"), label.findtext("color") or ""
        if name and label.findtext("parent") is None:
            colors.setdefault(name, hexadecimal(color))
    return colors


def hexadecimal(text: str) -> Color | None:
    """'#fa32b7' as (250, 50, 183); None for anything else."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def _item(file: Path, image: Element, shelf: Shelf, request: Request, notes: list[Note]) -> Item:
    name = image.get("name") or ""
    where = f"{file} ({name})"
    size = size_of(image.get("height"), image.get("width"))
    regions = []
    for shape in sorted(
        (shape for shape in image if shape.tag != "tag"),
        key=lambda shape: number(shape.get("z_order", 0), "its z_order"),
    ):
        try:
            regions.append(_region(shape, size, request))
        except UserError as error:
            label = shape.get("label")
            raise UserError(f"a {shape.tag} ({label}) {error}", error.code) from None
        if shape.tag not in _KINDS:
            notes.append(Note("no area", where, f"{shape.tag} ({shape.get('label')})"))
    split = USUAL.get((image.get("subset") or "").lower())
    photo = shelf.find(name, file.parent, where, split)
    below = sorted(regions, key=lambda region: region.label != IGNORE)
    drawing = Drawing(where, tuple(below))
    return Item(plain(name).with_suffix("").as_posix(), split, photo, where, drawing, size)


def _not_for_masks(where: str, image: Element) -> list[Note]:
    groups = {shape.get("group_id") for shape in image} - {None}
    notes = [Note("groups", where, count=len(groups))] if groups else []
    count = len(image.findall("tag")) + len(image.findall("*/attribute"))
    return notes + ([Note("not for masks", where, count=count)] if count else [])


def _region(shape: Element, size: Size | None, request: Request) -> Region:
    label = shape.get("label")
    if not label:
        raise UserError("has no label", "FC-IMPORT-010")
    if shape.tag in _KINDS:
        return Region(label, _KINDS[shape.tag](shape, size, request))
    if not request.skip:
        known = ", ".join(_KINDS)
        raise UserError(
            f"is of a kind that covers no certain pixels; known are {known}; "
            "--skip leaves out only it and ignores the box around it",
            "FC-IMPORT-011",
        )
    corners = _corners(shape)
    return Region(IGNORE, box(*corners.min(0), *corners.max(0)))


def _corners(shape: Element) -> np.ndarray:
    """The points of a cuboid (attributes xtl1, ytl1, ...) or a skeleton (elements inside), (n, 2).

    Raises UserError where it has none: the photo cannot be used then.
    """
    inside = [_points(part) for part in shape.iter() if part.get("points")]
    names = [name for name in shape.attrib if name.startswith("x")]
    pairs = [(shape.get(name), shape.get(f"y{name[1:]}")) for name in names]
    stated = [[number(x, "its x ="), number(y, "its y =")] for x, y in pairs]
    if not inside and not stated:
        raise UserError("has no points", "FC-IMPORT-010")
    return np.concatenate([*inside, *([np.array(stated)] if stated else [])])


def _number(shape: Element, name: str) -> float:
    return number(shape.get(name), f"has {name} =")


def _points(shape: Element) -> np.ndarray:
    pairs = (shape.get("points") or "").split(";")
    return points([pair.split(",") for pair in pairs])


def _polygon(shape: Element, size: Any, request: Request) -> Shape:
    return Polygon((_points(shape),))


def _box(shape: Element, size: Any, request: Request) -> Shape:
    left, top, right, bottom = (_number(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    upright = box(left, top, right, bottom)
    center = (left + right) / 2, (top + bottom) / 2
    return Polygon(
        (turned(upright.rings[0], center, number(shape.get("rotation", 0), "rotation")),)
    )


def _ellipse(shape: Element, size: Any, request: Request) -> Shape:
    x, y, wide, high = (_number(shape, name) for name in ("cx", "cy", "rx", "ry"))
    return Ellipse((x, y), (wide, high), number(shape.get("rotation", 0), "rotation"))


def _polyline(shape: Element, size: Any, request: Request) -> Shape:
    return Stroke((_points(shape),), request.line_width)


def _dots(shape: Element, size: Any, request: Request) -> Shape:
    return Stroke(tuple(_points(shape)[:, None]), 2 * request.point_radius)


def _mask(shape: Element, size: Size | None, request: Request) -> Shape:
    left, top, width, height = (
        int(_number(shape, name)) for name in ("left", "top", "width", "height")
    )
    if size is None or min(left, top, width, height) < 0:
        raise UserError("has a rectangle that cannot be", "FC-IMPORT-013")
    if left + width > size[1] or top + height > size[0]:
        raise UserError(f"reaches beyond its photo of {size[1]} x {size[0]}", "FC-IMPORT-013")
    lengths = rle.runs_of_text(shape.get("rle") or "")
    return rle.runs(lengths, (height, width), False, top, left)


_KINDS = {
    "polygon": _polygon,
    "box": _box,
    "mask": _mask,
    "polyline": _polyline,
    "ellipse": _ellipse,
    "points": _dots,
}
