"""Masks that lie as a layout that can be trained on: VOC folders, CVAT's masks, and the others."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fullconv.classes import CREAM, ClassSet
from fullconv.data.checks.findings import DataError, Finding
from fullconv.data.importers.annotations import Export, Item, Note
from fullconv.data.importers.color_table import read_colors
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.label_image import LabelFile
from fullconv.data.importers.named_photos import Shelf
from fullconv.data.layouts import voc
from fullconv.data.layouts.folder import pictures
from fullconv.data.layouts.listing import ALL
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.open_dataset import available_splits, is_known, open_source
from fullconv.data.sample import Mask
from fullconv.errors import UserError

WHAT_VOC = (
    "VOC folders with palette or RGB masks, as CVAT's 'Segmentation mask 1.1' and labelme2voc "
    "write them: JPEGImages/, SegmentationClass/"
)
WHAT_OTHERS = "masks in another layout that fullconv trains on (docs/data.md)"
_FIRST = ("train", "val", "test")


def looks_like_voc(source: Path) -> bool:
    """``SegmentationClass/``; the photos may lie elsewhere (--images)."""
    return voc.looks_like(source) or any(source.glob("SegmentationClass*/"))


def looks_like(source: Path) -> bool:
    """Any layout that can be opened."""
    return is_known(source)


def read(source: Path, request: Request) -> Export:
    """The splits of a layout, each photo once: 'trainval' adds nothing to train and val."""
    given = request.labels
    found: dict[str, PairSource] = {}
    splits = available_splits(source)
    for split in sorted(splits, key=lambda name: (name not in _FIRST, splits.index(name))):
        opened = open_source(source, split, given)
        if not isinstance(opened, PairSource):
            raise UserError(f"{source}: holds its photos in one file; fullconv trains on it as is")
        found[split] = opened
    return of_sources(found, source, request)


def read_voc(source: Path, request: Request) -> Export:
    """VOC folders, and those that are no devkit's: labelme2voc's, CVAT's without photos."""
    names = source / "class_names.txt"  # labelme2voc's; VOC's own classes would be wrong there
    if request.labels is None and names.is_file():
        request = replace(request, labels=names)
    masks = _masks(source)
    if masks is None:
        return read(source, request)
    photos = request.images or source / "JPEGImages"
    if not photos.is_dir():
        raise UserError(f"{source}: has masks and no JPEGImages; name the photos with --images")
    table = request.labels or next(
        (source / name for name in ("labelmap.txt", "classes.toml", "labels.txt")
         if (source / name).is_file()), None)  # fmt: skip
    if table is None:
        raise UserError(f"{source}: has no labelmap.txt; say what its values mean with --labels")
    files = pictures(masks)
    found = tuple(photos / name for name in files)
    pairs = PairSource(read_colors(table), ALL, tuple(files), found, tuple(files.values()))
    return of_sources({ALL: pairs}, source, request)


def _masks(source: Path) -> Path | None:
    """The folder of masks where it is not a devkit's, which has photos beside it.

    Old versions of labelme2voc wrote arrays to SegmentationClass and masks to SegmentationClassPNG.
    """
    old, usual = source / "SegmentationClassPNG", source / "SegmentationClass"
    if old.is_dir() and not pictures(usual):
        return old
    return usual if usual.is_dir() and not (source / "JPEGImages").is_dir() else None


def of_sources(found: dict[str, PairSource], source: Path, request: Request) -> Export:
    """What the splits ``found`` hold, as an Export; a photo without mask is noted."""
    shelf = Shelf(source, request.images)
    items: dict[str, Item] = {}
    notes: list[Note] = []
    findings: list[Finding] = []
    seen: set[Path] = set()
    for split, pairs in found.items():
        named = split if split not in (ALL, "default") else None
        fresh = [i for i in range(len(pairs)) if pairs.photos[i] not in seen]
        if len(fresh) < len(pairs):
            again = f"{len(pairs) - len(fresh)} of its {len(pairs)} photos are in another split"
            notes.append(Note("split", split, again))
        for index in fresh:
            seen.add(pairs.photos[index])
            mask = pairs.masks[index]
            if mask is None:
                notes.append(Note("unlabelled", str(pairs.photos[index])))
                continue
            try:
                items[f"{split}/{pairs.names[index]}"] = _item(pairs, index, mask, named, shelf)
            except DataError as error:
                findings.append(error.finding)
    classes = next(iter(found.values())).classes
    colors = dict(zip(classes.names, classes.colors, strict=True))
    return Export(classes.names, tuple(items.values()), None, colors,
                  notes=tuple(notes), findings=tuple(findings))  # fmt: skip


def _item(pairs: PairSource, index: int, mask: Path, split: str | None, shelf: Shelf) -> Item:
    photo, name = pairs.photos[index], pairs.names[index]
    if not os.path.isfile(photo):  # VOC's lists name no suffix; CVAT keeps PNG photos as they are
        photo = shelf.find(Path(name).name, photo.parent, mask)
    labels = dict(enumerate(pairs.classes.names))
    read = _reader(pairs.classes, pairs.read)
    return Item(name, split, photo, str(mask), LabelFile(mask, photo, labels, read))


def _reader(classes: ClassSet, read: Callable[[Path, ClassSet], Mask]) -> Callable[[Path], Mask]:
    """Black is what the colour table leaves out, where it gives black no meaning."""
    if classes.ignore_color == CREAM and (0, 0, 0) not in classes.colors:
        classes = replace(classes, ignore_color=(0, 0, 0))
    return lambda file: read(file, classes)
