"""Shapes drawn over one another -> the label of each pixel."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.data.importers.annotations import IGNORE, LEFT_OUT, UNLABELLED, Note, Painted, Size
from fullconv.data.importers.drawing.regions import Bitmap, Shape, Window, beyond, cover
from fullconv.errors import DataError, UserError

MOST_LAYERS = 200
"""How often the shapes of a photo may cover it, one over another, which bounds the time."""
LEAST_WORK = 10**9  # pixels of shapes that are drawn on any photo, however small


@dataclass(frozen=True, eq=False)
class Region:
    """A shape and its label."""

    label: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Drawing:
    """The shapes of one photo, drawn in their order, so a later one covers an earlier one.

    With ``smaller_on_top`` they are drawn by area, the largest first, above the ignored ones.
    """

    file: str
    regions: tuple[Region, ...]
    smaller_on_top: bool = False

    def paint(self, size: Size, numbers: Mapping[str, int]) -> Painted:
        regions = tuple(r for r in self._ordered() if numbers[r.label] != LEFT_OUT)
        table = np.array([UNLABELLED, *(numbers[region.label] for region in regions)], np.int32)
        uppermost = np.zeros(size, np.int32)  # region of each pixel, counted from 1
        drawn, covered = np.zeros(len(regions), np.int64), 0
        work = 0
        for place, region in enumerate(regions):
            window, bits = self._cover(region, size)
            work += window.height * window.width
            if work > max(LEAST_WORK, MOST_LAYERS * size[0] * size[1]):
                what = f"has {len(regions)} shapes that cover its photo over {MOST_LAYERS} times"
                fix = "leave out those that lie under others"
                raise DataError(self.file, what, "a damaged file", fix, "FC-IMPORT-014")
            part = uppermost[window.slices]
            before = table[part[bits]]
            covered += int(((before != UNLABELLED) & (before != table[place + 1])).sum())
            part[bits] = place + 1
            drawn[place] = bits.sum()
        visible = np.bincount(uppermost.ravel(), minlength=len(regions) + 1)[1:]
        notes = self._notes(regions, size, drawn, visible)
        if covered:
            notes.append(Note("covered", self.file, count=covered))
        shapes = Counter(region.label for region in regions)
        return Painted(table[uppermost], shapes, tuple(notes))

    def _cover(self, region: Region, size: Size) -> tuple[Window, Bitmap]:
        try:
            return cover(region.shape, size)
        except UserError as error:
            what = f"a shape ({region.label}) {error}"
            raise DataError(self.file, what, code=error.code) from None

    def _ordered(self) -> tuple[Region, ...]:
        if not self.smaller_on_top:
            return self.regions
        key = {id(r): (r.label != IGNORE, -r.shape.area()) for r in self.regions}
        return tuple(sorted(self.regions, key=lambda region: key[id(region)]))

    def _notes(
        self,
        regions: tuple[Region, ...],
        size: Size,
        drawn: npt.NDArray[np.int64],
        visible: npt.NDArray[np.int64],
    ) -> list[Note]:
        notes = [] if self.regions else [Note("no shapes", self.file)]
        for region, pixels, left in zip(regions, drawn, visible, strict=True):
            out = beyond(region.shape, size)
            if out:
                notes.append(Note("clipped", self.file, f"{region.label}, by {out:.3g} pixels"))
            if not pixels:
                notes.append(Note("empty", self.file, region.label))
            elif not left:
                notes.append(Note("hidden", self.file, region.label))
        return notes
