"""CamVid as SegNet's authors gave it out: ``train/``, ``trainannot/``, ``train.txt``."""

from dataclasses import replace
from pathlib import Path

from fullconv.classes import CAMVID, ClassSet
from fullconv.data.layouts.find_class_file import classes_in
from fullconv.data.layouts.folder import of_folders
from fullconv.data.layouts.listing import Layout, read_lines
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.layouts.picture_listing import pictures
from fullconv.data.reading.mask import read_mask
from fullconv.data.reading.walk import composed
from fullconv.data.sample import Mask
from fullconv.errors import printable

_SPLITS = ("train", "val", "test")


def looks_like(data: Path) -> bool:
    """A split's folder with its ``annot`` folder beside it."""
    return bool(splits(data))


def splits(data: Path) -> list[str]:
    """The splits among train, val and test that have both folders."""
    both = (name for name in _SPLITS if (data / name).is_dir())
    return [name for name in both if (data / f"{name}annot").is_dir()]


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split.txt``, or of the folder where there is no list.

    The files' void value, the one behind the last class (11), becomes the ignored value.
    """
    known = classes_in(data, classes, CAMVID)
    source = replace(of_folders(data / split, data / f"{split}annot", split, known), read=read_void)
    listed = data / f"{split}.txt"
    return _only(source, listed, data) if listed.is_file() else source


def _only(source: PairSource, listed: Path, data: Path) -> PairSource:
    """The lines are '/SegNet/CamVid/train/NAME.png /SegNet/CamVid/trainannot/NAME.png'."""
    photos, labels = (pictures(data / f"{source.split}{end}") for end in ("", "annot"))
    files = [Path(line.split()[0]) for line in read_lines(listed)]
    names = [printable(composed(file.stem), None) for file in files]
    pairs = zip(names, files, strict=True)
    return replace(
        source,
        names=tuple(names),
        photos=tuple(photos.get(name, data / source.split / file.name) for name, file in pairs),
        masks=tuple(map(labels.get, names)),
        orphans=(),
    )


def read_void(file: Path, classes: ClassSet) -> Mask:
    """Read a mask whose void value is the number of classes."""
    void = len(classes)
    mask = read_mask(file, replace(classes, ignore=void))
    mask[mask == void] = classes.ignore
    return mask


LAYOUT = Layout(
    "camvid", "CamVid in SegNet's form: train/ with trainannot/", looks_like, splits, open_split
)
