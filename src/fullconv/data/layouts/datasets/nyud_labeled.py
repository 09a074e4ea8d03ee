"""NYUDv2 as its authors give it out: all photos in one MATLAB 7.3 file.

Silberman, Hoiem, Kohli, Fergus, Indoor Segmentation and Support Inference from RGBD Images, ECCV
2012. The file holds 894 labels; ``classMapping40.mat`` of Gupta et al. beside it makes them 40
classes, ``splits.mat`` parts the photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.layouts.datasets.label_numbers import table, to_classes
from fullconv.data.layouts.datasets.nyud import (
    DEFAULT,
    label_names,
    photo_name,
    photo_numbers,
    split_names,
)
from fullconv.data.layouts.find_class_file import classes_of_set
from fullconv.data.layouts.listing import Layout
from fullconv.data.layouts.pairs import size_mismatch
from fullconv.data.reading.matlab_files.matlab import (
    MissingVariable,
    read_array,
    read_labels,
    read_names,
    shape,
)
from fullconv.data.reading.modality_files import log_depth
from fullconv.data.sample import Image, Mask, Sample
from fullconv.errors import DataError, UserError

_AGAIN = "download it again"
FILE, MAPPING = "nyu_depth_v2_labeled.mat", "classMapping40.mat"


@dataclass(frozen=True, eq=False)
class NyudFile:
    """A split of the one file; photos and labels are read one by one, when asked for.

    ``numbers[i]`` is the place of photo ``names[i]`` in the file, from 1; ``values`` gives the
    class value of each of the 895 label numbers.
    """

    file: Path
    classes: ClassSet
    split: str
    names: Sequence[str]
    numbers: tuple[int, ...]
    values: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Sample:
        image, mask = self.image(index), self.mask(index)
        size = image.shape[0], image.shape[1]
        if mask.shape != size:
            raise size_mismatch(Path(self.names[index]), self.file, size, mask.shape)
        return Sample(self.names[index], image, mask)

    def image(self, index: int) -> Image:
        """The photo, uint8 RGB (H, W, 3)."""
        image = read_array(self.file, "images", self.numbers[index] - 1)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            what = f"images holds {image.dtype} of shape {image.shape}, no RGB"
            raise DataError(self.file, what, "", _AGAIN, "FC-DATA-134")
        return np.ascontiguousarray(image)

    def mask(self, index: int) -> Mask:
        """Class values (H, W)."""
        labels = read_labels(self.file, "labels", self.numbers[index] - 1)
        where = self.file / self.names[index]
        return to_classes(where, np.ascontiguousarray(labels), self.values, self.classes)

    def plane(self, index: int, kind: str) -> Image:
        """The ``depth`` of a photo; UserError for other kinds, which the file does not have."""
        if kind != "depth":
            raise UserError(f"{self.file}: has color and depth, no {kind}", "FC-DATA-132")
        metres = read_array(self.file, "depths", self.numbers[index] - 1)
        return log_depth(1000 * np.asarray(metres, np.float64), self.file)

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """The same file for all: there is no path of one photo."""
        return None, None


def _file(data: Path) -> Path:
    return data / FILE if data.is_dir() else data


def looks_like(data: Path) -> bool:
    """The file, or the folder with it."""
    return _file(data).is_file() and _file(data).suffix == ".mat"


def splits(data: Path) -> list[str]:
    """Lists beside the file, else 'train' and 'test' by ``splits.mat``, else 'all'."""
    return split_names(_file(data).parent)


def open_split(data: Path, split: str, classes: Path | None = None) -> NyudFile:
    """The photos of a split; needs h5py (``fullconv[convert]``)."""
    file = _file(data)
    mapping = file.parent / MAPPING
    if not mapping.is_file():
        raise UserError(
            f"{file}: its 894 labels become 40 classes by {MAPPING}, which is not at {mapping}; "
            "put it there",
            "FC-DATA-133",
        )
    known = classes_of_set(file.parent, classes, DEFAULT)
    held = shape(file, "labels")[-1]
    numbers = photo_numbers(file.parent, split) or range(1, held + 1)
    outside = [number for number in numbers if not 1 <= number <= held]
    if outside:
        raise UserError(
            f"{file}: split {split!r} names photo {outside[0]}; it has 1 to {held}", "FC-DATA-105"
        )
    names = tuple(map(photo_name, numbers))
    return NyudFile(file, known, split, names, tuple(numbers), _table(mapping, known))


def _table(mapping: Path, classes: ClassSet) -> npt.NDArray[np.uint16]:
    """The class value of each label number 0 to 894; 0 is unlabelled."""
    try:
        names = dict(enumerate(read_names(mapping, "className"), 1))
    except MissingVariable:
        names = label_names()
    of_forty = table(names, classes, mapping)
    of_forty[0] = classes.ignore
    numbers = read_array(mapping, "mapClass").ravel()
    if numbers.size == 0 or numbers.min() < 0 or numbers.max() >= len(of_forty):
        what = f"mapClass has values outside 0 to {len(of_forty) - 1}"
        raise DataError(mapping, what, "", _AGAIN, "FC-DATA-134")
    return of_forty[np.concatenate([[0], numbers.astype(int)])]


LAYOUT = Layout(
    "nyud_labeled",
    f"NYUDv2's {FILE} with {MAPPING} beside it",
    looks_like,
    splits,
    open_split,
)
