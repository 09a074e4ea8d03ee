"""A net for prediction whose wide convolutions go by minimal filtering, in fp32 on a CPU."""

import copy

from torch import Tensor, nn

from fullconv.models.cpu_kernels.minimal_filtering import TILES, Grid, carried, filtered
from fullconv.models.fcn import FCN
from fullconv.models.layers import ConvReLU

FEWEST_CHANNELS = 128  # with fewer, carrying over costs what the products save
FEWEST_TILES = 24  # with fewer, reading the larger kernels does


class WinogradConv(nn.Module):
    """A convolution of stride 1 by minimal filtering, with the ReLU of a `ConvReLU`.

    The kernels are carried over once, when it is made. The convolution itself is kept for maps of a
    few tiles.
    """

    kernels: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.register_buffer("kernels", carried(conv.weight.detach()))  # nn,K,C

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to N,K,h,w, channels last."""
        kernel, pad = int(self.conv.kernel_size[0]), int(self.conv.padding[0])
        grid = Grid.of(x, kernel, pad)
        if grid.rows * grid.columns < FEWEST_TILES:
            return self.conv(x)
        out = filtered(x, self.kernels, kernel, pad)
        if self.conv.bias is not None:
            out += self.conv.bias[:, None, None]
        return out.relu_() if isinstance(self.conv, ConvReLU) else out


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
    shared = {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())}
    net_copy = copy.deepcopy(net, shared)
    for name, module in list(net_copy.named_modules()):
        if gains(module):
            assert isinstance(module, nn.Conv2d)
            net_copy.set_submodule(name, WinogradConv(module))
    return net_copy
