"""Batch norm as part of the convolution before it: the same net to rounding, for prediction alone.

With fixed statistics a batch norm multiplies each channel and adds to it, which a convolution's
weights and bias can do as well (Jacob et al. 2018, arXiv 1712.05877, section 3.2).
"""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fullconv.models.fcn import FCN
from fullconv.models.layers import ConvNorm


def fold_batch_norm(net: FCN) -> FCN:
    """A copy of ``net`` without batch norms, in evaluation mode; ``net`` itself if it has none."""
    if not any(isinstance(module, ConvNorm) for module in net.modules()):
        return net
    net_copy = copy.deepcopy(net).eval()
    for module in net_copy.modules():
        if isinstance(module, ConvNorm):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()  # pyright: ignore
    return net_copy
