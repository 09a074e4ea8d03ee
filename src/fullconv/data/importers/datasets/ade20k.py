"""ADE20K as scene parsing: images/{training,validation} with annotations/ of the same names.

0 is 'other', which the benchmark leaves out; 1 to 150 are the classes. Their names are those of
objectInfo150.txt, the first word of each ('windowpane', not 'windowpane, window').
"""

from pathlib import Path

from fullconv.classes.lists import class_list
from fullconv.data.importers.annotations import Export, Item, Note, without_photo
from fullconv.data.importers.drawing.label_image import LabelFile, read_numbers
from fullconv.data.importers.import_request import Request
from fullconv.data.layouts.picture_listing import pictures
from fullconv.data.sample import Mask
from fullconv.errors import Finding, UserError

_SPLITS = {"training": "train", "validation": "val"}


def _root(source: Path) -> Path:
    """``source``, or the folder that the archive makes in it."""
    inside = source / "ADEChallengeData2016"
    return inside if inside.is_dir() else source


def recognise(source: Path) -> bool:
    """``annotations/training`` or ``annotations/validation``."""
    return any((_root(source) / "annotations" / folder).is_dir() for folder in _SPLITS)


def read(source: Path, request: Request) -> Export:
    """Both splits; the test photos of the benchmark have no labels."""
    root, items = _root(source), []
    notes: list[Note] = []
    findings: list[Finding] = []
    names = class_list("ade20k-150").names
    labels = dict(enumerate(names, 1))
    for folder, split in _SPLITS.items():
        masks = pictures(root / "annotations" / folder)
        photos = pictures((request.images or root / "images") / folder)
        for name, mask in masks.items():
            if name in photos:
                labelling = LabelFile(mask, photos[name], labels, _read)
                items.append(Item(name, split, photos[name], str(mask), labelling))
            else:
                findings.append(without_photo(mask))
        notes += [Note("unlabelled", str(photos[name])) for name in set(photos) - set(masks)]
    if not items and not findings:
        raise UserError(
            f"{source}: has no masks below annotations/training or validation", "FC-IMPORT-004"
        )
    return Export(names, tuple(items), None, notes=tuple(notes), findings=tuple(findings))


def _read(file: Path) -> Mask:
    return read_numbers(file, range(151), "one of the numbers 0 to 150 of ADE20K")
