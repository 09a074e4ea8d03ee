"""The positions of a net's maps, followed operation by operation (`models.tracing.trace`).

A `Trail` goes with every tensor. It says which of the tensor's dimensions are rows and columns of a
map, how the map lies in the image, and how far a pixel of it looks. Rows and columns are followed
through reshapes and permutations by the factors that a dimension is made of, so that tokens,
windows and patches that are merged into channels come back as the maps that they were. Pure Python.

Along one axis, pixel o of a map looks at the image's pixels ``scale o - before`` to
``scale o + behind``, and lies at ``scale o + offset``. What mixes all places (attention, global
pooling, group norm) gives a map a global receptive field; its extents are then those of the local
paths.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from fullconv.geometry import GeometryError, Map


@dataclass(frozen=True)
class Axis:
    """One axis of a map: pixel o looks at ``scale o - before`` to ``scale o + behind``.

    ``coarsest`` is the largest scale that it went through: more than ``scale`` where it has been
    upsampled.
    """

    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    before: Fraction = Fraction(0)
    behind: Fraction = Fraction(0)
    coarsest: Fraction = Fraction(1)

    @property
    def map(self) -> Map:
        """Where its pixels lie in the image."""
        return Map(self.scale, self.offset)

    @property
    def field(self) -> int:
        """Pixels of the image that one pixel sees."""
        return int(self.before + self.behind) + 1

    def through(self, first: int, last: int, stride: int = 1) -> "Axis":
        """Behind a window whose taps lie at ``stride o + first`` to ``stride o + last``."""
        scale = self.scale * stride
        return Axis(
            scale,
            self.offset + self.scale * Fraction(first + last, 2),
            self.before - self.scale * first,
            self.behind + self.scale * last,
            max(self.coarsest, scale),
        )

    def upsampled(
        self, factor: int, taps: Callable[[int], Sequence[int]], lead: Fraction | None = None
    ) -> "Axis":
        """``factor`` pixels for each; pixel ``factor q + r`` takes from q + each of ``taps(r)``.

        The coarse pixel 0 lies at the fine pixel ``lead``; where none is given, the fine pixels of
        one lie around its centre.
        """
        fine = self.scale / factor
        first = min(self.scale * min(taps(r)) - fine * r for r in range(factor))
        last = max(self.scale * max(taps(r)) - fine * r for r in range(factor))
        before, behind = self.before - first, self.behind + last
        offset = self.offset - fine * (Fraction(factor - 1, 2) if lead is None else lead)
        return Axis(fine, offset, before, behind, self.coarsest)

    def joined(self, other: "Axis") -> "Axis":
        """Of a sum or of maps behind one another: it sees what either sees.

        Where the two lie a little apart (a shortcut that is pooled beside a convolution, a map that
        comes back from a coarser one), the sum lies where the path lies that was never as coarse;
        of equally coarse ones the path that sees more, and between two that see as much.
        GeometryError where they are of unequal scale, or further apart than a pixel of the coarser.
        """
        if self.scale != other.scale:
            raise GeometryError(f"maps of strides {self.scale} and {other.scale} are put together")
        if abs(self.offset - other.offset) >= max(self.coarsest, other.coarsest, 2):
            raise GeometryError(f"maps at {self.map} and {other.map} are put together")
        ranks = (-self.coarsest, self.field), (-other.coarsest, other.field)
        offset = self.offset if ranks[0] > ranks[1] else other.offset
        if ranks[0] == ranks[1]:
            offset = (self.offset + other.offset) / 2
        return Axis(
            self.scale,
            offset,
            max(self.before, other.before),
            max(self.behind, other.behind),
            min(self.coarsest, other.coarsest),
        )


@dataclass(frozen=True)
class Factor:
    """A part of a dimension: every ``step``-th index of an axis (0 rows, 1 columns), or no place.

    A dimension of 56 rows is Factor(0, 1, 56); cut into windows of 7 it is Factor(0, 7, 8) in one
    dimension and Factor(0, 1, 7) in another.
    """

    axis: int | None
    step: int
    size: int


Dims = tuple[tuple[Factor, ...], ...]


@dataclass(frozen=True)
class Trail:
    """The known positions of a tensor: the factors of each dimension, and the two axes."""

    dims: Dims
    axes: tuple[Axis, Axis]
    everything: bool = False

    @property
    def is_placed(self) -> bool:
        """Whether any dimension is one of places."""
        return any(f.axis is not None for dim in self.dims for f in dim)

    def axis_of(self, dim: int) -> int | None:
        """The axis that is the whole of a dimension and nowhere else."""
        factors = self.dims[dim]
        if len(factors) != 1 or factors[0].axis is None or factors[0].step != 1:
            return None
        axis = factors[0].axis
        alone = sum(f.axis == axis for dim in self.dims for f in dim) == 1
        return axis if alone else None

    def with_axis(self, axis: int, value: Axis) -> "Trail":
        """The trail with another axis."""
        rows, columns = (value if i == axis else old for i, old in enumerate(self.axes))
        return replace(self, axes=(rows, columns))

    def with_dim(self, dim: int, factors: tuple[Factor, ...]) -> "Trail":
        """The trail with another dimension."""
        dims = list(self.dims)
        dims[dim] = factors
        return replace(self, dims=tuple(dims))

    def reshaped(self, shape: Sequence[int]) -> "Trail":
        """In another shape of the same order; what falls between two dimensions loses its place."""
        dims = _regrouped([f for dim in self.dims for f in dim], shape)
        if dims is None:
            return replace(self, dims=plain(shape), everything=True)
        return replace(self, dims=dims)

    def mixed(self, dims: Iterable[int]) -> "Trail":
        """The trail after all entries along ``dims`` are mixed: those have no positions any more.

        Neighbours that had been put into the channels (pixels of a patch) become one coarser pixel;
        any other mixing gives a global receptive field.
        """
        chosen = {d % len(self.dims) for d in dims}
        inside = [f for d in chosen for f in self.dims[d] if f.axis is not None]
        result = self
        for axis in {f.axis for f in inside}:
            assert axis is not None
            here = [f for f in inside if f.axis == axis]
            rest = [f for d, dim in enumerate(self.dims) if d not in chosen
                    for f in dim if f.axis == axis]  # fmt: skip
            if [f.step for f in here] == [1] and [f.step for f in rest] == [here[0].size]:
                result = result._merged(axis, here[0].size, rest[0])
            else:
                result = replace(result, everything=True)
        for d in chosen:
            if any(f.axis is not None for f in self.dims[d]):
                result = result.with_dim(d, plain_dim(length(self.dims[d])))
        return result

    def _merged(self, axis: int, count: int, coarse: Factor) -> "Trail":
        """``count`` neighbours as one pixel; ``coarse`` counts these."""
        dims = tuple(
            tuple(Factor(axis, 1, f.size) if f == coarse else f for f in dim) for dim in self.dims
        )
        merged = self.axes[axis].through(0, count - 1, count)
        return replace(self, dims=dims).with_axis(axis, merged)


def length(factors: Iterable[Factor]) -> int:
    """Indices of a dimension."""
    return prod(f.size for f in factors)


def plain_dim(size: int) -> tuple[Factor, ...]:
    """A dimension without places."""
    return () if size == 1 else (Factor(None, 1, size),)


def plain(shape: Sequence[int]) -> Dims:
    """Dimensions without places."""
    return tuple(plain_dim(size) for size in shape)


def _regrouped(factors: list[Factor], shape: Sequence[int]) -> Dims | None:
    """The factors, in order, as dimensions of ``shape``; None where they do not divide so."""
    left, dims = list(factors), []
    for size in shape:
        taken: list[Factor] = []
        while size > 1:
            if not left:
                return None
            first = left.pop(0)
            if size % first.size and first.size % size:
                return None
            if first.size > size:
                low = first.size // size
                left.insert(0, Factor(first.axis, first.step, low))
                first = Factor(first.axis, first.step * low, size)
            taken.append(first)
            size //= first.size
        dims.append(_fused(taken))
    return None if left else tuple(dims)


def _fused(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Neighbours that are parts of one axis, or of none, as one."""
    result: list[Factor] = []
    for factor in factors:
        last = result[-1] if result else None
        if last and last.axis == factor.axis:
            if factor.axis is None:
                result[-1] = Factor(None, 1, last.size * factor.size)
                continue
            if last.step == factor.step * factor.size:
                result[-1] = Factor(factor.axis, factor.step, last.size * factor.size)
                continue
        result.append(factor)
    return tuple(result)
