"""PASCAL VOC 2007 to 2012 as the devkit lies on disk, and seg11valid."""

import os
from pathlib import Path

from fullconv.classes import VOC
from fullconv.data.layouts.datasets import sbd
from fullconv.data.layouts.find_class_file import classes_in
from fullconv.data.layouts.listing import ALL, Layout, read_lines
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import pictures
from fullconv.data.reading.walk import existing
from fullconv.errors import UserError

SEG11VALID = "seg11valid"
_LISTS = Path("ImageSets") / "Segmentation"


def _roots(data: Path) -> list[Path]:
    """Year folders: ``data`` itself, or VOC20xx in it or in a VOCdevkit in it."""
    places = [data, *sorted(data.glob("VOC20*")), *sorted(data.glob("VOCdevkit/VOC20*"))]
    return [place for place in places if (place / "JPEGImages").is_dir()]


def looks_like(data: Path) -> bool:
    """``JPEGImages/`` with ``SegmentationClass/``, at any level of the devkit."""
    return any((root / "SegmentationClass").is_dir() for root in _roots(data))


def _root(data: Path) -> Path:
    roots = _roots(data)
    if len(roots) > 1:
        years = ", ".join(root.name for root in roots)
        raise UserError(
            f"{data}: has several years ({years}); name one, as {roots[-1]}", "FC-DATA-133"
        )
    return roots[0]


def splits(data: Path) -> list[str]:
    """The segmentation lists; 'seg11valid' in VOC2011; 'all' where there are no lists."""
    root = _root(data)
    names = sorted(path.stem for path in (root / _LISTS).glob("*.txt"))
    if root.name == "VOC2011" and SEG11VALID not in names:
        names.append(SEG11VALID)
    return names or [ALL]


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of a list; masks are None where the challenge kept them (test)."""
    root = _root(data)
    names = tuple(_names(root, split))
    masks = (existing(root / "SegmentationClass" / f"{name}.png") for name in names)
    return PairSource(
        classes=classes_in(root, classes, VOC),
        split=split,
        names=names,
        photos=tuple(existing(root / "JPEGImages" / f"{name}.jpg") for name in names),
        masks=tuple(path if os.path.isfile(path) else None for path in masks),
    )


def _names(root: Path, split: str) -> list[str]:
    listed = root / _LISTS / f"{split}.txt"
    if listed.is_file():
        return [line.split()[0] for line in read_lines(listed)]
    if split == SEG11VALID:
        return _seg11valid(root)
    return sorted(pictures(root / "SegmentationClass"))


def _seg11valid(root: Path) -> list[str]:
    """VOC2011's val without the photos that SBD trains on (736), as Long et al. score."""
    places = [root, root.parent, root.parent.parent]
    sbd_root = next((r for r in map(sbd.root_of, places) if r is not None), None)
    if sbd_root is None:
        raise UserError(
            f"{root}: seg11valid is VOC2011 val minus SBD train, and no benchmark_RELEASE/dataset "
            f"lies in {', '.join(map(str, places))}; put SBD there, or the list at "
            f"{root / _LISTS / SEG11VALID}.txt",
            "FC-DATA-133",
        )
    trained = set(read_lines(sbd_root / "train.txt"))
    return [name for name in _names(root, "val") if name not in trained]


LAYOUT = Layout(
    "voc",
    "PASCAL VOC: VOCdevkit/VOC20xx with JPEGImages/, SegmentationClass/ and ImageSets/",
    looks_like,
    splits,
    open_split,
)
