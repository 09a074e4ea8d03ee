"""VOC folders with palette or RGB masks, as CVAT's 'Segmentation mask 1.1' and labelme2voc write.

``JPEGImages/`` with ``SegmentationClass/``; the photos may lie elsewhere (--images).
"""

from dataclasses import replace
from pathlib import Path

from fullconv.data.importers.annotations import Export
from fullconv.data.importers.datasets.masks import read_layout
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.mapping.color_table import read_colors
from fullconv.data.importers.mask_pairs import export_of
from fullconv.data.layouts.datasets import voc
from fullconv.data.layouts.listing import ALL
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import pictures
from fullconv.errors import UserError


def recognise(source: Path) -> bool:
    """``SegmentationClass/`` in it."""
    return voc.looks_like(source) or any(source.glob("SegmentationClass*/"))


def read(source: Path, request: Request) -> Export:
    """A devkit's folders, and those that are none: labelme2voc's, CVAT's without photos."""
    names = source / "class_names.txt"  # labelme2voc's; VOC's own classes would be wrong there
    if request.labels is None and names.is_file():
        request = replace(request, labels=names)
    masks = _masks(source)
    if masks is None:
        return read_layout(voc.LAYOUT, source, request)
    photos = request.images or source / "JPEGImages"
    if not photos.is_dir():
        raise UserError(
            f"{source}: has masks and no JPEGImages; name the photos with --images", "FC-IMPORT-004"
        )
    table = request.labels or next(
        (source / name for name in ("labelmap.txt", "classes.toml", "labels.txt")
         if (source / name).is_file()), None)  # fmt: skip
    if table is None:
        raise UserError(
            f"{source}: has no labelmap.txt; say what its values mean with --labels",
            "FC-IMPORT-016",
        )
    files = pictures(masks)
    paths = tuple(photos / name for name in files)
    pairs = PairSource(read_colors(table), ALL, tuple(files), paths, tuple(files.values()))
    return export_of({ALL: pairs}, source, request)


def _masks(source: Path) -> Path | None:
    """The folder of masks where it is not a devkit's, which has photos beside it.

    Old versions of labelme2voc wrote arrays to SegmentationClass and masks to SegmentationClassPNG.
    """
    old, usual = source / "SegmentationClassPNG", source / "SegmentationClass"
    if old.is_dir() and not pictures(usual):
        return old
    return usual if usual.is_dir() and not (source / "JPEGImages").is_dir() else None
