"""Convolutions by minimal filtering: fewer multiplications for the same sums, in fp32 on a CPU.

A tile of m x m outputs of a convolution with an r x r kernel needs (m + r - 1)^2 products for each
pair of channels in place of m^2 r^2: F(4,3) a quarter of them, F(2,7) a third. Tiles and kernels
are carried over, and the products back, by small constant matrices; the products are a batch of
matrix products, which a CPU does best. Winograd, Arithmetic Complexity of Computations, 1980; Lavin
and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016 (arXiv 1509.09308).

C channels in, K out; m outputs and n = m + r - 1 inputs a side of a tile; T tiles.
"""

import copy
from collections.abc import Iterable
from fractions import Fraction
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullconv.nets.fcn import FCN
from fullconv.nets.steps import ConvReLU

TILES = {3: 4, 7: 2}
"""m for each r. Larger tiles save more and round worse; these are off by 1e-5 of the largest."""

POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
"""Where the polynomials are evaluated, the tamest first; infinity is the last point."""

FEWEST_CHANNELS = 128  # with fewer, carrying over costs what the products save
FEWEST_TILES = 24  # with fewer, reading the larger kernels does
STRIP = 16 * 2**20  # bytes of tiles and products at a time: about what the caches hold


class WinogradConv(nn.Module):
    """A convolution of stride 1 by minimal filtering, with the ReLU of a `ConvReLU`.

    The kernels are carried over once, when it is made. The convolution itself is kept for maps of a
    few tiles.
    """

    kernels: Tensor
    ahead: Tensor
    back: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.tile = conv, TILES[conv.kernel_size[0]]
        data, kernel, result = matrices(self.tile, conv.kernel_size[0])
        weight = conv.weight.detach().to(kernel)
        carried = torch.einsum("ai,kcij,bj->abck", kernel, weight, kernel).flatten(0, 1)
        self.register_buffer("kernels", carried.to(conv.weight).contiguous())  # nn,C,K
        self.register_buffer("ahead", torch.kron(data, data).to(conv.weight))  # nn,nn
        self.register_buffer("back", torch.kron(result, result).to(conv.weight))  # mm,nn

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to N,K,h,w, channels last."""
        pad, m, reach = int(self.conv.padding[0]), self.tile, self.conv.kernel_size[0] - 1
        h, w = (n + 2 * pad - reach for n in x.shape[2:])
        rows, columns = -(-h // m), -(-w // m)
        if rows * columns < FEWEST_TILES:
            return self.conv(x)
        below, right = (
            m * count + reach - pad - n
            for count, n in zip((rows, columns), x.shape[2:], strict=True)
        )
        photos = F.pad(x.permute(0, 2, 3, 1), (0, 0, pad, right, pad, below))  # N,H',W',C
        out = x.new_empty(len(x), m * rows, m * columns, self.conv.out_channels)  # N,mR,mW,K
        for photo, found in zip(photos, out, strict=True):
            self._fill(found, photo, rows, columns)
        if self.conv.bias is not None:
            out += self.conv.bias
        if isinstance(self.conv, ConvReLU):
            out.relu_()
        return out[:, :h, :w].permute(0, 3, 1, 2)

    def _fill(self, out: Tensor, photo: Tensor, rows: int, columns: int) -> None:
        """Strip by strip: ``photo`` H',W',C to ``out`` m rows,m columns,K."""
        m, n = self.tile, self.tile + self.conv.kernel_size[0] - 1
        _, inputs, outputs = self.kernels.shape
        row = n * n * columns * (inputs + outputs) * self.kernels.element_size()
        # The kernels are read for each strip, so strips must not be small beside them.
        most = max(1, max(STRIP, self.kernels.nbytes // 4) // row)
        for first in range(0, rows, most):
            count = min(most, rows - first)
            strip = photo[m * first : m * (first + count) + n - m]
            tiles = strip.unfold(0, n, m).unfold(1, n, m)  # R,W,C,n,n
            tiles = tiles.permute(3, 4, 0, 1, 2).reshape(n * n, -1)  # nn,TC
            carried = (self.ahead @ tiles).view(n * n, -1, inputs)  # nn,T,C
            products = torch.bmm(carried, self.kernels)  # nn,T,K
            found = (self.back @ products.flatten(1)).view(m, m, count, columns, outputs)
            place = out[m * first : m * (first + count)].view(count, m, columns, m, outputs)
            place.copy_(found.permute(2, 0, 3, 1, 4))  # R,m,W,m,K


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
    found = [Fraction(1)]
    for root in roots:
        higher, lower = [Fraction(0), *found], [*found, Fraction(0)]
        found = [a - root * b for a, b in zip(higher, lower, strict=True)]
    return found


def gains(conv: nn.Module) -> bool:
    """Whether minimal filtering is for this layer: large plain kernels and many channels."""
    return (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size[0] == conv.kernel_size[1]
        and conv.kernel_size[0] in TILES
        and conv.stride == conv.dilation == (1, 1)
        and conv.groups == 1
        and min(conv.in_channels, conv.out_channels) >= FEWEST_CHANNELS
    )


def with_winograd(net: FCN) -> FCN:
    """A net for prediction with the weights of ``net``, by minimal filtering where that gains.

    It shares the weights and adds the carried kernels: 4 times the bytes of those layers' weights
    with 3x3 kernels, 1.3 times with 7x7. Scores are equal to rounding.
    """
    shared = {id(each): each for each in (*net.parameters(), *net.buffers())}
    made = copy.deepcopy(net, shared)
    for name, module in list(made.named_modules()):
        if gains(module):
            assert isinstance(module, nn.Conv2d)
            made.set_submodule(name, WinogradConv(module))
    return made
