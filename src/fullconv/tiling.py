"""Tiles and their halo: how to cut an image so that tiles give the scores of the whole image.

A convolutional net computes the same everywhere. So a tile of the image gives the scores of the
whole, exactly, where (1) the tile begins at a multiple of the net's stride, so that the windows of
every layer fall on the same pixels, and (2) nothing that a score looks through, in any layer, lies
beyond a cut. The pixels for which (2) does not hold are the halo (`TileGeometry.halo`): they are
read, and their scores are dropped. At the image's own border nothing is cut: a tile that touches it
is padded there as the whole image is. Pure Python.

The principle is that of Majurski and Bajcsy, "Exact tile-based segmentation inference for images
larger than GPU memory", J. Res. Natl. Inst. Stand. Technol. 126:126009, 2021 (doi
10.6028/jres.126.009). Here the halo is not half the receptive field, rounded up, but what the
windows with their pads need, on each side by itself.

One axis at a time, as in `fullconv.geometry`; n a size in pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor

from fullconv.errors import UserError
from fullconv.geometry import Placement, Window, chain, receptive_field

AROUND = 2
"""The least halo in pixels of the coarsest map, where each score depends on the whole image."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis: the pixels that it reads, and those of them whose scores are kept."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    @property
    def read(self) -> slice:
        """The pixels to cut out of the image."""
        return slice(self.start, self.stop)

    @property
    def keep(self) -> slice:
        """Where the kept scores lie in the whole."""
        return slice(self.keep_start, self.keep_stop)

    @property
    def inside(self) -> slice:
        """Where the kept scores lie in the tile."""
        return slice(self.keep_start - self.start, self.keep_stop - self.start)


@dataclass(frozen=True)
class Scored:
    """A map that is scored: the windows from the image to it, and how it lies on what it joins.

    ``blend`` are the windows of what the sum with the coarser maps goes through before.
    """

    windows: tuple[Window, ...]
    placement: Placement
    blend: tuple[Window, ...] = ()


