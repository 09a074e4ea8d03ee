"""SIFT Flow: outdoor scenes with semantic and geometric labels in MATLAB files.

Liu, Yuen, Torralba, Nonparametric Scene Parsing, PAMI 2011, as Tighe and Lazebnik gave it out
(SuperParsing, ECCV 2010).
"""

from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.classes.lists import class_list
from fullconv.data.layouts.datasets.label_numbers import (
    listed_names,
    photo_lists,
    spelled,
    table,
    to_classes,
)
from fullconv.data.layouts.find_class_file import classes_of_set
from fullconv.data.layouts.listing import ALL, Layout
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.matlab_files.matlab import MissingVariable, read_labels, read_names
from fullconv.data.sample import Mask
from fullconv.errors import DataError, UserError

FOLDER = "spatial_envelope_256x256_static_8outdoorcategories"
LABELS = {"SemanticLabels": "sift-flow", "GeoLabels": "sift-flow-geometric"}
"""The two label maps of a photo: the folder of each, and the built-in list of its classes."""

UNLABELLED = frozenset({"highway_bost181", "street_urb506"})
"""Photos without labels; data/sift-flow/classes.txt of shelhamer/fcn.berkeleyvision.org."""

_SPLITS = ("train", "val", "trainval", "test")
_TEST = "TestSet1.txt"


def _root(data: Path) -> Path | None:
    """The folder with ``Images/`` and ``SemanticLabels/``, as unpacked or one above."""
    for root in (data, data / "SiftFlowDataset"):
        if (root / "Images" / FOLDER).is_dir() and (root / "SemanticLabels").is_dir():
            return root
    return None


def looks_like(data: Path) -> bool:
    """``Images/spatial_envelope_.../`` with ``SemanticLabels/``."""
    return _root(data) is not None


def splits(data: Path) -> list[str]:
    """The lists that are there, else 'train' and 'test' by ``TestSet1.txt``, else 'all'."""
    root = _root(data) or data
    lists = list(photo_lists(root, _SPLITS))
    return lists or (["train", "test"] if (root / _TEST).is_file() else [ALL])


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of a list, with the label map whose names the classes have.

    The semantic one, unless it lacks one of the classes and the geometric one has all.
    """
    root = _root(data) or data
    known = classes_of_set(root, classes, LABELS["SemanticLabels"])
    names = tuple(_names(root, split))
    kind = _kind(root, known, names)
    there = {path.stem for path in (root / kind / FOLDER).glob("*.mat")}
    return PairSource(
        classes=known,
        split=split,
        names=names,
        photos=tuple(root / "Images" / FOLDER / f"{name}.jpg" for name in names),
        masks=tuple(label_file(root, name, kind) if name in there else None for name in names),
        read=read_label_map,
    )


def _names(root: Path, split: str) -> list[str]:
    lists = photo_lists(root, _SPLITS)
    if split in lists:
        return listed_names(lists[split])
    photos = {path.stem for path in (root / "Images" / FOLDER).glob("*.jpg")} - UNLABELLED
    if not (root / _TEST).is_file():
        return sorted(photos)
    tested = listed_names(root / _TEST)
    return tested if split == "test" else sorted(photos.difference(tested))


def _kind(root: Path, classes: ClassSet, names: tuple[str, ...]) -> str:
    """The folder of the label map that has all the classes."""
    wanted, known = {spelled(name) for name in classes.names} - {"background"}, []
    for kind, built_in in LABELS.items():
        files = (label_file(root, name, kind) for name in names)
        first = next((file for file in files if file.is_file()), None)
        try:
            known.append(_label_names(first, built_in) if first else class_list(built_in).names)
        except DataError:  # the check names the file, with all others that are broken
            known.append(class_list(built_in).names)
        if wanted <= {spelled(name) for name in known[-1]}:
            return kind
    raise UserError(
        f"{root}: neither label map has all the classes {', '.join(classes.names)}; the semantic "
        f"labels are {', '.join(known[0])}; the geometric ones {', '.join(known[1])}",
        "FC-DATA-134",
    )


def label_file(root: Path, name: str, kind: str = "SemanticLabels") -> Path:
    """Where a label map of the photo ``name`` lies; ``kind`` is one of ``LABELS``."""
    return root / kind / FOLDER / f"{name}.mat"


def read_label_map(file: Path, classes: ClassSet) -> Mask:
    """``S`` of a file as class values (H, W), by the file's own ``names``.

    Labels count from 1; 0 is unlabelled, and so is what is negative in the geometric map.
    """
    geometric = file.parts[-3] == "GeoLabels"
    built_in = LABELS["GeoLabels" if geometric else "SemanticLabels"]
    names = dict(enumerate(_label_names(file, built_in), 1))
    values = table(names, classes, file)
    values[0] = classes.ignore
    labels = read_labels(file, "S")
    return to_classes(file, np.maximum(labels, 0) if geometric else labels, values, classes)


def _label_names(file: Path, built_in: str) -> tuple[str, ...]:
    """The names in the file itself; the published list where it has none."""
    try:
        return read_names(file, "names")
    except MissingVariable:
        return class_list(built_in).names


OUTPUTS = {"semantic": "sift-flow", "geometric": "sift-flow-geometric"}
"""The names of the two label maps, and the built-in list of the classes of each."""


def open_output(data: Path, split: str, output: str) -> PairSource:
    """The photos of a list with one of the two label maps."""
    return open_split(data, split, Path(OUTPUTS[output]))


LAYOUT = Layout(
    "sift_flow",
    f"SIFT Flow: Images/{FOLDER}/ with SemanticLabels/ and GeoLabels/",
    looks_like,
    splits,
    open_split,
    lambda data: list(OUTPUTS),
    open_output,
)
