"""CVAT for images 1.1: one XML file for all photos.

Shapes are drawn by z_order, then in the order of the file. Run lengths of a mask go along the rows
of its own rectangle. Coordinates are those of the upright photo, as CVAT shows it.
"""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from fullconv.classes import Color
from fullconv.data.checks.findings import DataError, Finding
from fullconv.data.importers.annotations import BACKGROUND, Export, Item, Note, Size
from fullconv.data.importers.drawing import rle
from fullconv.data.importers.drawing.draw_regions import Drawing, Region
from fullconv.data.importers.drawing.regions import Ellipse, Polygon, Shape, Stroke, box, turned
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import number, points, size_of
from fullconv.data.importers.named_photos import Shelf, plain
from fullconv.data.importers.splits import USUAL
from fullconv.errors import UserError

Element = ElementTree.Element


def recognise(source: Path) -> bool:
    """An XML file of CVAT's, or a folder with one."""
    return any(_is_cvat(file) for file in _files(source))


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted(source.glob("*.xml"))


def _is_cvat(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return file.suffix.lower() == ".xml" and b"<annotations>" in opened.read(2000)
    except OSError:
        return False


def read(source: Path, request: Request) -> Export:
    """The photos of all XML files of ``source`` that are CVAT's."""
    shelf = Shelf(source, request.images)
    labels: dict[str, Color | None] = {}
    items: list[Item] = []
    notes: list[Note] = []
    findings: list[Finding] = []
    for file in [file for file in _files(source) if _is_cvat(file)] or _files(source):
        tree = _tree(file)
        labels |= _labels(tree)
        for image in tree.iter("image"):
            try:
                items.append(_item(file, image, shelf, request))
                notes += _not_for_masks(file, image)
            except UserError as error:
                known = error.finding if isinstance(error, DataError) else None
                where = f"{file} ({image.get('name')})"
                findings.append(known or Finding(where, str(error), "", "fix it in CVAT"))
    notes += shelf.unlabelled(items)
    used = {region.label for item in items for region in item.labelling.regions}  # pyright: ignore
    names = (*labels, *sorted(used - set(labels)))
    colors = {name: color for name, color in labels.items() if color is not None}
    return Export(
        names, tuple(items), BACKGROUND, colors, notes=tuple(notes), findings=tuple(findings)
    )


def _tree(file: Path) -> Element:
    """The XML, without a document type: entities can blow a small file up (billion laughs)."""
    try:
        content = file.read_bytes()
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise DataError(file, "has a document type, which CVAT writes none of", "",
                            "export it again")  # fmt: skip
        tree = ElementTree.fromstring(content)
    except OSError as error:
        raise DataError(file, f"cannot be read: {error.strerror}") from error
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(file, f"is not valid XML: {error}", "a truncated or damaged file",
                        "export it again") from None  # fmt: skip
    if tree.find("track") is not None:
        raise DataError(file, "is CVAT's format for video", "",
                        "export as 'CVAT for images 1.1'")  # fmt: skip
    return tree


def _labels(tree: Element) -> dict[str, Color | None]:
    """Names and colours, in CVAT's order."""
    found: dict[str, Color | None] = {}
    for label in tree.iterfind("meta//labels/label"):
        name, color = label.findtext("name"), label.findtext("color") or ""
        if name and label.findtext("parent") is None:
            found.setdefault(name, hexadecimal(color))
    return found


def hexadecimal(text: str) -> Color | None:
    """'#fa32b7' as (250, 50, 183); None for anything else."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def _item(file: Path, image: Element, shelf: Shelf, request: Request) -> Item:
    name = image.get("name") or ""
    label = f"{file} ({name})"
    size = size_of(image.get("height"), image.get("width"))
    regions = []
    for shape in sorted(
        _shapes(image, request), key=lambda each: number(each.get("z_order", 0), "its z_order")
    ):
        try:
            regions.append(_region(shape, size, request))
        except UserError as error:
            raise UserError(f"a {shape.tag} ({shape.get('label')}) {error}") from None
    split = USUAL.get((image.get("subset") or "").lower())
    photo = shelf.find(name, file.parent, label, split)
    drawing = Drawing(label, tuple(regions))
    return Item(plain(name).with_suffix("").as_posix(), split, photo, label, drawing, size)


def _shapes(image: Element, request: Request) -> list[Element]:
    """All, so that one without pixels is an error; with --skip those that cover pixels."""
    kept = [each for each in image if each.tag != "tag"]
    return [each for each in kept if each.tag in _KINDS] if request.skip else kept


def _not_for_masks(file: Path, image: Element) -> list[Note]:
    label = f"{file} ({image.get('name')})"
    groups = {each.get("group_id") for each in image} - {None}
    notes = [Note("groups", label, count=len(groups))] if groups else []
    strange = [each for each in image if each.tag not in ("tag", *_KINDS)]
    notes += [Note("no area", label, f"{each.tag} ({each.get('label')})") for each in strange]
    found = len(image.findall("tag")) + len(image.findall("*/attribute"))
    return notes + ([Note("not for masks", label, count=found)] if found else [])


def _region(shape: Element, size: Size | None, request: Request) -> Region:
    label = shape.get("label")
    if not label:
        raise UserError("has no label")
    if shape.tag not in _KINDS:
        known = ", ".join(_KINDS)
        raise UserError(f"is of a kind that covers no certain pixels; known are {known}; "
                        "--skip leaves out only it")  # fmt: skip
    return Region(label, _KINDS[shape.tag](shape, size, request))


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
        raise UserError("has a rectangle that cannot be")
    if left + width > size[1] or top + height > size[0]:
        raise UserError(f"reaches beyond its photo of {size[1]} x {size[0]}")
    lengths = [part.strip() for part in (shape.get("rle") or "").split(",")]
    if not all(part.isdecimal() for part in lengths):
        raise UserError("has run lengths (rle) that are no list of whole numbers")
    return rle.runs(list(map(int, lengths)), (height, width), False, top, left)


_KINDS = {
    "polygon": _polygon,
    "box": _box,
    "mask": _mask,
    "polyline": _polyline,
    "ellipse": _ellipse,
    "points": _dots,
}
