"""NYUDv2, one file a photo: photos, and 40-class label maps in MATLAB files.

The layout of shelhamer/fcn.berkeleyvision.org (nyud_layers.py), whose labels are those of Gupta,
Arbelaez, Malik, Perceptual Organization and Recognition of Indoor Scenes from RGB-D Images, CVPR
2013.
"""

from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.classes.lists import FOLDER, class_list
from fullconv.data.layouts.datasets.label_numbers import (
    listed_names,
    photo_lists,
    table,
    to_classes,
)
from fullconv.data.layouts.find_class_file import classes_of_set
from fullconv.data.layouts.listing import ALL, Layout
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.matlab_files.matlab import read_array, read_labels
from fullconv.data.sample import Mask
from fullconv.errors import UserError, printable

DEFAULT = "nyud-40"
SPLITS = ("train", "val", "trainval", "test")
FIRST = 5000
"""Added to the number of a photo (from 1) in the names of Gupta et al.: img_5001 to img_6449."""

_MAT_LISTS = {"train": "trainNdxs", "test": "testNdxs"}


def _root(data: Path) -> Path | None:
    """The folder with ``segmentation/`` and ``data/images/``, or ``nyud`` in it."""
    for root in (data, data / "nyud"):
        if (root / "segmentation").is_dir() and (root / "data" / "images").is_dir():
            return root
    return None


def looks_like(data: Path) -> bool:
    """``segmentation/`` with ``data/images/``."""
    return _root(data) is not None


def splits(data: Path) -> list[str]:
    """The splits of ``photo_numbers``; 'all' where there is none."""
    return split_names(_root(data) or data)


def split_names(root: Path) -> list[str]:
    """Splits by lists, 'trainval' also where train and val are there; else by ``splits.mat``."""
    lists = photo_lists(root, SPLITS)
    if not lists:
        return list(_MAT_LISTS) if (root / "splits.mat").is_file() else [ALL]
    both = {"train", "val"} <= set(lists)
    return [name for name in SPLITS if name in lists or (name == "trainval" and both)]


def photo_numbers(root: Path, split: str) -> list[int] | None:
    """The photos of a split as numbers from 1; None for 'all'. UserError for a wrong line."""
    lists = photo_lists(root, SPLITS)
    if split in lists:
        return [_number(lists[split], name) for name in listed_names(lists[split])]
    if split == "trainval" and lists:
        return [n for part in ("train", "val") for n in photo_numbers(root, part) or []]
    if split in _MAT_LISTS:
        numbers = read_array(root / "splits.mat", _MAT_LISTS[split])
        return [int(number) for number in numbers.ravel()]
    return None


def _number(file: Path, name: str) -> int:
    """5001 and img_5001 are photo 1; so is 1."""
    digits = name.removeprefix("img_")
    if not digits.isdecimal() or len(digits) > 9:
        raise UserError(
            f"{file}: line {printable(name, 80)!r} is no photo of NYUDv2, as 5001 or img_5001; "
            "correct the line",
            "FC-DATA-105",
        )
    number = int(digits)
    return number - FIRST if number > FIRST else number


def photo_name(number: int) -> str:
    """The name of photo ``number`` (from 1) in the files of Gupta et al., as img_5001."""
    return f"img_{FIRST + number}"


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of a split with their label files."""
    root = _root(data) or data
    known = classes_of_set(root, classes, DEFAULT)
    table(label_names(), known, FOLDER / f"{DEFAULT}.toml")  # a wrong class file is said at once
    labelled = {path.stem for path in (root / "segmentation").glob("*.mat")}
    numbers = photo_numbers(root, split)
    names = tuple(sorted(labelled) if numbers is None else map(photo_name, numbers))
    return PairSource(
        classes=known,
        split=split,
        names=names,
        photos=tuple(input_file(root, name) for name in names),
        masks=tuple(label_file(root, name) if name in labelled else None for name in names),
        read=read_label_map,
    )


def input_file(root: Path, name: str, kind: str = "images") -> Path:
    """Where the photo ``name`` lies; ``kind`` 'depth' and 'hha' are its depth and HHA."""
    return root / "data" / kind / f"{name}.png"


def label_file(root: Path, name: str) -> Path:
    """Where the labels of the photo ``name`` lie."""
    return root / "segmentation" / f"{name}.mat"


def label_names() -> dict[int, str]:
    """Label number -> name of the 40 classes, which count from 1; the files do not hold them."""
    return dict(enumerate(class_list(DEFAULT).names, 1))


def read_label_map(file: Path, classes: ClassSet) -> Mask:
    """``segmentation`` of a file as class values (H, W); 0 is unlabelled."""
    values = table(label_names(), classes, file)
    values[0] = classes.ignore
    return to_classes(file, read_labels(file, "segmentation"), values, classes)


LAYOUT = Layout(
    "nyud",
    "NYUDv2: data/images/img_*.png with segmentation/img_*.mat and train.txt",
    looks_like,
    splits,
    open_split,
)
