"""The layouts of data sets that are told apart; the order decides where two would fit."""

from pathlib import Path

from fullconv.data.layouts import (
    camvid,
    class_folders,
    folder,
    named_folders,
    nyud,
    nyud_labeled,
    packed,
    pair_list,
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
    folder.LAYOUT,
    named_folders.LAYOUT,
)


def layout_of(data: Path) -> Layout | None:
    """The layout of what lies at ``data``; None where it is none of them."""
    return next((layout for layout in LAYOUTS if layout.looks_like(data)), None)
