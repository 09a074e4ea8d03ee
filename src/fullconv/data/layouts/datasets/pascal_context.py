"""PASCAL-Context: a label for every pixel of VOC2010's photos, in MATLAB files.

Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation in the Wild,
CVPR 2014. The files hold 459 labels; by name they become the 59 classes and the background, the 33,
or those of a class file.
"""

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.layouts.datasets.label_numbers import (
    listed_names,
    photo_lists,
    read_numbered,
    table,
    to_classes,
)
from fullconv.data.layouts.find_class_file import classes_of_set
from fullconv.data.layouts.listing import ALL, Layout
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.matlab_files.matlab import read_labels
from fullconv.data.sample import Mask
from fullconv.errors import UserError

DEFAULT = "pascal-context-59"
_SPLITS = ("train", "val", "trainval", "test")
_LABELS, _NAMES = "trainval", "labels.txt"
_PHOTOS = ("", "VOC2010", "VOCdevkit/VOC2010")
_BESIDE = ("VOC2010", "VOCdevkit/VOC2010", "pascal/VOC2010")

# Three of the 59 are called otherwise in labels.txt; after pascalcontext_layers.py of
# shelhamer/fcn.berkeleyvision.org.
OTHER_NAMES = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}


def _root(data: Path) -> Path | None:
    """The folder with ``trainval/*.mat``: ``data``, or ``pascal-context`` in it."""
    for root in (data, data / "pascal-context"):
        if next((root / _LABELS).glob("*.mat"), None) is not None:
            return root
    return None


def looks_like(data: Path) -> bool:
    """``trainval/`` with MATLAB files."""
    return _root(data) is not None


def _voc(root: Path) -> Path:
    """VOC2010, in the folder of the labels or beside it."""
    places = [*(root / p for p in _PHOTOS), *(root.resolve().parent / p for p in _BESIDE)]
    for place in places:
        if (place / "JPEGImages").is_dir():
            return place
    there = ", ".join(str(place / "JPEGImages") for place in places)
    raise UserError(
        f"{root}: the photos of VOC2010 are not there; looked for {there}; put one of them there",
        "FC-DATA-133",
    )


def _lists(root: Path) -> dict[str, Path]:
    """Lists beside the labels, else VOC2010's own of all photos (not of the segmented ones)."""
    own = photo_lists(root, _SPLITS)
    return own or photo_lists(_voc(root) / "ImageSets" / "Main", _SPLITS[:3])


def splits(data: Path) -> list[str]:
    """'train', 'val' and so on, as their lists are there; 'all' where there are none."""
    return list(_lists(_root(data) or data)) or [ALL]


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of a list with their label files."""
    root = _root(data) or data
    known = classes_of_set(root, classes, DEFAULT)
    voc, lists = _voc(root), _lists(root)
    labelled = {path.stem for path in (root / _LABELS).glob("*.mat")}
    names = tuple(listed_names(lists[split]) if split in lists else sorted(labelled))
    values = table(read_numbered(root / _NAMES), known, root / _NAMES, OTHER_NAMES)
    return PairSource(
        classes=known,
        split=split,
        names=names,
        photos=tuple(voc / "JPEGImages" / f"{name}.jpg" for name in names),
        masks=tuple(label_file(root, name) if name in labelled else None for name in names),
        read=partial(read_label_map, values=values),
    )


def label_file(root: Path, name: str) -> Path:
    """Where the labels of the photo ``name`` lie."""
    return root / _LABELS / f"{name}.mat"


def read_label_map(file: Path, classes: ClassSet, values: npt.NDArray[np.uint16]) -> Mask:
    """``LabelMap`` of a file as class values (H, W), through a ``table`` of class values."""
    return to_classes(file, read_labels(file, "LabelMap"), values, classes)


LAYOUT = Layout(
    "pascal_context",
    "PASCAL-Context: trainval/*.mat with labels.txt, VOC2010 in the folder or beside it",
    looks_like,
    splits,
    open_split,
)
