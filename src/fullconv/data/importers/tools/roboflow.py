"""Roboflow's 'Semantic Segmentation Masks': PHOTO.jpg with PHOTO_mask.png, and _classes.csv.

Each split (train/, valid/, test/) has its table 'Pixel Value, Class'. Value 0 is 'background': the
pixels without label.
"""

from pathlib import Path

from fullconv.data.importers.annotations import BACKGROUND, Export, Item
from fullconv.data.importers.drawing.label_image import LabelFile, read_numbers
from fullconv.data.importers.export_files import files_below
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.photos.named_photos import Shelf
from fullconv.data.importers.photos.photo_entries import Entries
from fullconv.data.sample import Mask
from fullconv.errors import DataError, UserError
from fullconv.parsing import read_text

_TABLE = "_classes.csv"
_ENDING = "_mask.png"


def recognise(source: Path) -> bool:
    """A table of pixel values: that of a classification has names of photos in its place."""
    return any(_has_values(table) for table in _tables(source))


def _tables(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.name == _TABLE else []
    below = sorted(source.glob(f"*/{_TABLE}"), key=lambda table: table.parent.name != "train")
    tables = (source / _TABLE, *below)
    return [table for table in tables if table.is_file()]


def _has_values(table: Path) -> bool:
    return ends_of(table)[:64].lower().startswith(b"pixel value")


def read(source: Path, request: Request) -> Export:
    """The masks of every folder with a table; their classes in the order of the first table."""
    shelf, entries = Shelf(source, request.images), Entries("export it again")
    folder = source if source.is_dir() else source.parent
    tables = _tables(source)
    if not tables:
        raise UserError(f"{source}: has no {_TABLE}, in it or one folder below", "FC-IMPORT-066")
    listed: list[str] = []
    for table in tables:
        labels = _labels(table)
        listed += labels.values()
        inside = [file for file in files_below(table.parent) if file.name.endswith(_ENDING)]
        for mask in inside:
            entries.add(str(mask), lambda _, mask=mask, labels=labels: _item(
                mask, folder, labels, shelf))  # fmt: skip
    shelf.pictures = [photo for photo in shelf.pictures if not photo.name.endswith(_ENDING)]
    return entries.export(shelf, (name for name in listed if name != BACKGROUND))


def _labels(table: Path) -> dict[int, str]:
    """The classes by their pixel value."""
    labels: dict[int, str] = {}
    for place, line in enumerate(read_text(table).splitlines()[1:], 2):
        if not line.strip():
            continue
        value, name = (part.strip() for part in line.partition(",")[::2])
        if not (value.isascii() and value.isdecimal()) or len(value) > 5 or not name:
            raise DataError(table, f"line {place} is no pixel value and class", "",
                            "export it again", "FC-IMPORT-066")  # fmt: skip
        if labels.setdefault(int(value), name) != name:
            raise DataError(table, f"value {value} is {labels[int(value)]!r} and {name!r}", "",
                            "export it again", "FC-IMPORT-066")  # fmt: skip
    if not labels:
        raise DataError(table, "has no class", "", "export it again", "FC-IMPORT-066")
    return labels


def _item(mask: Path, folder: Path, labels: dict[int, str], shelf: Shelf) -> Item:
    stem = mask.name.removesuffix(_ENDING)
    photo = shelf.find(stem, mask.parent, mask)
    inside = mask.parent.relative_to(folder).parts
    split = next((USUAL[part.lower()] for part in inside if part.lower() in USUAL), None)
    name = Path(*(part for part in inside if part.lower() not in USUAL), stem).as_posix()
    drawn = {value: label for value, label in labels.items() if label != BACKGROUND}

    def values(file: Path) -> Mask:
        return read_numbers(file, labels, f"a pixel value of {_TABLE}")

    return Item(name, split, photo, str(mask), LabelFile(mask, photo, drawn, values))
