"""Masks in a layout that fullconv trains on, its own folder layout before all.

Read again to split a data set anew, to merge classes or to join it with others.
"""

from pathlib import Path

from fullconv.data.importers.annotations import Export
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.mask_pairs import export_of
from fullconv.data.layouts import folder, voc
from fullconv.data.layouts.find_class_file import NAMES
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.open_dataset import available_splits, is_known, open_source
from fullconv.errors import UserError

_FIRST = ("train", "val", "test")


def recognise(source: Path) -> bool:
    """Any layout that can be opened, but VOC's, which has a reader of its own.

    Folders called images/ and masks/ need a class file; many tools write such folders.
    """
    if not is_known(source) or voc.looks_like(source):
        return False
    return not folder.looks_like(source) or any((source / name).is_file() for name in NAMES)


def read(source: Path, request: Request) -> Export:
    """The splits of a layout, each photo once: 'trainval' adds nothing to train and val."""
    sources: dict[str, PairSource] = {}
    splits = available_splits(source)
    for split in sorted(splits, key=lambda name: (name not in _FIRST, splits.index(name))):
        opened = open_source(source, split, request.labels)
        if not isinstance(opened, PairSource):
            raise UserError(f"{source}: holds its photos in one file; fullconv trains on it as is")
        sources[split] = opened
    return export_of(sources, source, request)
