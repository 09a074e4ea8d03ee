"""Masks in a layout that fullconv trains on, its own folder layout before all.

Read again to split a data set anew, to merge classes or to join it with others.
"""

from pathlib import Path

from fullconv.data.importers.annotations import Export
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.mask_pairs import export_of
from fullconv.data.layouts import folder
from fullconv.data.layouts.datasets import voc
from fullconv.data.layouts.find_class_file import NAMES
from fullconv.data.layouts.listing import Layout
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.registry import LAYOUTS, layout_of
from fullconv.errors import UserError

_FIRST = ("train", "val", "test")


def recognise(source: Path) -> bool:
    """Any layout that can be opened, but VOC's, which has a reader of its own.

    Folders called images/ and masks/ need a class file; many tools write such folders.
    """
    layout = _layout(source)
    if layout is folder.LAYOUT:
        return any((source / name).is_file() for name in NAMES)
    return layout is not None


def _layout(source: Path) -> Layout | None:
    others = (layout for layout in LAYOUTS if layout is not voc.LAYOUT)
    return next((layout for layout in others if layout.looks_like(source)), None)


def read(source: Path, request: Request) -> Export:
    """The splits of the layout that ``source`` has."""
    layout = _layout(source) or layout_of(source)
    if layout is None:
        raise UserError(f"{source}: no layout that can be trained on", "FC-IMPORT-004")
    return read_layout(layout, source, request)


def read_layout(layout: Layout, source: Path, request: Request) -> Export:
    """The splits of a layout, each photo once: 'trainval' adds nothing to train and val."""
    sources: dict[str, PairSource] = {}
    splits = layout.splits(source)
    for split in sorted(splits, key=lambda name: (name not in _FIRST, splits.index(name))):
        opened = layout.open(source, split, request.labels)
        if not isinstance(opened, PairSource):
            raise UserError(
                f"{source}: holds its photos in one file; fullconv trains on it as is",
                "FC-IMPORT-003",
            )
        sources[split] = opened
    return export_of(sources, source, request)
