"""A split whose masks are renumbered, so that its classes stand in the order of a net's."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassOrderWarning, ClassSet, Output, match_classes, order_line
from fullconv.data.layouts.pairs import PairSource, ReadMask
from fullconv.data.sample import Image, Mask, Sample, Source
from fullconv.data.splits.multimodal import HasPlanes, Stacked
from fullconv.errors import UserError

Table = npt.NDArray[np.uint16]
"""The new value of each mask value."""


def in_order_of(
    source: Source, wanted: Sequence[str], which: tuple[str, str] = ("the net", "the data")
) -> Source:
    """``source`` with its classes in the order of the names ``wanted``; itself where it has it.

    Each class keeps its colour, and the ignored value its number. The other order is said by a
    ClassOrderWarning, which calls the two as ``which``. Raises UserError for other names.
    """
    order = match_classes(wanted, source.classes.names, which)
    if list(order) == sorted(order):
        return source
    warnings.warn(order_line(wanted, which), ClassOrderWarning, stacklevel=2)
    if isinstance(source, Stacked):
        return _stacked(source, order)
    return _renumbered(source, order)


def _stacked(source: Stacked, order: Sequence[int]) -> Stacked:
    """Each output by itself; the outputs keep their order, which the caller opened them in."""
    outputs = source.classes.outputs
    parts = [
        _renumbered(source_of_output, [order[place] - output.first for place in _places(output)])
        for source_of_output, output in zip(source.sources, outputs, strict=True)
    ]
    joint = {output.name: part.classes for output, part in zip(outputs, parts, strict=True)}
    classes = ClassSet.joint(joint) if source.classes.parts else parts[0].classes
    return replace(source, sources=tuple(parts), classes=classes)


def _places(output: Output) -> range:
    return range(output.channels.start, output.channels.stop)


def _renumbered(source: Source, order: Sequence[int]) -> Source:
    given = source.classes
    places = np.argsort(order)
    names = tuple(given.names[place] for place in places)
    colors = tuple(given.colors[place] for place in places)
    background = tuple(order[value] for value in given.background)
    classes = replace(given, names=names, colors=colors, background=background)
    table = np.arange(max(given.ignore, len(given)) + 1, dtype=np.uint16)
    table[: len(given)] = order
    if isinstance(source, PairSource):
        read = partial(_read, read=source.read, given=given, table=table)
        return replace(source, classes=classes, read=read)
    return Renumbered(source, classes, table)


def _read(file: Path, classes: ClassSet, read: ReadMask, given: ClassSet, table: Table) -> Mask:
    mask = read(file, given)
    return table[mask].astype(mask.dtype)


@dataclass(frozen=True, eq=False)
class Renumbered:
    """Any Source with its mask values put through ``table``."""

    source: Source
    classes: ClassSet
    table: Table

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
        return Sample(sample.name, sample.image, self._mapped(sample.mask))

    def mask(self, index: int) -> Mask | None:
        """The mask alone."""
        return self._mapped(self.source.mask(index))

    def files(self, index: int) -> tuple[Path | None, Path | None]:
        """Photo and mask."""
        return self.source.files(index)

    def plane(self, index: int, kind: str) -> Image:
        """A further input of the photo; UserError where it has photos only."""
        if not isinstance(self.source, HasPlanes):
            raise UserError(f"this data has photos only, no {kind}", "FC-DATA-132")
        return self.source.plane(index, kind)

    def _mapped(self, mask: Mask | None) -> Mask | None:
        return None if mask is None else self.table[mask].astype(mask.dtype)
