"""ISAT: a JSON file beside each photo, and isat.yaml with the categories and their colours.

Coordinates are those of the photo; objects are drawn by their layer, crowds as their category, as
ISAT's own conversion to VOC masks does (ISAT/formats/voc.py). Group numbers are counted: a mask has
classes, no objects.
"""

from pathlib import Path
from typing import Any

from fullconv.classes import Color
from fullconv.data.importers.annotations import Export, Item, Note
from fullconv.data.importers.drawing.combined import corners_of, filled
from fullconv.data.importers.drawing.draw_regions import Region
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of, json_files, number, read_json, size_of
from fullconv.data.importers.photos.named_photos import Shelf
from fullconv.data.importers.photos.photo_entries import Entries, draw, entry, label_text
from fullconv.data.importers.tools.cvat import hexadecimal
from fullconv.errors import UserError
from fullconv.parsing import read_yaml

_BACKGROUND = "__background__"
"""ISAT's category of pixels without label, which labelme calls _background_."""


def recognise(source: Path) -> bool:
    """A JSON file of ISAT's among the first."""
    return any(_is_isat(file) for file in json_files(source)[:20])


def _is_isat(file: Path) -> bool:
    text = ends_of(file)[:2000]
    return b'"description"' in text and b'"ISAT"' in text


def read(source: Path, request: Request) -> Export:
    """Every JSON file of ISAT's below ``source`` with its photo."""
    folder = source if source.is_dir() else source.parent
    shelf, entries = Shelf(source, request.images), Entries("fix it in ISAT")
    for file in json_files(source):
        entries.add(str(file), lambda notes, file=file: _item(file, folder, shelf, notes))
    colors = _categories(folder)
    return entries.export(shelf, colors, {name: c for name, c in colors.items() if c is not None})


def _categories(folder: Path) -> dict[str, Color | None]:
    """Names and colours of isat.yaml, where there is one."""
    file = folder / "isat.yaml"
    if not file.is_file():
        return {}
    content = read_yaml(file)
    listed = content.get("label") if isinstance(content, dict) else None
    categories = {}
    for category in listed if isinstance(listed, list) else []:
        name = category.get("name") if isinstance(category, dict) else None
        if isinstance(name, str) and name.strip() and name != _BACKGROUND:
            categories[name] = hexadecimal(str(category.get("color")))
    return categories


def _item(file: Path, folder: Path, shelf: Shelf, notes: list[Note]) -> Item:
    content = read_json(file)
    info = entry(content, "info", dict, "the file")
    if info.get("description") != "ISAT":
        raise UserError("is no file of ISAT's (info.description); move it elsewhere",
                        "FC-IMPORT-060")  # fmt: skip
    layers = []
    for place, annotation in enumerate(entry(content, "objects", list, "the file")):
        try:
            layers.append((_layer(annotation), _region(annotation)))
        except UserError as error:
            raise UserError(f"object {place} {error}", error.code) from None
    layers.sort(key=lambda pair: pair[0])
    groups = {str(annotation.get("group")) for annotation in content["objects"]} - {"None", ""}
    if groups:
        notes.append(Note("groups", str(file), count=len(groups)))
    name = info.get("name")
    name = name if isinstance(name, str) and name.strip() else file.stem
    return Item(
        name=file.relative_to(folder).with_suffix("").as_posix(),
        split=None,
        photo=shelf.find(name, file.parent, file),
        file=str(file),
        labelling=draw(str(file), (region for _, region in layers)),
        size=size_of(info.get("height"), info.get("width")),
    )


def _layer(annotation: Any) -> float:
    layer = annotation.get("layer") if isinstance(annotation, dict) else None
    return 0.0 if layer is None else number(layer, "its layer")


def _region(annotation: Any) -> Region:
    label = label_text(annotation.get("category") if isinstance(annotation, dict) else None,
                       "give it a category in ISAT")  # fmt: skip
    try:
        shape = filled(corners_of(annotation.get("segmentation")))
    except UserError as error:
        raise UserError(f"({label}) {error}", error.code) from None
    return Region("_background_" if label == _BACKGROUND else label, shape)