@dataclass(frozen=True)
class TileGeometry:
    """How an image becomes scores, as far as positions go; ``name`` is the net's, for messages.

    ``scored`` holds the scored maps, coarsest first. Where the net ``fuses_on_the_way``, each is
    placed on the next finer one and the finest on the image; else each is placed on the image.
    With ``at_finest`` the coarser maps are each placed on the finest. A net that ``resizes_scores``
    places its scores by the ratio of two sizes, which is the same in a tile only where sizes are
    multiples of the stride. With ``has_global_field`` each score depends on the whole image: tiles
    give an approximation, with a halo of at least `AROUND` coarsest pixels.
    """

    name: str
    scored: tuple[Scored, ...]
    fuses_on_the_way: bool
    resizes_scores: bool = False
    at_finest: bool = False
    has_global_field: bool = False

    @cached_property
    def grid(self) -> int:
        """Tiles begin at multiples of this: the stride of the coarsest map."""
        return int(chain(self.scored[0].windows).scale)

    @cached_property
    def halo(self) -> tuple[int, int]:
        """Pixels behind a cut, and before one, whose scores differ from those of the whole image.

        Both cuts lie on the grid.
        """
        ranges: list[Range] = []
        for number, map_ in enumerate(self.scored, 1):
            own = _through(map_.windows)
            waits = self.at_finest and number < len(self.scored)
            if self.fuses_on_the_way and not waits:
                fused = _through(map_.blend, _narrowest([*ranges, own]))
                ranges = [_upsampled(fused, map_.placement)]
            else:
                ranges.append(_upsampled(own, map_.placement))
        first, last = _narrowest(ranges)
        least = AROUND * self.grid if self.has_global_field else 0
        return max(first, least), max(-1 - last, least)

    @property
    def field(self) -> int:
        """The receptive field of the coarsest score; where sums are blended, of the finest.

        The latter depends on the place between the pixels of the coarser maps: this is the largest.
        """
        windows = self.scored[0].windows
        stride = int(chain(windows).scale)
        if not any(map_.blend for map_ in self.scored):
            return receptive_field(windows)
        return receptive_field(windows) + stride * max(map(self._looks_at, range(stride)))

    def _looks_at(self, index: int) -> int:
        """Pixels of the coarsest map, less one, that pixel ``index`` of the finest looks at."""
        first = last = index
        for number, map_ in enumerate(reversed(self.scored)):
            if number:  # the finest is where it begins
                factor, shift = map_.placement.factor, map_.placement.shift
                first, last = floor((first - shift) / factor), ceil((last - shift) / factor)
            first -= sum(w.pad for w in map_.blend)
            last += sum(w.reach - w.pad for w in map_.blend)
        return last - first

    @property
    def least(self) -> int:
        """The smallest tile of which something is kept."""
        return _up(sum(self.halo) + self.grid, self.grid)

    def kept(self, length: int) -> int:
        """Pixels kept of a tile of ``length`` that has a cut on either side."""
        return _step(length // self.grid * self.grid, self.grid, self.halo)

    def check(self, length: int) -> None:
        """UserError unless tiles of ``length`` are large enough."""
        if length < self.least:
            behind, before = self.halo
            raise UserError(
                f"tile {length} is too small for {self.name}: its receptive field is {self.field} "
                f"pixels, so a tile has {behind} + {before} pixels of overlap; "
                f"use at least {self.least}, better {_up(3 * self.least, self.grid)}, or auto",
                "FC-NET-007",
            )

    def spans(self, n: int, length: int) -> list[Span]:
        """Tiles of at most ``length`` pixels that together give the scores of ``n`` pixels.

        One tile where ``length`` suffices. Raises UserError for a ``length`` that leaves nothing
        to be kept, and for a size at which a net that resizes its scores cannot be cut.
        """
        if n <= length:
            return [Span(0, n, 0, n)]
        self.check(length)
        if self.resizes_scores and n % self.grid:
            raise UserError(
                f"{self.name} resizes its scores to the size of the whole photo, so a side of {n} "
                f"pixels cannot be tiled exactly, only a multiple of {self.grid}: crop it to "
                f"{n // self.grid * self.grid}, or predict it without tiles",
                "FC-NET-007",
            )
        return spans(n, length, self.grid, self.halo)

    def tiles(self, size: tuple[int, int], length: int) -> Iterator[tuple[Span, Span]]:
        """The tiles of an image of ``size`` (H, W), as rows and columns."""
        columns = self.spans(size[1], length)
        for rows in self.spans(size[0], length):
            for span in columns:
                yield rows, span


def spans(n: int, length: int, grid: int, halo: tuple[int, int]) -> list[Span]:
    """Tiles of at most ``length`` < n pixels, the fewest and then the shortest that will do.

    They begin on the ``grid`` and drop the ``halo`` at cuts. They end on it too, but for the
    last, which ends with the image, whatever is left over: there the layers that round sizes up
    or down do so as in the whole.
    """
    length = length // grid * grid
    count = _count(n, length, grid, halo)
    while _count(n, length - grid, grid, halo) == count:
        length -= grid
    step = _step(length, grid, halo)
    starts = [min(number * step, _up(n - length, grid)) for number in range(count)]
    keeps = [0, *(start + halo[0] for start in starts[1:]), n]
    stops = [*(start + length for start in starts[:-1]), n]
    return [
        Span(start, stop, keeps[number], keeps[number + 1])
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


def _count(n: int, length: int, grid: int, halo: tuple[int, int]) -> int:
    """How many tiles of ``length`` it takes; 0 where they would keep nothing."""
    step = _step(length, grid, halo)
    return 1 - (length - n) // step if step > 0 else 0


def _step(length: int, grid: int, halo: tuple[int, int]) -> int:
    """Pixels from one tile to the next: what lies between the halos, down to the grid."""
    return (length - sum(halo)) // grid * grid


Range = tuple[int, int]
"""First and last index of a map that see nothing beyond cuts at 0, counted from their cut."""


def _through(windows: tuple[Window, ...], below: Range = (0, -1)) -> Range:
    """The range of the map behind ``windows``, on the image's or that of the map ``below``.

    Its taps, ``s o - p`` to ``s o - p + (k - 1) d``, must lie in the range of the map below.
    """
    first, last = below
    for w in windows:
        first = -(-(first + w.pad) // w.stride)
        last = (last + w.pad - w.reach) // w.stride
    return first, last


def _upsampled(coarse: Range, placement: Placement) -> Range:
    """The range on the finer grid: a pixel is interpolated from the coarse ones beside it."""
    first, last = (placement.factor * index + placement.shift for index in coarse)
    return ceil(first), floor(last)


def _narrowest(ranges: list[Range]) -> Range:
    """The range of a sum of maps."""
    return max(first for first, _ in ranges), min(last for _, last in ranges)


def _up(n: int, grid: int) -> int:
    """The next multiple of ``grid``."""
    return -(-n // grid) * grid
