"""Any split with its masks changed as they are read: renumbered, or one mask a class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.data.layouts.pairs import PairSource, ReadMask
from fullconv.data.sample import Image, Mask, Sample, Source
from fullconv.data.shards.source import prefetch
from fullconv.data.splits.multimodal import HasPlanes
from fullconv.errors import UserError

Change = Callable[[Mask], Mask]
"""A mask of the old classes -> one of the new; it can be pickled."""


def remapped(source: Source, classes: ClassSet, change: Change) -> Source:
    """``source`` with its masks put through ``change``, which are then of ``classes``."""
    if isinstance(source, PairSource):
        read = partial(_read, read=source.read, given=source.classes, change=change)
        return replace(source, classes=classes, read=read)
    return Remapped(source, classes, change)


def _read(file: Path, classes: ClassSet, read: ReadMask, given: ClassSet, change: Change) -> Mask:
    return change(read(file, given))


@dataclass(frozen=True, eq=False)
class Remapped:
    """Any Source with its masks put through ``change``."""

    source: Source
    classes: ClassSet
    change: Change

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.source.split

    @property
    def names(self) -> Sequence[str]:
        """One name a photo."""
        return self.source.names

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        sample = self.source[index]
        return Sample(sample.name, sample.image, self._changed(sample.mask))

    def mask(self, index: int) -> Mask | None:
        """The mask alone."""
        return self._changed(self.source.mask(index))

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Photo and mask."""
        return self.source.files(index)

    @property
    def largest(self) -> tuple[int, int] | None:
        """Height and width of the largest photo, where the data says so."""
        return getattr(self.source, "largest", None)

    def prefetch(self, indices: Sequence[int]) -> None:
        """Begin to read the samples that are wanted next."""
        prefetch(self.source, indices)

    def plane(self, index: int, kind: str) -> Image:
        """A further input of the photo; UserError where it has photos only."""
        if not isinstance(self.source, HasPlanes):
            raise UserError(f"this data has photos only, no {kind}", "FC-DATA-132")
        return self.source.plane(index, kind)

    def _changed(self, mask: Mask | None) -> Mask | None:
        return None if mask is None else self.change(mask)
