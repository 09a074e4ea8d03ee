"""Whether the Triton kernels of ``banded_triton.py`` take the loss, or plain torch does.

A kernel depends on a compiler, its version and the GPU. So before its first use in a process it is
compared once with plain torch, and where it fails or differs the training goes on without it.
"""

import functools
import os
import warnings
from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec

import torch
from torch import Tensor

from fullconv.device import is_out_of_memory
from fullconv.geometry import Placement
from fullconv.nets.enlargement import Enlargement, Fusion
from fullconv.nets.upsampling import Upsampling
from fullconv.train.photo_loss import Photo, cross_entropy

SWITCH = "FULLCONV_TRITON"
"""The environment variable that, set to 0, leaves the kernels out."""


@functools.cache
def fused(device: torch.device) -> Callable[[Photo], Tensor] | None:
    """The kernels in place of ``cross_entropy``, where they run and agree; None elsewhere."""
    if device.type != "cuda" or os.environ.get(SWITCH) == "0" or find_spec("triton") is None:
        return None
    try:
        from fullconv.train import banded_triton

        kernels = banded_triton.cross_entropy
        reason = None if agrees(kernels, device) else "they differ from plain torch"
    except Exception as error:  # of a compiler, a driver: none may end a training
        if is_out_of_memory(error):  # which says nothing of the kernels
            raise
        kernels, reason = None, (str(error).splitlines() or [type(error).__name__])[0]
    if reason is None:
        return kernels
    warnings.warn(
        f"the Triton kernels of the loss are not used: {reason}; plain torch takes it ({SWITCH}=0 "
        "does not try them)",
        stacklevel=2,
    )
    return None


def agrees(kernels: Callable[[Photo], Tensor], device: torch.device) -> bool:
    """Whether they give loss and gradients of plain torch on a small photo, to rounding."""
    found = []
    for way in (kernels, cross_entropy):
        photo = example(device)
        found.append([way(photo), *photo.grads])
    return all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(*found, strict=True))


def example(device: torch.device, size: tuple[int, int] = (37, 150), classes: int = 5) -> Photo:
    """A photo with three maps of random scores, class weights and pixels without a label."""
    random = torch.Generator().manual_seed(0)
    each, maps = [], []
    for stride in (32, 16, 8):
        placed = Upsampling(
            Placement(stride, Fraction(stride - 1, 2)), classes, "replicate", learn=False
        )
        h, w = (-(-n // stride) for n in size)
        maps.append(3 * torch.randn(classes, h, w, generator=random).to(device))
        each.append(Enlargement.of(placed, maps[-1][None], size))
    labels = torch.randint(0, classes, size, generator=random)
    weights = torch.rand(size, generator=random)
    weights[torch.rand(size, generator=random) < 0.2] = -1
    grads = [torch.zeros_like(m) for m in maps]
    return Photo(Fusion(each), maps, grads, labels.to(device), weights.to(device))
