"""The layouts of data sets that are told apart; the order decides where two would fit."""

from pathlib import Path

from fullconv.data.layouts import class_folders, data_yaml, folder, named_folders, packed, pair_list
from fullconv.data.layouts.datasets import (
    camvid,
    nyud,
    nyud_labeled,
    pascal_context,
    sbd,
    sift_flow,
    voc,
)
from fullconv.data.layouts.listing import Layout

LAYOUTS: tuple[Layout, ...] = (
    packed.LAYOUT,
    pascal_context.LAYOUT,  # its labels may lie inside VOC2010
    voc.LAYOUT,
    sbd.LAYOUT,
    camvid.LAYOUT,
    sift_flow.LAYOUT,
    nyud.LAYOUT,
    nyud_labeled.LAYOUT,
    pair_list.LAYOUT,
    class_folders.LAYOUT,
    data_yaml.LAYOUT,  # folders as those of the next two, without a class file of their own
    folder.LAYOUT,
    named_folders.LAYOUT,
)


def layout_of(data: Path) -> Layout | None:
    """The layout of what lies at ``data``; None where it is none of them."""
    return next((layout for layout in LAYOUTS if layout.looks_like(data)), None)
