"""Minimal filtering: convolutions of stride 1 with fewer multiplications for the same sums.

A tile of m x m outputs of a convolution with an r x r kernel needs (m + r - 1)^2 products for each
pair of channels in place of m^2 r^2: F(4,3) a quarter of them, F(2,7) a third. Tiles and kernels
are carried over, and the products back, by small constant matrices; the products are a batch of
matrix products, which a CPU does best. Winograd, Arithmetic Complexity of Computations, 1980; Lavin
and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016 (arXiv 1509.09308).

N photos, C channels in, K out; m outputs and n = m + r - 1 inputs a side of a tile; R rows of W
tiles, T in all. Arrays are channels last inside.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

TILES = {3: 4, 7: 2}
"""m for each r. Larger tiles save more and round worse; these are off by 1e-5 of the largest."""

POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
"""Where the polynomials are evaluated, the tamest first; infinity is the last point."""

STRIP = 16 * 2**20  # bytes of tiles and products at a time: about what the caches hold

Strip = tuple[slice, slice]
"""Some photos, and some of their rows of tiles."""


def filtered(x: Tensor, kernels: Tensor, kernel: int, pad: int) -> Tensor:
    """The convolution of N,C,H,W by `carried` kernels nn,K,C: N,K,h,w, channels last.

    ``kernel`` is their r, of `TILES`.
    """
    grid = Grid.of(x, kernel, pad)
    data, _, result = crossed(kernel, x.dtype)
    _, outputs, inputs = kernels.shape
    photos = grid.padded(x)
    out = grid.empty(x, outputs)
    for strip in grid.strips(len(x), inputs + outputs, kernels):
        tiles = (data @ grid.tiles(photos, strip)).unflatten(1, (-1, inputs))  # nn,T,C
        products = torch.bmm(tiles, kernels.transpose(1, 2))  # nn,T,K
        grid.place(out.permute(0, 2, 3, 1), result @ products.flatten(1), strip)
    return out


def weight_gradient(x: Tensor, gradient: Tensor, kernel: int, pad: int) -> Tensor:
    """The gradient of the kernels, K,C,r,r, from that of the output, N,K,h,w, and ``x`` N,C,H,W.

    The products are those of `filtered`, whose transposed matrices carry the gradient over.
    """
    grid = Grid.of(x, kernel, pad)
    data, carry, result = crossed(kernel, x.dtype)
    inputs, outputs = x.shape[1], gradient.shape[1]
    photos, gradients = grid.padded(x), gradient.permute(0, 2, 3, 1)
    total = x.new_zeros(len(data), outputs, inputs)
    for strip in grid.strips(len(x), inputs + outputs, total):
        tiles = (data @ grid.tiles(photos, strip)).unflatten(1, (-1, inputs))  # nn,T,C
        wanted = result.T @ grid.taken(gradients, strip)  # nn,TK
        total.baddbmm_(wanted.unflatten(1, (-1, outputs)).transpose(1, 2), tiles)
    kernels = (carry.T @ total.flatten(1)).view(kernel, kernel, outputs, inputs)
    return kernels.permute(2, 3, 0, 1)


def carried(weight: Tensor) -> Tensor:
    """Kernels K,C,r,r carried over: nn,K,C."""
    outputs, inputs, kernel, _ = weight.shape
    _, carry, _ = crossed(kernel, weight.dtype)
    return (carry @ weight.permute(2, 3, 0, 1).reshape(kernel**2, -1)).view(-1, outputs, inputs)


@dataclass(frozen=True)
class Grid:
    """The tiles of a convolution's result, h x w, with kernels r x r."""

    r: int
    pad: int
    h: int
    w: int

    @classmethod
    def of(cls, x: Tensor, kernel: int, pad: int) -> "Grid":
        """The grid of the convolution of N,C,H,W."""
        h, w = (size + 2 * pad - kernel + 1 for size in x.shape[2:])
        return cls(kernel, pad, h, w)

    @property
    def m(self) -> int:
        """Outputs a side."""
        return TILES[self.r]

    @property
    def n(self) -> int:
        """Inputs a side."""
        return self.m + self.r - 1

    @property
    def rows(self) -> int:
        """Rows of tiles; the last ones reach beyond the result."""
        return -(-self.h // self.m)

    @property
    def columns(self) -> int:
        """Tiles of a row."""
        return -(-self.w // self.m)

    def empty(self, x: Tensor, outputs: int) -> Tensor:
        """A result of N,C,H,W to be filled, N,K,h,w."""
        shape, layout = (len(x), outputs, self.h, self.w), torch.channels_last
        return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)

    def padded(self, x: Tensor) -> Tensor:
        """``x`` N,C,H,W as the tiles need it: N,H',W',C."""
        whole = (self.m * count + self.r - 1 for count in (self.rows, self.columns))
        below, right = (to - self.pad - n for to, n in zip(whole, x.shape[2:], strict=True))
        return F.pad(x.permute(0, 2, 3, 1), (0, 0, self.pad, right, self.pad, below))

    def strips(self, photos: int, channels: int, kernels: Tensor) -> Iterator[Strip]:
        """All tiles, in parts for the caches: rows of one photo, or several photos.

        The kernels are read for each, so strips must not be small beside them.
        """
        row = self.n**2 * self.columns * channels * kernels.element_size()
        most = max(1, max(STRIP, kernels.nbytes // 4) // row)
        return parts(photos, self.rows, most)

    def tiles(self, photos: Tensor, strip: Strip) -> Tensor:
        """The inputs of the tiles of ``padded`` photos: nn,TC."""
        m, n, rows = self.m, self.n, strip[1]
        part = photos[strip[0], m * rows.start : m * rows.stop + n - m]
        windows = part.unfold(1, n, m).unfold(2, n, m)  # N,R,W,C,n,n
        return windows.permute(4, 5, 0, 1, 2, 3).reshape(n * n, -1)

    def taken(self, results: Tensor, strip: Strip) -> Tensor:
        """The tiles of N,h,w,K: mm,TK, with zeros beyond the border."""
        m, rows = self.m, strip[1]
        part = results[strip[0], m * rows.start : m * rows.stop]
        below = m * (rows.stop - rows.start) - part.shape[1]
        part = F.pad(part, (0, 0, 0, m * self.columns - self.w, 0, below))
        part = part.unflatten(1, (-1, m)).unflatten(3, (-1, m))  # N,R,m,W,m,K
        return part.permute(2, 4, 0, 1, 3, 5).reshape(m * m, -1)

    def place(self, results: Tensor, tiles: Tensor, strip: Strip) -> None:
        """The other way: tiles mm,TK into N,h,w,K."""
        m, rows = self.m, strip[1]
        part = results[strip[0], m * rows.start : m * rows.stop]
        shape = (m, m, len(part), rows.stop - rows.start, self.columns, part.shape[3])
        whole = tiles.view(shape).permute(2, 3, 0, 4, 1, 5)  # N,R,m,W,m,K
        if part.shape[1] % m == self.w % m == 0:
            part.unflatten(1, (-1, m)).unflatten(3, (-1, m)).copy_(whole)
        else:
            joined = whole.reshape(len(part), m * shape[3], m * self.columns, part.shape[3])
            part.copy_(joined[:, : part.shape[1], : self.w])


def parts(photos: int, rows: int, most: int) -> Iterator[Strip]:
    """All rows of all photos, at most ``most`` at a time: of one photo, or several whole ones."""
    together = max(1, most // rows)
    for photo in range(0, photos, together):
        for first in range(0, rows, most):
            yield slice(photo, photo + together), slice(first, min(first + most, rows))


@cache
def crossed(r: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The `matrices` for both axes at once: data nn,nn; kernel nn,rr; result mm,nn."""
    data, kernel, result = (torch.kron(a, a).to(dtype) for a in matrices(TILES[r], r))
    return data, kernel, result


@cache
def matrices(m: int, r: int) -> tuple[Tensor, Tensor, Tensor]:
    """What carries data n,n and kernels n,r over, and results m,n back: float64.

    One axis of m outputs: ``result @ ((kernel @ g) * (data @ d))`` is the correlation of d with g.
    Multiplying polynomials by their values at n points (Toom and Cook), transposed.
    """
    points = POINTS[: m + r - 2]
    others = [[b for b in points if b != a] for a in points]
    data = [[*_polynomial(rest), Fraction(0)] for rest in others] + [_polynomial(points)]
    kernel = [
        [a**power / _product(a - b for b in rest) for power in range(r)]
        for a, rest in zip(points, others, strict=True)
    ]
    kernel.append([Fraction(int(power == r - 1)) for power in range(r)])
    result = [[*(a**row for a in points), Fraction(int(row == m - 1))] for row in range(m)]
    data, kernel, result = (
        torch.tensor([[float(value) for value in row] for row in matrix], dtype=torch.float64)
        for matrix in (data, kernel, result)
    )
    return data, kernel, result


def _product(factors: Iterable[Fraction]) -> Fraction:
    whole = Fraction(1)
    for factor in factors:
        whole *= factor
    return whole


def _polynomial(roots: Iterable[Fraction]) -> list[Fraction]:
    """The coefficients of the product of (x - root), lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        higher, lower = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [a - root * b for a, b in zip(higher, lower, strict=True)]
    return coefficients
