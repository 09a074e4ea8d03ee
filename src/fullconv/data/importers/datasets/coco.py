"""COCO: a JSON file with 'images', 'annotations' and 'categories' for each split.

Coordinates are taken as those of the upright photo, like every tool's here; the stated width and
height must be the photo's. Where annotations overlap, the smaller one is on top. Crowds, and boxes
without an outline, are ignored where nothing else lies; what labelling tools paint with a brush and
mark as crowds is taken for regions (`brush_labels`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fullconv.data.importers.annotations import BACKGROUND, IGNORE, Export, Item, Note, finding_of
from fullconv.data.importers.datasets.coco_annotations import AnnotationReader
from fullconv.data.importers.datasets.coco_file import (
    LISTS,
    CocoFile,
    brush_labels,
    by_image,
    item_name,
    labels_in,
    open_file,
)
from fullconv.data.importers.drawing.draw_regions import Drawing
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of, json_files, size_of
from fullconv.data.importers.photos.named_photos import Shelf
from fullconv.errors import UserError, printable


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
    return sum(f'"{part}"'.encode() in text for part in (*LISTS, "image_id", "file_name")) >= 3


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
    reader = AnnotationReader(file, where, size, brushed, skip, notes)
    regions = []
    for annotation in annotations:
        try:
            regions += reader.regions(annotation)
        except UserError as error:
            named = printable(str(annotation.get("id")), 40)
            raise UserError(f"annotation {named} {error}", error.code) from None
    drawing = Drawing(where, tuple(regions), smaller_on_top=True)
    return Item(item_name(name), file.split, photo, where, drawing, reader.size)


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
