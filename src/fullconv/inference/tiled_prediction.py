"""Prediction of a large photo in overlapping tiles, with the result of the whole photo."""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError
from fullconv.inference.class_map import Classes
from fullconv.inference.engines.engine import Image, check_image
from fullconv.models import NetSpec
from fullconv.models.analysis.cost import prediction_bytes
from fullconv.models.fcn import tile_geometry
from fullconv.tiling import Span

Tile = int | Literal["auto"]
"""The longest side of a tile, in pixels; 'auto' is the longest that needs at most `BUDGET`."""

Run = Callable[[Image], npt.NDArray[Any]]
"""An engine's function for one tile: its classes, or its logits."""

BUDGET = 2 * 2**30  # bytes for the maps of a tile; what a GPU of 4 GB has left beside the weights
COMPARED = 1024
"""For a net whose scores depend on the whole photo: the longest side of a photo that is predicted
whole to compare with, and of the tiles of 'auto'."""
COSTLY = 4.0  # computations per pixel above which a warning recommends a larger tile


class Tiling:
    """Overlapping tiles of a photo that together give the result of the whole photo, to rounding.

    Where tiles may begin and how far they overlap follows from ``spec`` (`fullconv.tiling`).
    ``tile`` is the longest side of a tile, overlap included. With 'auto' the maps of a tile need at
    most about ``budget`` bytes, 2 GiB if None, and a photo that needs no more is one tile; tiles
    are larger where only classes are asked of an engine that computes them ``in_blocks``, without
    the scores of the whole tile. Raises UserError for a ``tile`` that would be nothing but overlap;
    for a photo whose sides are not multiples of the stride, if the net resizes its scores to the
    photo (`TileGeometry.resizes_scores`). For a net with a global receptive field
    (`TileGeometry.has_global_field`) tiles give an approximation.
    """

    def __init__(
        self,
        spec: NetSpec,
        tile: Tile = "auto",
        budget: int | None = None,
        in_blocks: bool = False,
    ) -> None:
        self.spec, self.in_blocks = spec, in_blocks
        self.budget = BUDGET if budget is None else budget
        self.tile: Tile = tile
        self.geometry = tile_geometry(spec)
        if tile != "auto":
            if not isinstance(tile, int | np.integer) or isinstance(tile, bool):
                raise UserError(
                    f"tile is 'auto' or a number of pixels, as 1024, not {tile!r}", "FC-NET-007"
                )
            self.geometry.check(tile)

    @cached_property
    def length(self) -> int:
        """The longest side of a tile whose classes are asked."""
        return self._longest(scores=not self.in_blocks)

    @cached_property
    def length_for_scores(self) -> int:
        """The longest side of a tile whose scores are asked."""
        return self._longest(scores=True)

    def _longest(self, scores: bool) -> int:
        if self.tile != "auto":
            return self.tile
        length = longest(self.spec, self.geometry.grid, self.geometry.least, self.budget, scores)
        # The budget counts maps, not the products of attention.
        most = COMPARED // self.geometry.grid * self.geometry.grid
        if self.geometry.has_global_field:
            return min(length, max(most, self.geometry.least))
        return length

    @property
    def computations(self) -> float:
        """How often each pixel of a photo is computed, far from its border."""
        kept_side = self.geometry.kept(self.length)
        return (self.length // self.geometry.grid * self.geometry.grid / kept_side) ** 2

    @property
    def warning(self) -> str | None:
        """A line about tiles that approximate the result, or that are mostly overlap.

        None for others.
        """
        if self.geometry.has_global_field:
            return (
                f"each score of {self.spec.name} depends on the whole photo, so tiles give an "
                "approximation of the result of the whole photo"
            )
        if self.computations <= COSTLY:
            return None
        behind, before = self.geometry.halo
        return (
            f"tile {self.length} keeps {self.geometry.kept(self.length)} pixels a side, {behind} + "
            f"{before} are overlap: each pixel is computed {self.computations:.0f} times; a larger "
            "tile is faster, and needs more memory"
        )

    def difference(self, image: Image, classes: Classes, run: Run) -> str:
        """A line: the share of ``classes``, by tiles, that differ from those of the whole photo.

        A photo of more than `COMPARED` pixels a side is not predicted whole, because the memory of
        attention grows with the square of the pixels: the first two tiles are compared where they
        overlap.
        """
        if max(image.shape[:2]) <= COMPARED:
            share = float((run(image) != classes).mean())
            return f"by tiles {share:.2%} of this photo's pixels differ from the photo in one tile"
        (rows, first), (below, second) = self._neighbours(image)
        first_classes = run(image[rows.read, first.read])
        second_classes = run(image[below.read, second.read])
        down, right = below.start - rows.start, second.start - first.start
        high, wide = min(rows.stop, below.stop), min(first.stop, second.stop)
        first_classes = first_classes[down : high - rows.start, right : wide - first.start]
        second_classes = second_classes[: high - below.start, : wide - second.start]
        share = float((first_classes != second_classes).mean())
        return f"where the first two tiles overlap, {share:.2%} of the pixels differ between them"

    def _neighbours(self, image: Image) -> list[tuple[Span, Span]]:
        """The first tile of a photo, and one beside it or below it."""
        rows, columns = (self.geometry.spans(n, self.length) for n in image.shape[:2])
        if len(columns) > 1:
            return [(rows[0], columns[0]), (rows[0], columns[1])]
        return [(rows[0], columns[0]), (rows[1], columns[0])]

    def needs_tiles(self, image: Image, length: int) -> bool:
        """Whether ``image`` is taken in more than one tile of ``length`` at most."""
        height, width = image.shape[:2]
        if self.tile == "auto" and height * width <= length**2:
            return False
        return max(height, width) > length

    def run(self, image: Image, run: Run, axis: int, length: int) -> npt.NDArray[Any]:
        """``run`` on each tile, put together; rows are the ``axis`` of what it returns."""
        check_image(image, self.spec.in_channels)
        height, width = image.shape[:2]
        if not self.needs_tiles(image, length):
            return run(image)
        whole = None
        before = (slice(None),) * axis
        for rows, columns in self.geometry.tiles((height, width), length):
            part = run(image[rows.read, columns.read])
            if whole is None:
                shape = list(part.shape)
                shape[axis : axis + 2] = height, width
                whole = np.empty(shape, part.dtype)
            whole[*before, rows.keep, columns.keep] = part[*before, rows.inside, columns.inside]
        assert whole is not None
        return whole


@cache
def longest(spec: NetSpec, grid: int, least: int, budget: int, scores: bool) -> int:
    """The longest side of a square tile whose maps need at most ``budget`` bytes.

    On the ``grid``; not below ``least``, however much that needs.
    """
    below, above = least // grid, least // grid + 1
    while prediction_bytes(spec, above * grid, above * grid, scores) <= budget:
        below, above = above, 2 * above
    while above - below > 1:
        middle = (below + above) // 2
        if prediction_bytes(spec, middle * grid, middle * grid, scores) <= budget:
            below = middle
        else:
            above = middle
    return below * grid
