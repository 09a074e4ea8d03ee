"""YOLO segmentation labels: a .txt for each photo, 'CLASS x1 y1 x2 y2 ...' in shares of its size.

Files lie in labels/ where the photos lie in images/, or beside the photos; data.yaml or classes.txt
names the classes. Objects have no order: the smaller one lies on top, as in the masks that
Ultralytics makes of them. A row of five numbers is a box, which is ignored where nothing else lies.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes.class_files import read_classes
from fullconv.data.importers.annotations import IGNORE, Export, Item, Note, Painted, Size
from fullconv.data.importers.drawing.combined import filled
from fullconv.data.importers.drawing.draw_regions import Drawing, Region
from fullconv.data.importers.drawing.regions import Points, Polygon, Shape, box
from fullconv.data.importers.export_files import files_below
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of
from fullconv.data.importers.mapping.assign_splits import USUAL
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.data.importers.photos.photo_entries import Entries
from fullconv.data.reading.image import SUFFIXES
from fullconv.errors import DataError, UserError
from fullconv.parsing import read_text, read_yaml

_YAML = (".yaml", ".yml")
_LISTS = ("classes.txt", "obj.names", "classes.names", "labels.txt")
_FARTHEST = 2.0
"""Share of the photo's size beyond which a number is a pixel, not a share."""


@dataclass(frozen=True, eq=False)
class ScaledDrawing:
    """Outlines in shares of the photo's size, drawn when the size is known."""

    file: str
    regions: tuple[Region, ...]

    def paint(self, size: Size, numbers: Mapping[str, int]) -> Painted:
        scale = np.array([size[1], size[0]], np.float64)
        regions = [Region(region.label, _scaled(region.shape, scale)) for region in self.regions]
        return Drawing(self.file, tuple(regions), smaller_on_top=True).paint(size, numbers)


def _scaled(shape: Shape, scale: Points) -> Shape:
    if isinstance(shape, Polygon):
        return Polygon(tuple(ring * scale for ring in shape.rings))
    return shape


def recognise(source: Path) -> bool:
    """Label files whose first row is numbers."""
    folder = source if source.is_dir() else source.parent
    if source.is_file() and source.suffix.lower() not in _YAML:
        return False
    labels = _label_files(files_below(folder), folder)
    return any(_has_rows(file) for file in labels[:20])


def _class_file(files: list[Path], folder: Path) -> Path | None:
    """A YAML file with 'names', or a list of them, the nearest to ``folder``."""
    nearest = sorted(files, key=lambda file: (len(file.relative_to(folder).parts), file))
    for file in nearest:
        if file.suffix.lower() in _YAML and file.name != "isat.yaml" and b"names" in ends_of(file):
            return file
    return next((file for file in nearest if file.name in _LISTS), None)


def _label_files(files: list[Path], folder: Path) -> list[Path]:
    """The .txt in folders called labels, and those beside a photo of the same name."""
    photos = {file.with_suffix("") for file in files if file.suffix.lower() in SUFFIXES}
    texts = (file for file in files if file.suffix.lower() == ".txt" and file.name not in _LISTS)
    return [file for file in texts if file.with_suffix("") in photos
            or "labels" in (folder.name, *file.relative_to(folder).parts[:-1])]  # fmt: skip


def _has_rows(file: Path) -> bool:
    row = ends_of(file).split(b"\n", 1)[0].split()
    try:
        return len(row) >= 5 and all(np.isfinite(float(number)) for number in row)
    except ValueError:
        return False


def read(source: Path, request: Request) -> Export:
    """Every label file with its photo; splits are those of data.yaml, else the folders' names."""
    folder = source if source.is_dir() else source.parent
    files = files_below(folder)
    named = source if source.is_file() else _class_file(files, folder)
    names = _names(named, request)
    shelf, entries = Shelf(source, request.images), Entries("fix it in the file")
    splits = _Splits(named, folder) if named is not None else None
    for file in _label_files(files, folder):
        entries.add(str(file), lambda notes, file=file: _item(
            file, folder, names, shelf, splits, notes))  # fmt: skip
    return entries.export(shelf, names)


def _names(file: Path | None, request: Request) -> list[str]:
    if request.labels is not None and request.labels.suffix.lower() not in _YAML:
        return list(read_classes(request.labels).names)
    file = request.labels or file
    if file is None:
        raise UserError("no data.yaml and no classes.txt says what the classes are called; name "
                        "such a file with --labels", "FC-IMPORT-066")  # fmt: skip
    if file.suffix.lower() in _YAML:
        return _of_yaml(file)
    lines = [line.strip() for line in read_text(file).splitlines()]
    return _checked([line for line in lines if line], file)


