"""COCO: a JSON file with 'images', 'annotations' and 'categories' for each split.

Coordinates are taken as those of the upright photo, like every tool's here; the stated width and
height must be the photo's. Where annotations overlap, the smaller one is on top. Crowds, and boxes
without an outline, are ignored where nothing else lies; what labelling tools paint with a brush and
mark as crowds is taken for regions (`brush_labels`).
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.errors import DataError, Finding, UserError, printable

_LISTS = ("images", "annotations", "categories")
_SPLIT = re.compile(r"(?<![a-z])(train|val|valid|validation|test)(?![a-z])", re.IGNORECASE)
_PHOTO_OF_COCO = re.compile(r"(?:^|[/\\])(?:COCO_\w+_)?\d{12}\.jpg$")
Id = int | str


@dataclass
class CocoFile:
    """One file: its lists, the name of each category by id, and the split that its name says.

    ``groups`` are categories that others name as their supercategory.
    """

    path: Path
    images: list[Any]
    annotations: list[Any]
    categories: dict[Id, str]
    split: str | None
    groups: frozenset[str] = frozenset()
    is_published: bool = False
    notes: list[Note] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def label_of(self, annotation: Any) -> str | None:
        """The name of an annotation's category; None where it has none that is listed."""
        key = id_of(annotation.get("category_id")) if isinstance(annotation, dict) else None
        return self.categories.get(key) if key is not None else None


def recognise(source: Path) -> bool:
    """A COCO file, or a folder with one."""
    return any(_is_coco(file) for file in candidates(source))


def candidates(source: Path) -> list[Path]:
    """The JSON files in ``source``, then those one folder below."""
    if source.is_file():
        return [source]
    depths = [(len(file.relative_to(source).parts), file) for file in json_files(source)]
    return [file for depth, file in sorted(depths) if depth <= 2]


def _of_instances(files: list[Path]) -> list[Path]:
    """COCO lays captions and key points of the same photos beside its instances_*.json."""
    return [file for file in files if file.name.startswith("instances")] or files


def _is_coco(file: Path) -> bool:
    """By the words that only such a file has, without reading all of a large one."""
    text = ends_of(file)
    if b'"shapes"' in text[:2000] or b'"segments_info"' in text:
        return False
    return sum(f'"{part}"'.encode() in text for part in (*_LISTS, "image_id", "file_name")) >= 3


def read(source: Path, request: Request) -> Export:
    """All COCO files of ``source``, joined by the names of their categories."""
    recognised = [file for file in candidates(source) if _is_coco(file)] or candidates(source)
    if not recognised:
        raise UserError(f"{source}: has no .json, in it or one folder below", "FC-IMPORT-004")
    shelf = Shelf(source, request.images)
    files = [open_file(file, source) for file in _of_instances(recognised)]
    brushed = brush_labels(files)
    items = [item for file in files for item in _items(file, shelf, brushed, request)]
    notes = [note for file in files for note in file.notes]
    read_files = {file.path for file in files}
    notes += [Note("other labels", str(file)) for file in recognised if file not in read_files]
    notes += shelf.unlabelled(items)
    findings = tuple(finding for file in files for finding in file.findings)
    _has_outlines(files[0].path, items)
    return Export(labels_in(files), tuple(items), BACKGROUND, notes=tuple(notes), findings=findings)


def open_file(file: Path, source: Path) -> CocoFile:
    """A file's lists and categories; DataError where it has none."""
    content = read_json(file)
    for part in _LISTS:
        if not isinstance(content, dict) or not isinstance(content.get(part), list):
            raise DataError(file, f"has no list {part!r}", "not a COCO file with labels",
                            "export it again", "FC-IMPORT-004")  # fmt: skip
    names = _categories(file, content["categories"])
    folder = source if source.is_dir() else source.parent
    above = [c.get("supercategory") for c in content["categories"]
             if c.get("supercategory") != c["name"]]  # fmt: skip
    about = str(content.get("info")).lower()
    opened = CocoFile(
        file,
        content["images"],
        content["annotations"],
        names,
        _split(file, folder),
        groups=frozenset(name for name in names.values() if name in above),
        is_published="cocodataset.org" in about
        or "coco 20" in about
        or _are_of_coco(content["images"]),
    )
    same = len(names) - len(set(names.values()))
    opened.notes += [Note("same name", str(file), count=same)] if same else []
    return opened


