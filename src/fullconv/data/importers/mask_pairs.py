"""Masks that lie beside their photos -> an Export, whatever layout they come from."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fullconv.classes import CREAM, ClassSet
from fullconv.data.importers.annotations import Export, Item, Note
from fullconv.data.importers.drawing.label_image import LabelFile
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.photos.named_photos import Shelf
from fullconv.data.layouts.listing import ALL, usual_name
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.sample import Mask
from fullconv.errors import DataError, Finding


def export_of(splits: dict[str, PairSource], source: Path, request: Request) -> Export:
    """What ``splits`` hold, as an Export; a photo without mask is noted."""
    shelf = Shelf(source, request.images)
    items: dict[str, Item] = {}
    notes: list[Note] = []
    findings: list[Finding] = []
    seen: set[Path] = set()
    for split, pairs in splits.items():
        named = usual_name(split) if split not in (ALL, "default") else None
        notes += [Note("layout", finding.file, finding.what) for finding in pairs.findings]
        notes += [Note("no photo", str(mask)) for mask in pairs.orphans]
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
    classes = next(iter(splits.values())).classes
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