def _of_yaml(file: Path) -> list[str]:
    """``names`` as a list, or as a mapping from numbers."""
    content = read_yaml(file)
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        if sorted(names) != sorted(map(str, range(len(names)))):
            raise DataError(file, "has names whose numbers do not run from 0 on", "",
                            "number them so", "FC-IMPORT-066")  # fmt: skip
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, list):
        raise DataError(file, "has no list 'names'", "no data.yaml of a data set", "",
                        "FC-IMPORT-066")  # fmt: skip
    return _checked(names, file)


def _checked(names: list[Any], file: Path) -> list[str]:
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise DataError(file, "has a class without a name, or none", "", "name every class",
                        "FC-IMPORT-066")  # fmt: skip
    return names


class _Splits:
    """Which split a photo is of: by the folders and lists that data.yaml names."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.folder = folder
        self.folders: list[tuple[Path, str]] = []
        self.listed: dict[str, str] = {}
        if file.suffix.lower() in _YAML:
            content = read_yaml(file)
            for key in ("train", "val", "test") if isinstance(content, dict) else ():
                places = content.get(key)
                for place in places if isinstance(places, list) else [places]:
                    if isinstance(place, str) and place:
                        self._add(place, key)

    def _add(self, stated: str, split: str) -> None:
        """A folder or list below the source, by as much of the end of its path as is there."""
        parts = [
            part for part in stated.replace("\\", "/").split("/") if part not in ("", ".", "..")
        ]
        for first in range(len(parts)):
            place = self.folder.joinpath(*parts[first:])
            if os.path.isdir(place):
                self.folders.append((place, split))
                return
            if os.path.isfile(place) and place.suffix.lower() == ".txt":
                lines = read_text(place).splitlines()
                self.listed |= {plain(line.strip()).stem: split for line in lines if line.strip()}
                return

    def of(self, photo: Path) -> str | None:
        for place, split in sorted(self.folders, key=lambda pair: -len(pair[0].parts)):
            if place in photo.parents:
                return split
        if photo.stem in self.listed:
            return self.listed[photo.stem]
        inside = photo.relative_to(self.folder).parts if self.folder in photo.parents else ()
        return next((USUAL[part.lower()] for part in inside[:-1] if part.lower() in USUAL), None)


def _item(
    file: Path,
    folder: Path,
    names: list[str],
    shelf: Shelf,
    splits: _Splits | None,
    notes: list[Note],
) -> Item:
    regions = []
    for place, row in enumerate(_rows(file), 1):
        try:
            regions += _region(row, names, str(file), notes)
        except UserError as error:
            raise UserError(f"line {place} {error}", error.code) from None
    photo = shelf.find(file.stem, _photos_of(file), file)
    inside = photo.relative_to(folder) if folder in photo.parents else Path(photo.name)
    split = splits.of(photo) if splits is not None else None
    left_out = {"images", *USUAL} if split is not None else {"images"}
    parts = [part for part in inside.parts[:-1] if part.lower() not in left_out]
    name = Path(*parts, photo.stem).as_posix()
    return Item(name, split, photo, str(file), ScaledDrawing(str(file), tuple(regions)))


def _photos_of(file: Path) -> Path:
    """The folder of a label file's photo: 'images' for the last 'labels' of its path."""
    parts = list(file.parent.parts)
    if "labels" in parts:
        last = len(parts) - 1 - parts[::-1].index("labels")
        parts[last] = "images"
    return Path(*parts)


def _rows(file: Path) -> list[list[str]]:
    return [line.split() for line in read_text(file).splitlines() if line.strip()]


def _region(row: list[str], names: list[str], file: str, notes: list[Note]) -> list[Region]:
    try:
        numbers = np.array([float(value) for value in row])
    except ValueError:
        raise UserError("is no row of numbers", "FC-IMPORT-067") from None
    number = numbers[0]
    if not 0 <= number < len(names) or number != int(number):
        raise UserError(f"has the class {row[0][:20]}, which is none of the {len(names)} classes",
                        "FC-IMPORT-061")  # fmt: skip
    label, shares = names[int(number)], numbers[1:]
    if len(shares) % 2:
        raise UserError(f"has {len(shares)} coordinates, which are no pairs of x and y",
                        "FC-IMPORT-067")  # fmt: skip
    outside = [value for value, share in zip(row[1:], shares, strict=True)
               if not abs(share) <= _FARTHEST]  # fmt: skip
    if outside:
        raise UserError(f"has {outside[0][:20]}, which is no share of the photo's size (0 to 1)",
                        "FC-IMPORT-067")  # fmt: skip
    if len(shares) == 4:
        notes.append(Note("boxed", file, label))
        x, y, wide, high = shares
        return [Region(IGNORE, box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2))]
    corners = shares.reshape(-1, 2)
    return [Region(label, filled(corners))]
