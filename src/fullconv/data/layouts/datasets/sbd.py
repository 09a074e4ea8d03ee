"""The Semantic Boundaries Dataset: VOC's classes in MATLAB files under ``cls/``."""

from pathlib import Path

import numpy as np

from fullconv.classes import VOC, ClassSet
from fullconv.data.checks import mask_values as diagnosis
from fullconv.data.layouts.find_class_file import classes_in
from fullconv.data.layouts.listing import Layout, read_lines
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.matlab_files.matlab import read_labels
from fullconv.data.sample import Mask
from fullconv.errors import DataError

_INSIDE = ("", "dataset", "benchmark_RELEASE/dataset", "SBD/dataset", "SBD", "sbd/dataset", "sbd")
_SPLITS = ("train", "val")


def root_of(data: Path) -> Path | None:
    """The folder with ``cls/``, ``img/`` and lists, in ``data`` or at a usual place below it."""
    for inside in _INSIDE:
        root = data / inside
        if (root / "cls").is_dir() and (root / "img").is_dir():
            return root
    return None


def looks_like(data: Path) -> bool:
    """The release as unpacked, or its ``dataset`` folder."""
    return root_of(data) is not None


def splits(data: Path) -> list[str]:
    """'train' and 'val', as their lists are there."""
    root = root_of(data) or data
    return sorted(path.stem for path in root.glob("*.txt") if path.stem in (*_SPLITS, "trainval"))


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split.txt``; a mask is None where ``cls/`` has none."""
    root = root_of(data) or data
    names = tuple(read_lines(root / f"{split}.txt"))
    masks = (root / "cls" / f"{name}.mat" for name in names)
    return PairSource(
        classes=classes_in(root, classes, VOC),
        split=split,
        names=names,
        photos=tuple(root / "img" / f"{name}.jpg" for name in names),
        masks=tuple(path if path.is_file() else None for path in masks),
        read=read_mat,
    )


def read_mat(file: Path, classes: ClassSet) -> Mask:
    """``GTcls.Segmentation`` of a ``.mat`` file as class values, uint8 (H, W).

    Raises UserError where the file is broken or a value is no class.
    """
    mask = read_labels(file, "GTcls.Segmentation")
    values, counts = np.unique(mask, return_counts=True)
    pixels = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    unknown = {v: n for v, n in pixels.items() if v != classes.ignore and not 0 <= v < len(classes)}
    if unknown:
        raise DataError(file, *diagnosis.of_values(pixels, unknown, classes), code="FC-DATA-110")
    return mask.astype(np.uint8 if classes.ignore < 256 else np.uint16)


LAYOUT = Layout(
    "sbd",
    "SBD: benchmark_RELEASE/dataset/ with cls/, img/ and train.txt",
    looks_like,
    splits,
    open_split,
)
