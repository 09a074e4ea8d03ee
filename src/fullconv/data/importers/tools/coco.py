"""COCO: a JSON file with 'images', 'annotations' and 'categories' for each split.

Coordinates are taken as those of the upright photo, like every tool's here; the stated width and
height must be the photo's. Where annotations overlap, the smaller one is on top. Crowds, and boxes
without an outline, are ignored where nothing else lies.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from fullconv.data.checks.findings import DataError, Finding
from fullconv.data.importers.annotations import BACKGROUND, IGNORE, Export, Item, Note, Size
from fullconv.data.importers.drawing import rle
from fullconv.data.importers.drawing.draw_regions import Drawing, Region
from fullconv.data.importers.drawing.regions import Polygon, Shape, box
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import (
    ends_of,
    json_files,
    number,
    points,
    read_json,
    size_of,
)
from fullconv.data.importers.named_photos import Shelf, plain
from fullconv.data.importers.splits import USUAL
from fullconv.errors import UserError

_PARTS = ("images", "annotations", "categories")
_SPLIT = re.compile(r"(?<![a-z])(train|val|valid|validation|test)(?![a-z])", re.IGNORECASE)


def recognise(source: Path) -> bool:
    """A COCO file, or a folder with one."""
    return bool(_files(source))


def _files(source: Path) -> list[Path]:
    return [file for file in _candidates(source) if _is_coco(file)]


def _candidates(source: Path) -> list[Path]:
    """Those in ``source``, then those one folder below."""
    depths = [(len(file.relative_to(source).parts), file) for file in json_files(source)]
    return [file for depth, file in sorted(depths) if depth <= 2]


def _of_instances(files: list[Path]) -> list[Path]:
    """COCO lays captions and key points of the same photos beside its instances_*.json."""
    return [file for file in files if file.name.startswith("instances")] or files


def _is_coco(file: Path) -> bool:
    """By the words that only such a file has, without reading all of a large one."""
    text = ends_of(file)
    if b'"shapes"' in text[:2000]:
        return False
    return sum(f'"{part}"'.encode() in text for part in (*_PARTS, "image_id", "file_name")) >= 3


def read(source: Path, request: Request) -> Export:
    """All COCO files of ``source``; their categories must agree."""
    folder = source if source.is_dir() else source.parent
    shelf = Shelf(source, request.images)
    recognised = _files(source) or _candidates(source)
    if not recognised:
        raise UserError(f"{source}: has no .json, in it or one folder below")
    files = _of_instances(recognised)
    contents = [_content(file) for file in files]
    names = _categories(files, contents)
    items: list[Item] = []
    notes = [Note("other labels", str(file)) for file in recognised if file not in files]
    findings: list[Finding] = []
    for file, content in zip(files, contents, strict=True):
        split = _split(file, folder)
        for image, annotations in _by_image(file, content, findings):
            if request.skip:
                annotations = _with_area(
                    annotations, f"{file} ({image['file_name']})", names, notes
                )
            try:
                items.append(_item(file, image, annotations, names, shelf, split, notes))
            except UserError as error:
                known = error.finding if isinstance(error, DataError) else None
                where = f"{file} ({image['file_name']})"
                findings.append(known or Finding(where, str(error), "", "fix it in the file"))
    notes += shelf.unlabelled(items)
    same = len(names) - len(set(names.values()))
    if same:
        notes.append(Note("same name", str(files[0]), count=same))
    if items and not any(_has_outline(item) for item in items):
        raise UserError(f"{files[0]}: has boxes only and no outlines, which detectors learn from; "
                        "export with segmentation")  # fmt: skip
    labels = tuple(dict.fromkeys(names[number] for number in sorted(names)))
    return Export(labels, tuple(items), BACKGROUND, notes=tuple(notes), findings=tuple(findings))


def _has_outline(item: Item) -> bool:
    regions = item.labelling.regions  # pyright: ignore
    return not regions or any(region.label != IGNORE for region in regions)


def _content(file: Path) -> dict[str, list[Any]]:
    content = read_json(file)
    for part in _PARTS:
        if not isinstance(content, dict) or not isinstance(content.get(part), list):
            raise DataError(file, f"has no list {part!r}", "not a COCO file with labels")
    return content


def _categories(files: list[Path], contents: list[dict[str, list[Any]]]) -> dict[int, str]:
    """Name by id, the same in all files."""
    names: dict[int, str] = {}
    for file, content in zip(files, contents, strict=True):
        for each in content["categories"]:
            if not isinstance(each, dict) or not isinstance(each.get("id"), int):
                raise DataError(file, "has a category without a number (id)")
            name = each.get("name")
            if not isinstance(name, str) or not name.strip():
                raise DataError(file, f"category {each['id']} has no name")
            if names.setdefault(each["id"], name) != name:
                what = f"category {each['id']} is {name!r}, in another file {names[each['id']]!r}"
                raise DataError(file, what, "", "import the files one by one")
    return names


def _split(file: Path, folder: Path) -> str | None:
    """From the name of the file, 'instances_val2017.json', or of its folder below the source."""
    for name in (file.stem, *(part for part in file.relative_to(folder).parts[:-1])):
        found = _SPLIT.search(name.replace("_", " "))
        if found:
            return USUAL[found[1].lower()]
    return None


def _by_image(
    file: Path, content: dict[str, list[Any]], findings: list[Finding]
) -> list[tuple[dict[str, Any], list[Any]]]:
    """Each image with its annotations; what belongs to no image is a finding."""
    images: dict[Any, dict[str, Any]] = {}
    for image in content["images"]:
        named = isinstance(image, dict) and isinstance(image.get("file_name"), str)
        if not named or not isinstance(image.get("id"), int | str):
            findings.append(Finding(str(file), "has an image without id or file_name", "", ""))
        elif image["id"] in images:
            what = f"two images have the id {image['id']}: {image['file_name']} and another"
            findings.append(Finding(str(file), what, "", "number them anew"))
        else:
            images[image["id"]] = image
    annotations = defaultdict(list)
    for each in content["annotations"]:
        owner = each.get("image_id") if isinstance(each, dict) else None
        if not isinstance(owner, int | str) or owner not in images:
            what = f"an annotation belongs to the image {owner!r}, which is not listed"
            findings.append(Finding(str(file), what, "", ""))
        else:
            annotations[owner].append(each)
    return [(image, annotations[key]) for key, image in images.items()]


def _item(
    file: Path,
    image: dict[str, Any],
    annotations: list[Any],
    names: dict[int, str],
    shelf: Shelf,
    split: str | None,
    notes: list[Note],
) -> Item:
    name = image["file_name"]
    label = f"{file} ({name})"
    photo = shelf.find(name, file.parent, label, split)
    size = size_of(image.get("height"), image.get("width"))
    regions, found = [], []
    for each in annotations:
        try:
            regions += _regions(each, names, size, label, found)
        except UserError as error:
            raise UserError(f"annotation {each.get('id')} {error}") from None
    notes += found
    drawing = Drawing(label, tuple(regions), smaller_on_top=True)
    return Item(plain(name).with_suffix("").as_posix(), split, photo, label, drawing, size)


def _regions(
    each: dict[str, Any], names: dict[int, str], size: Size | None, label: str, notes: list[Note]
) -> list[Region]:
    category, outline = each.get("category_id"), each.get("segmentation")
    if not isinstance(category, int) or category not in names:
        raise UserError(f"has the category {category!r}, which is not listed")
    if not outline:
        bounds = each.get("bbox")
        if not isinstance(bounds, list) or len(bounds) != 4:
            points_only = "; --skip leaves out only it" if _has_no_area(each) else ""
            raise UserError(f"has neither an outline (segmentation) nor a box (bbox){points_only}")
        left, top, width, height = (number(value, "its box") for value in bounds)
        notes.append(Note("boxed", label, names[category]))
        return [Region(IGNORE, box(left, top, left + width, top + height))]
    shape = _shape(outline, size)
    if each.get("iscrowd"):
        notes.append(Note("crowd", label, names[category]))
        return [Region(IGNORE, shape)]
    return [Region(names[category], shape)]


def _has_no_area(each: Any) -> bool:
    """Whether an annotation is key points (a skeleton) and nothing that covers pixels."""
    return (
        isinstance(each, dict)
        and bool(each.get("keypoints"))
        and not each.get("segmentation")
        and not each.get("bbox")
    )


def _with_area(
    annotations: list[Any], label: str, names: dict[int, str], notes: list[Note]
) -> list[Any]:
    """The annotations without those of key points only, which are noted."""
    lost = [each for each in annotations if _has_no_area(each)]
    for each in lost:
        category = each.get("category_id")
        name = names.get(category) if isinstance(category, int) else None
        notes.append(Note("no area", label, f"keypoints ({name or 'of no category'})"))
    return [each for each in annotations if not _has_no_area(each)]


def _shape(outline: Any, size: Size | None) -> Shape:
    if isinstance(outline, dict):
        if size is None:
            raise UserError("has run lengths, but its image states no height and width")
        return rle.from_coco(outline, size)
    if not isinstance(outline, list) or not all(isinstance(ring, list) for ring in outline):
        raise UserError("has a segmentation that is neither polygons nor run lengths")
    rings = []
    for ring in outline:
        if len(ring) % 2 or len(ring) < 6:
            raise UserError(f"has a polygon of {len(ring)} numbers; x and y of 3 points are needed")
        rings.append(points([ring[place : place + 2] for place in range(0, len(ring), 2)]))
    return Polygon(tuple(rings))
