"""A split that is a list of photo and mask files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.listing_cache import cached
from fullconv.data.path_list import NameList, PathList
from fullconv.data.reading.image import read_with_mask
from fullconv.data.reading.mask import read_mask
from fullconv.data.reading.modality_files import plane_file, read_plane
from fullconv.data.reading.orientation import stands_sideways
from fullconv.data.sample import Image, Mask, Sample
from fullconv.errors import DataError, Finding
from fullconv.modalities import AS_STORED, ReadOptions

ReadMask = Callable[[Path, ClassSet], Mask]


@dataclass(frozen=True, eq=False, repr=False)
class PairSource:
    """Photos and masks by path, read when asked for; every layout on disk ends up as one of these.

    ``photos[i]`` and ``masks[i]`` belong to ``names[i]``; a mask is None where there is none, and a
    photo that is listed but not there is a path that does not exist. ``orphans`` are masks
    without a photo. ``read`` turns a mask file into class values. ``findings`` are what opening it
    showed of the data set, as photos in no split: the check lists them. ``options`` say what the
    values of the photos mean. Where a photo has no pixel (masked, nodata), a sample's mask is
    ignored. The three lists are kept as `NameList` and `PathList`, whatever they are given as.
    """

    classes: ClassSet
    split: str
    names: Sequence[str]
    photos: Sequence[Path]
    masks: Sequence[Path | None]
    read: ReadMask = read_mask
    orphans: tuple[Path, ...] = ()
    findings: tuple[Finding, ...] = ()
    options: ReadOptions = AS_STORED

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", NameList.of(self.names))
        object.__setattr__(self, "photos", PathList.of(self.photos))
        object.__setattr__(self, "masks", PathList.of(self.masks))

    def __repr__(self) -> str:
        return f"PairSource({self.split!r}, {len(self)} photos, {len(self.classes)} classes)"

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        photo, mask_file = self.photos[index], self.masks[index]
        (image, valid), mask = read_with_mask(photo, options=self.options), self.mask(index)
        size = image.shape[0], image.shape[1]
        if mask is not None and mask.shape[:2] != size:
            raise size_mismatch(photo, mask_file or photo, size, mask.shape[:2])
        if mask is not None and valid is not None:
            labelled = valid[..., None] if mask.ndim == 3 else valid  # overlapping classes
            mask = np.where(labelled, mask, mask.dtype.type(self.classes.ignore))
        return Sample(self.names[index], image, mask)

    def mask(self, index: int) -> Mask | None:
        """The mask alone, (H, W) class values, or (H, W, K) of overlapping classes; or None."""
        path = self.masks[index]
        return None if path is None else self.read(path, self.classes)

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Photo and mask; None for the mask of an unlabelled photo."""
        return self.photos[index], self.masks[index]

    def chosen(self, indices: Sequence[int], split: str) -> "PairSource":
        """The photos at ``indices``, as a split of that name."""
        lists = NameList.of(self.names), PathList.of(self.photos), PathList.of(self.masks)
        names, photos, masks = cached(
            "chosen", lambda: [column.chosen(indices) for column in lists], same=(*lists, indices)
        )
        return replace(self, split=split, names=names, photos=photos, masks=masks)

    def plane(self, index: int, kind: str) -> Image:
        """A further input of the photo, (H, W, channels), by `data.reading.modality_files`."""
        return read_plane(plane_file(self.photos[index], kind), kind)


def size_mismatch(
    photo: Path, mask: Path, photo_size: tuple[int, int], mask_size: tuple[int, ...]
) -> DataError:
    """The error of a photo and a mask of different sizes (height, width), both named."""
    (height, width), (mask_height, mask_width) = photo_size, mask_size
    what = f"the mask is {mask_width} x {mask_height} but the photo {photo} is {width} x {height}"
    cause, fix = "files of different photos", "check which mask belongs to which photo"
    if (height, width) == (mask_width, mask_height) and stands_sideways(photo):
        cause = "the mask was drawn on the photo before its EXIF rotation"
        fix = "turn the mask, or save the photo upright"
    elif abs(height * mask_width - width * mask_height) <= max(height, width):
        cause = "one of them was resized"
        fix = "resize the photo to the mask's size, or label at full size"
    return DataError(mask, what, cause, fix, "FC-DATA-109")