def id_of(value: Any) -> Id | None:
    """An id as lists compare it: 1, 1.0 and '1' are one; None for what can be none."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 20 else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _categories(file: Path, listed: list[Any]) -> dict[Id, str]:
    """Name by id, in the order of the ids."""
    names: dict[Id, str] = {}
    for category in listed:
        key = id_of(category.get("id")) if isinstance(category, dict) else None
        if key is None:
            raise DataError(file, "has a category without id", "", "fix it in the file",
                            "FC-IMPORT-005")  # fmt: skip
        name = category.get("name")
        if not isinstance(name, str) or not name.strip():
            raise DataError(file, f"category {key} has no name", "", "fix it in the file",
                            "FC-IMPORT-005")  # fmt: skip
        if names.setdefault(key, name) != name:
            what = f"two categories have the id {key}: {names[key]!r} and {name!r}"
            raise DataError(file, what, "", "number them anew", "FC-IMPORT-005")
    return dict(sorted(names.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])))


def labels_in(files: Sequence[CocoFile]) -> tuple[str, ...]:
    """All names, but those of categories that only group others and own nothing (Roboflow's 0)."""
    names = dict.fromkeys(name for file in files for name in file.categories.values())
    groups = {name for file in files for name in file.groups}
    used = {file.label_of(annotation) for file in files for annotation in file.annotations}
    return tuple(name for name in names if name in used or name not in groups)


def _split(file: Path, folder: Path) -> str | None:
    """From the name of the file, 'instances_val2017.json', or of its folder below the source."""
    for name in (file.stem, *(part for part in file.relative_to(folder).parts[:-1])):
        match = _SPLIT.search(name.replace("_", " "))
        if match:
            return USUAL[match[1].lower()]
    return None


def brush_labels(files: Sequence[CocoFile]) -> frozenset[str]:
    """The labels whose run lengths with iscrowd=1 are regions, not crowds.

    CVAT and others write iscrowd=1 for everything that is painted with a brush. Crowds are those of
    COCO's own photos, and where most run lengths are none, so that the mark tells some apart; not
    of CVAT's files.
    """
    crowds: set[str] = set()
    plain = marked = 0
    from_cvat = False
    for file in files:
        for annotation in file.annotations:
            label = file.label_of(annotation)
            if label is None or not annotation.get("segmentation"):
                continue
            attributes = annotation.get("attributes")
            from_cvat |= isinstance(attributes, dict) and "occluded" in attributes
            if not isinstance(annotation["segmentation"], dict):
                continue
            if annotation.get("iscrowd"):
                marked += 1
                crowds.add(label)
            else:
                plain += 1
    if any(file.is_published for file in files) or (plain > marked and not from_cvat):
        return frozenset()
    return frozenset(crowds)


def _are_of_coco(images: Sequence[Any]) -> bool:
    """Whether most photos are called as COCO's, 000000000139.jpg or COCO_val2014_000000000139."""
    names = [image.get("file_name") for image in images if isinstance(image, dict)]
    of_coco = sum(isinstance(n, str) and _PHOTO_OF_COCO.search(n) is not None for n in names)
    return of_coco > len(names) / 2


def _items(file: CocoFile, shelf: Shelf, brushed: frozenset[str], request: Request) -> list[Item]:
    items = []
    for image, annotations in by_image(file):
        where = f"{file.path} ({image['file_name']})"
        notes: list[Note] = []
        try:
            items.append(_item(file, image, annotations, shelf, brushed, notes, request.skip))
            file.notes += notes
        except UserError as error:
            file.findings.append(finding_of(error, where, "fix it in the file"))
    return items


def by_image(file: CocoFile) -> list[tuple[dict[str, Any], list[Any]]]:
    """Each image with its annotations; what belongs to no image is a finding.

    Where there is such an annotation, images without any are left out: it may have been theirs.
    """
    images: dict[Id, dict[str, Any]] = {}
    for image in file.images:
        key = id_of(image.get("id")) if isinstance(image, dict) else None
        if key is None or not _is_name(image.get("file_name")):
            file.findings.append(_of_file(file, "has an image without id or file_name"))
        elif key in images:
            what = f"two images have the id {key}: {images[key]['file_name']} and another"
            file.findings.append(_of_file(file, what))
        else:
            images[key] = image
    annotations: dict[Id, list[Any]] = defaultdict(list)
    lost = False
    for annotation in file.annotations:
        owner = annotation.get("image_id") if isinstance(annotation, dict) else None
        key = id_of(owner)
        if key is None or key not in images:
            image = printable(str(owner), 40)
            what = f"an annotation belongs to the image {image}, which is not listed"
            file.findings.append(_of_file(file, what))
            lost = True
        else:
            annotations[key].append(annotation)
    if lost:
        without = [image for key, image in images.items() if key not in annotations]
        file.notes += [Note("left out", f"{file.path} ({i['file_name']})") for i in without]
        images = {key: image for key, image in images.items() if key in annotations}
    return [(image, annotations[key]) for key, image in images.items()]


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and plain(name).name != ""


def _of_file(file: CocoFile, what: str) -> Finding:
    return Finding(str(file.path), what, "", "fix it in the file", code="FC-IMPORT-005")


def item_name(file_name: str) -> str:
    """What the photo of ``file_name`` is called in the data set."""
    return plain(file_name).with_suffix("").as_posix()


def _item(
    file: CocoFile,
    image: dict[str, Any],
    annotations: list[Any],
    shelf: Shelf,
    brushed: frozenset[str],
    notes: list[Note],
    skip: bool,
) -> Item:
    name = image["file_name"]
    where = f"{file.path} ({name})"
    photo = shelf.find(name, file.path.parent, where, file.split)
    size = size_of(image.get("height"), image.get("width"))
    reader = _Annotations(file, where, size, brushed, skip, notes)
    regions = []
    for annotation in annotations:
        try:
            regions += reader.regions(annotation)
        except UserError as error:
            named = printable(str(annotation.get("id")), 40)
            raise UserError(f"annotation {named} {error}", error.code) from None
    drawing = Drawing(where, tuple(regions), smaller_on_top=True)
    return Item(item_name(name), file.split, photo, where, drawing, reader.size)


@dataclass
class _Annotations:
    """Reads the annotations of one image, whose ``size`` run lengths state where it does not."""

    file: CocoFile
    where: str
    size: Size | None
    brushed: frozenset[str]
    skip: bool
    notes: list[Note]

    def regions(self, annotation: Mapping[str, Any]) -> list[Region]:
        label, outline = self.file.label_of(annotation), annotation.get("segmentation")
        if label is None:
            category = printable(str(annotation.get("category_id")), 40)
            raise UserError(f"has the category {category}, which is not listed", "FC-IMPORT-005")
        if not outline:
            return self._without_outline(annotation, label)
        shape = self._shape(outline)
        if shape is None:
            self.notes.append(Note("empty", self.where, label))
            return []
        if not annotation.get("iscrowd"):
            return [Region(label, shape)]
        if label in self.brushed and isinstance(outline, dict):
            self.notes.append(Note("brush", self.where, label))
            return [Region(label, shape)]
        self.notes.append(Note("crowd", self.where, label))
        return [Region(IGNORE, shape)]

    def _without_outline(self, annotation: Mapping[str, Any], label: str) -> list[Region]:
        """The box, ignored; with --skip also that around key points."""
        bounds, dots = annotation.get("bbox"), annotation.get("keypoints")
        if isinstance(bounds, list) and len(bounds) == 4:
            left, top, width, height = (number(value, "its box") for value in bounds)
            self.notes.append(Note("boxed", self.where, label))
            return [Region(IGNORE, box(left, top, left + width, top + height))]
        if not isinstance(dots, list) or not dots or len(dots) % 3:
            raise UserError("has neither an outline (segmentation) nor a box (bbox)",
                            "FC-IMPORT-010")  # fmt: skip
        if not self.skip:
            raise UserError(
                "has key points, neither an outline (segmentation) nor a box (bbox); "
                "--skip leaves out only it and ignores the box around it",
                "FC-IMPORT-011",
            )
        corners = points([dots[place : place + 2] for place in range(0, len(dots), 3)])
        self.notes.append(Note("no area", self.where, f"keypoints ({label})"))
        return [Region(IGNORE, box(*corners.min(0), *corners.max(0)))]

    def _shape(self, outline: Any) -> Shape | None:
        """None for polygons of which none has three points: they cover nothing."""
        if isinstance(outline, dict):
            self.size = self.size or rle.stated_size(outline)
            return rle.from_coco(outline, self.size)
        rings = rings_of(outline)
        return Polygon(tuple(rings)) if rings else None


def rings_of(outline: Any) -> list[Any]:
    """COCO's polygons, [[x, y, x, y, ...], ...] or one of them, as rings of 3 points or more."""
    if isinstance(outline, list) and len(outline) % 2 == 0 and not _has_list(outline):
        outline = [outline]
    if not isinstance(outline, list) or not all(isinstance(ring, list) for ring in outline):
        raise UserError("has a segmentation that is neither polygons nor run lengths",
                        "FC-IMPORT-010")  # fmt: skip
    rings = []
    for ring in outline:
        if len(ring) % 2:
            raise UserError(f"has a polygon of {len(ring)} numbers, which are no pairs of x and y",
                            "FC-IMPORT-010")  # fmt: skip
        corners = [ring[place : place + 2] for place in range(0, len(ring), 2)]
        if corners and len(points(corners)) > 2:
            rings.append(points(corners))
    return rings


def _has_list(values: list[Any]) -> bool:
    return any(isinstance(value, list) for value in values)


def _is_ignored(drawing: Drawing) -> bool:
    labels = {region.label for region in drawing.regions}
    return labels == {IGNORE}


def _has_outlines(file: Path, items: Sequence[Item]) -> None:
    """UserError where all that is labelled is boxes: masks of ignored pixels teach nothing."""
    drawings = [item.labelling for item in items if isinstance(item.labelling, Drawing)]
    if drawings and all(_is_ignored(drawing) for drawing in drawings):
        raise UserError(
            f"{file}: has boxes only and no outlines, which detectors learn from; "
            "export with segmentation",
            "FC-IMPORT-010",
        )
