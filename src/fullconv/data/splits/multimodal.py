"""A split whose photos have further inputs, or several label maps, put together from Sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.reading.modality_files import plane_file
from fullconv.data.sample import Image, Mask, Sample, Source
from fullconv.data.shards.source import prefetch
from fullconv.errors import DataError, UserError
from fullconv.modalities import COLOR, is_of_photo


@runtime_checkable
class HasPlanes(Protocol):
    """A Source whose photos have further inputs."""

    def plane(self, index: int, kind: str) -> Image:
        """The input ``kind`` of a photo, (H, W, channels)."""
        ...


@dataclass(frozen=True, eq=False)
class Stacked:
    """The same photos from ``sources``, one for each output, with the inputs ``kinds``.

    The image of a sample is (H, W, channels): the kinds behind one another, in float32 where one is
    not uint8. With several sources its mask is (H, W, outputs), in the values of ``classes``.
    """

    sources: tuple[Source, ...]
    classes: ClassSet
    kinds: tuple[str, ...] = (COLOR,)

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.sources[0].split

    @property
    def names(self) -> Sequence[str]:
        """One name a photo."""
        return self.sources[0].names

    def __len__(self) -> int:
        return len(self.sources[0])

    def __getitem__(self, index: int) -> Sample:
        sample = self.sources[0][index]
        size = sample.image.shape[:2]
        own = [sample.image] if any(map(is_of_photo, self.kinds)) else []
        further = [kind for kind in self.kinds if not is_of_photo(kind)]
        planes = own + [self.plane(index, kind, size) for kind in further]
        return Sample(sample.name, stacked(planes), self._masks(index, sample.mask))

    def mask(self, index: int) -> Mask | None:
        """The masks alone; None where one is missing."""
        return self._masks(index, self.sources[0].mask(index))

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Photo and first mask."""
        return self.sources[0].files(index)

    def prefetch(self, indices: Sequence[int]) -> None:
        """Begin to read the samples that are wanted next."""
        for source in self.sources:
            prefetch(source, indices)

    def plane(self, index: int, kind: str, size: tuple[int, ...]) -> Image:
        """The input ``kind`` of a photo of ``size``; UserError where there is none that fits."""
        source = self.sources[0]
        if not isinstance(source, HasPlanes):
            raise UserError(f"this data has photos only, no {kind}", "FC-DATA-132")
        plane = source.plane(index, kind)
        if plane.shape[:2] != size:
            photo, name = source.files(index)[0], source.names[index]
            (height, width), (rows, columns) = size, plane.shape[:2]
            raise DataError(
                plane_file(photo, kind) if photo else f"the {kind} of {name}",
                f"is {columns} x {rows} but the photo {photo or name} is {width} x {height}",
                "files of different photos, or one was resized",
                "give both the same size",
                code="FC-DATA-109",
            )
        return plane

    def _masks(self, index: int, first: Mask | None) -> Mask | None:
        if first is None or len(self.sources) == 1:
            return first
        masks = [first, *(source.mask(index) for source in self.sources[1:])]
        there = [mask for mask in masks if mask is not None]
        if len(there) < len(masks):
            return None
        joint = []
        for output, mask in zip(self.classes.outputs, there, strict=True):
            if mask.shape != first.shape:
                raise UserError(
                    f"{self.names[index]}: its masks differ in size, {first.shape[1]} x "
                    f"{first.shape[0]} and {mask.shape[1]} x {mask.shape[0]}",
                    "FC-DATA-109",
                )
            joint.append(np.where(mask == self.classes.ignore, mask, mask + output.first))
        return np.dstack(joint).astype(first.dtype)


def stacked(planes: Sequence[Image]) -> Image:
    """Inputs (H, W, channels) behind one another; float32 where one of them is."""
    if len(planes) == 1:
        return planes[0]
    plain = all(plane.dtype == np.uint8 for plane in planes)
    return np.concatenate([p if plain else p.astype(np.float32) for p in planes], axis=2)


def outputs_of(source: Source) -> tuple[Source, ...]:
    """The Sources of the single outputs: the source itself where it has one."""
    return source.sources if isinstance(source, Stacked) else (source,)


def kinds_shown(source: Source) -> tuple[str, ...]:
    """The kinds of a sample's image, in order: the source's own ``kinds``, or those it wraps."""
    kinds = getattr(source, "kinds", None)
    if kinds is None and (inner := getattr(source, "source", None)) is not None:
        return kinds_shown(inner)
    return (COLOR,) if kinds is None else kinds
