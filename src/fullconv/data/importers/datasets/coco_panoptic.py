"""COCO panoptic: a JSON file whose annotations name a PNG each, and what its numbers mean.

A pixel's number is R + 256 G + 65536 B; 'segments_info' gives the category of each number, 0 is
unlabelled. The PNGs lie in a folder named after the file, 'panoptic', or anywhere in SOURCE.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.importers.annotations import (
    UNLABELLED,
    Export,
    Item,
    Note,
    Painted,
    Size,
    finding_of,
)
from fullconv.data.importers.datasets.coco import candidates
from fullconv.data.importers.datasets.coco_file import (
    CocoFile,
    by_image,
    id_of,
    item_name,
    labels_in,
    open_file,
)
from fullconv.data.importers.export_files import files_below
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.json_reader import ends_of, size_of
from fullconv.data.importers.photos.named_photos import Shelf, plain
from fullconv.data.layouts.pairs import size_mismatch
from fullconv.data.reading import image as photo
from fullconv.errors import DataError, UserError


def recognise(source: Path) -> bool:
    """A file with 'segments_info', or a folder with one."""
    return any(_is_panoptic(file) for file in candidates(source))


def _is_panoptic(file: Path) -> bool:
    text = ends_of(file)
    return b'"segments_info"' in text and (b'"categories"' in text or b'"images"' in text)


def read(source: Path, request: Request) -> Export:
    """All panoptic files of ``source``, joined by the names of their categories."""
    files = [file for file in candidates(source) if _is_panoptic(file)]
    if not files:
        raise UserError(
            f"{source}: has no .json with 'segments_info', in it or one folder below",
            "FC-IMPORT-004",
        )
    opened = [open_file(file, source) for file in files]
    pngs = {file.path: _folder_of_pngs(file, source) for file in opened}
    shelf = Shelf(source, request.images, without=[f for f in pngs.values() if f is not None])
    items = [item for file in opened for item in _items(file, shelf, pngs[file.path])]
    notes = [*(note for file in opened for note in file.notes), *shelf.unlabelled(items)]
    findings = tuple(finding for file in opened for finding in file.findings)
    return Export(labels_in(opened), tuple(items), None, notes=tuple(notes), findings=findings)


def _folder_of_pngs(file: CocoFile, source: Path) -> Path | None:
    """The folder that has the PNG of the first annotation, beside the file before all others."""
    named = [entry.get("file_name") for entry in file.annotations if isinstance(entry, dict)]
    first = next((plain(name) for name in named if isinstance(name, str)), None)
    if first is None:
        return None
    folders = [file.path.with_suffix(""), file.path.parent / "panoptic"]
    folder = source if source.is_dir() else source.parent
    photos = {entry.get("file_name") for entry in file.images if isinstance(entry, dict)}
    folders += [
        path.parents[len(first.parts) - 1]
        for path in files_below(folder)
        if path.parts[-len(first.parts) :] == first.parts
        and (first.as_posix() not in photos or "panoptic" in path.parent.name)
    ]
    return next((folder for folder in folders if (folder / first).is_file()), None)


def _items(file: CocoFile, shelf: Shelf, pngs: Path | None) -> list[Item]:
    items: list[Item] = []
    for image, annotations in by_image(file):
        where = f"{file.path} ({image['file_name']})"
        try:
            items.append(_item(file, image, annotations, shelf, pngs))
        except UserError as error:
            file.findings.append(finding_of(error, where, "fix it in the file"))
    return items


def _item(
    file: CocoFile,
    image: dict[str, Any],
    annotations: list[Any],
    shelf: Shelf,
    pngs: Path | None,
) -> Item:
    name = image["file_name"]
    where = f"{file.path} ({name})"
    if len(annotations) != 1:
        raise UserError(f"has {len(annotations)} annotations, not one", "FC-IMPORT-005")
    png = annotations[0].get("file_name")
    if not isinstance(png, str):
        raise UserError("its annotation names no PNG (file_name)", "FC-IMPORT-010")
    if pngs is None or not (pngs / plain(png)).is_file():
        fix = "put the folder of PNGs beside the file, under its name"
        raise DataError(where, f"its PNG {png[:200]!r} is not there", "", fix, "FC-IMPORT-020")
    path = shelf.find(name, file.path.parent, where, file.split)
    segments = _labels(file, annotations[0].get("segments_info"))
    size = size_of(image.get("height"), image.get("width"))
    labelling = Segments(pngs / plain(png), path, segments)
    return Item(item_name(name), file.split, path, where, labelling, size)


def _labels(file: CocoFile, segments: Any) -> dict[int, str]:
    """The label of each number."""
    if not isinstance(segments, list):
        raise UserError("its segments_info is no list", "FC-IMPORT-010")
    labels: dict[int, str] = {}
    for segment in segments:
        number = id_of(segment.get("id")) if isinstance(segment, dict) else None
        label = file.label_of(segment)
        if not isinstance(number, int) or not 0 < number < 2**24:
            raise UserError(
                f"has a segment whose id {str(number)[:40]} is no colour", "FC-IMPORT-010"
            )
        if label is None:
            category = str(segment.get("category_id"))[:40]
            raise UserError(
                f"segment {number} has the category {category}, which is not listed",
                "FC-IMPORT-005",
            )
        labels[number] = label
    return labels


@dataclass(frozen=True, eq=False)
class Segments:
    """A PNG whose colours are numbers, and the label of each number; 0 has none."""

    file: Path
    photo: Path
    labels: Mapping[int, str]

    def paint(self, size: Size, numbers: Mapping[str, int]) -> Painted:
        values = self._values()
        if values.shape != size:
            raise size_mismatch(self.photo, self.file, size, values.shape)
        present, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        table = np.full(len(present), UNLABELLED, np.int32)
        for place, (value, pixels) in enumerate(zip(present.tolist(), counts, strict=True)):
            if value in self.labels:
                table[place] = numbers[self.labels[value]]
            elif value:
                what = f"number {value} ({pixels} pixels) is not in its segments_info"
                cause = "a PNG of another file, or one that was saved in other colours"
                raise DataError(self.file, what, cause, "export it again", "FC-IMPORT-015")
        shapes = Counter(self.labels[value] for value in present.tolist() if value)
        lost = sorted(set(self.labels) - set(present.tolist()))
        notes = tuple(Note("empty", str(self.file), self.labels[value]) for value in lost)
        return Painted(table[places].reshape(size), shapes, notes)

    def _values(self) -> npt.NDArray[np.int32]:
        image = photo.decode(self.file, str(self.file))
        if image.mode not in ("RGB", "RGBA"):
            what = f"colour mode {image.mode} holds no numbers of segments"
            cause = "a picture for the eye"
            raise DataError(self.file, what, cause, "export it again", "FC-IMPORT-015")
        red, green, blue = np.moveaxis(np.asarray(image)[..., :3].astype(np.int32), -1, 0)
        return red + 256 * green + 65536 * blue
