"""A data set from Python: the protocol that it must have, and the Source that is made of it."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, runtime_checkable

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.mask_classes import mask_of
from fullconv.data.sample import Mask, Sample, Source
from fullconv.errors import DataError, UserError
from fullconv.modalities import kinds_of_channels

MEMBERS = ("__len__", "__getitem__", "classes")


@runtime_checkable
class Dataset(Protocol):
    """Photos with masks. Anything with these three members can be trained on and scored."""

    @property
    def classes(self) -> ClassSet | Sequence[str]:
        """The classes of the mask values: a ClassSet, or the names alone (255 is then ignored)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class DatasetSource:
    """A Dataset as a Source: with a split, names, and each sample checked when it is read.

    All images have as many channels as the first one (`kinds`). A photo's name is the one in its
    Sample; without one, or [INDEX], it is SPLIT[INDEX]. One photo is read at a time in each
    process: what is written for torch's DataLoader need not stand several threads.
    """

    def __init__(self, dataset: Dataset, split: str) -> None:
        self.dataset, self.split = dataset, split
        self.classes = class_set(dataset.classes)
        self._lock = Lock()

    @cached_property
    def channels(self) -> int:
        """Channels of the first image; 3 where there is none."""
        if not len(self):
            return 3
        image: Any = getattr(self._sample(0), "image", None)
        return image.shape[2] if _is_array(image, 3) and image.shape[2] > 1 else 3

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of the images: colors, or as many bands as the first image has channels."""
        return kinds_of_channels(self.channels)

    @property
    def names(self) -> Sequence[str]:
        """SPLIT[INDEX] of each photo."""
        return [f"{self.split}[{index}]" for index in range(len(self))]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        name, sample = f"{self.split}[{index}]", self._sample(index)
        if isinstance(sample, Sample) and sample.name in ("", f"[{index}]"):
            sample = Sample(name, sample.image, sample.mask)
        return checked(sample, name, self.classes, self.channels)

    def _sample(self, index: int) -> Any:
        """The sample of the data set; its errors name the photo."""
        name = f"{self.split}[{index}]"
        try:
            with self._lock:
                return self.dataset[index]
        except DataError as error:
            finding = error.finding
            file = name if finding.file == f"[{index}]" else finding.file
            parts = file, finding.what, finding.cause, finding.fix, finding.code
            raise DataError(*parts) from error

    def mask(self, index: int) -> Mask | None:
        """The mask, which comes with its photo."""
        return self[index].mask

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """None: the files of the photos are not known."""
        return None, None

    def __getstate__(self) -> dict[str, Any]:
        """Without the lock, which each process has of its own."""
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())


def as_source(data: Source | Dataset, split: str) -> Source:
    """``data`` as a Source: itself where it is one, else with what it lacks added.

    Raises UserError that names the missing members, or classes that are none.
    """
    if isinstance(data, Source):
        return data
    missing = [member for member in MEMBERS if not hasattr(data, member)]
    if missing:
        raise UserError(
            f"a data set needs {', '.join(MEMBERS)}; {type(data).__name__} has no "
            f"{', '.join(missing)} (for pairs of image and mask: fullconv.from_pairs)",
            "FC-DATA-125",
        )
    return DatasetSource(data, split)


def by_split(source: Source, val: Source | None) -> dict[str, Source]:
    """The training and the validation photos by the name of their split, also where it is one."""
    if val is None:
        return {source.split: source}
    name = val.split if val.split != source.split else f"{val.split} (to validate)"
    return {source.split: source, name: val}


def class_set(classes: ClassSet | Sequence[str]) -> ClassSet:
    """A ClassSet as it is; names become one, which ignores 255, or 65535 where 255 is a class."""
    if isinstance(classes, ClassSet):
        return classes
    listed = classes if isinstance(classes, Sequence) and not isinstance(classes, str) else [None]
    if not all(isinstance(name, str) for name in listed):
        raise UserError(f"classes are names or a ClassSet, not {classes!r}", "FC-CLASS-004")
    return ClassSet(tuple(classes), ignore=255 if len(classes) <= 255 else 65535)


def checked(sample: Any, name: str, classes: ClassSet, channels: int = 3) -> Sample:
    """``sample`` with a uint8 image of so many channels and a mask of class values, or none.

    Three channels are RGB. Raises DataError, which names the photo; by ``name`` where it is no
    Sample.
    """
    if not isinstance(sample, Sample):
        fix = "return fullconv.Sample(name, image, mask); for pairs: fullconv.from_pairs"
        raise DataError(
            name, f"is a {type(sample).__name__}, not a Sample", "", fix, code="FC-DATA-126"
        )
    name, image, mask = sample.name, sample.image, sample.mask
    if not _is_array(image, 3) or image.dtype != np.uint8 or image.shape[2] != channels:
        fix = "give RGB as it is in the file, without normalisation"
        if channels != 3:
            fix = "give all images the channels of the first one, scaled to 0..255"
        raise DataError(
            name,
            f"the image is {_described(image)}, not uint8 (H, W, {channels})",
            "",
            fix,
            code="FC-DATA-126",
        )
    if mask is None:
        return Sample(name, image, None)
    axes = 3 if classes.is_overlapping and len(classes) > 1 else 2
    if not _is_array(mask, axes) or not np.issubdtype(mask.dtype, np.integer):
        fix = "give the class number of each pixel"
        raise DataError(
            name,
            f"the mask is {_described(mask)}, not integers (H, W{', K' if axes == 3 else ''})",
            "",
            fix,
            code="FC-DATA-126",
        )
    if mask.shape[:2] != image.shape[:2]:
        what = f"the mask is {_size(mask)} but the image {_size(image)}"
        raise DataError(
            name,
            what,
            "one of them was resized or turned",
            "give both the same size",
            code="FC-DATA-109",
        )
    return Sample(name, image, mask_of(mask, classes, name))


def check_transformed(result: Any, before: Sample, classes: ClassSet) -> Sample:
    """The ``result`` of a user's augmentation of ``before``; DataError where it is unusable."""
    name, rule = before.name, "an augmentation gives a Sample back"
    if not isinstance(result, Sample):
        raise DataError(
            name, f"the augmentation gave a {type(result).__name__}", "", rule, code="FC-DATA-127"
        )
    arrays = (("image", result.image, before.image), ("mask", result.mask, before.mask))
    for part, after, old in arrays:
        if not isinstance(after, np.ndarray) or old is None:
            raise DataError(
                name,
                f"the augmentation gave {_described(after)} for its {part}",
                "",
                rule,
                code="FC-DATA-127",
            )
        if after.dtype != old.dtype or after.ndim != old.ndim or after.shape[2:] != old.shape[2:]:
            what = f"the augmentation made {_described(after)} of its {part}, {_described(old)}"
            fix = "leave normalisation and the change to tensors out of it"
            raise DataError(name, what, "", fix, code="FC-DATA-127")
    assert result.mask is not None
    if result.mask.shape[:2] != result.image.shape[:2]:
        sizes = f"the mask {_size(result.mask)} and the image {_size(result.image)}"
        raise DataError(
            name, f"the augmentation made {sizes}", "", "change both alike", code="FC-DATA-127"
        )
    is_single = result.mask.ndim == 2 or classes.is_overlapping
    mask = mask_of(result.mask, classes, name) if is_single else result.mask
    return Sample(name, result.image, mask)


def _is_array(content: Any, axes: int) -> bool:
    return isinstance(content, np.ndarray) and content.ndim == axes


def _described(content: Any) -> str:
    """'float32 (3, 48, 64)', or the type of what is no array."""
    if isinstance(content, np.ndarray):
        return f"{content.dtype} ({', '.join(map(str, content.shape))})"
    return "nothing" if content is None else f"a {type(content).__name__}"


def _size(array: Mask) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
