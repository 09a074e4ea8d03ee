"""Batch norm over the photos of all processes, as one process with all of them has it.

torch's own `SyncBatchNorm` computes on GPUs alone. Here the mean and the variance of each process
are gathered and put together (Chan, Golub & LeVeque 1983), and the two sums of the gradient
(Ioffe & Szegedy 2015, arXiv 1502.03167, section 3) are added over all processes, on any device.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed import all_gather, all_reduce, get_world_size
from torch.nn.modules.batchnorm import _BatchNorm

from fullconv.training.config.config import Config

SMALL = 8  # photos in a process: fewer estimate mean and variance poorly


def is_synchronised(config: Config, processes: int) -> bool:
    """Whether the batch norms of a training take the photos of all processes together."""
    wanted = config.compute.sync_batch_norm
    is_small = config.schedule.batch_size < SMALL
    return processes > 1 and (is_small if wanted == "auto" else wanted)


def synchronise(net: nn.Module) -> None:
    """Make the batch norms of ``net`` such ones, with the same parameters and buffers.

    In evaluation mode, and where they are held by it, they stay what they were.
    """
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            kind = _WithActivation if hasattr(module, "act") else _SyncBatchNorm
            module.__class__ = type(kind.__name__, (kind, type(module)), {})


class _SyncBatchNorm(_BatchNorm):
    """N,C,H,W to N,C,H,W, normalised over N, H and W of all processes."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        return self.normalised(input)

    def normalised(self, x: Tensor) -> Tensor:
        mean, variance, count = joint_statistics(x.detach())
        self.count_batch(mean, variance, count)
        return _Normalised.apply(x, self.weight, self.bias, mean, variance, count, self.eps)  # pyright: ignore

    @torch.no_grad()
    def count_batch(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """Move the running statistics towards those of a batch of ``count`` values a channel."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        factor = self.momentum
        if factor is None:
            factor = 1.0 / float(self.num_batches_tracked)
        unbiased = variance * (count / (count - 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)


class _WithActivation(_SyncBatchNorm):
    """One of timm's, which has the dropout and the activation that follow in it."""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        if not self.training:
            return super().forward(x)
        return self.act(self.drop(self.normalised(x)))  # pyright: ignore


def joint_statistics(x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Mean and biased variance of each channel over all processes, float64 (C,); the values of one.

    ``x`` is N,C,H,W. ValueError, as torch's, where there is a single value for each channel.
    """
    exact = x.to(torch.promote_types(x.dtype, torch.float32))  # they come in the dtype of x
    mean, variance = torch.batch_norm_update_stats(exact, None, None, 0.0)
    own_count = x.numel() / x.shape[1]
    own = torch.cat([mean.double(), variance.double(), mean.new_tensor([own_count]).double()])
    parts = [torch.empty_like(own) for _ in range(get_world_size())]
    all_gather(parts, own)
    means, variances, counts = torch.stack(parts).split([len(mean), len(mean), 1], 1)  # P,C
    total = counts.sum()
    shares = counts / total  # P,1
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean) ** 2)).sum(0)
    if float(total) < 2:
        raise ValueError("Expected more than 1 value per channel when training")
    return mean, variance, float(total)


class _Normalised(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance functions of x."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: float,
        eps: float,
    ) -> Tensor:
        dtype = torch.promote_types(x.dtype, torch.float32)
        mean, variance = mean.to(dtype), variance.to(dtype)
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        ctx.count, ctx.has_bias = count, bias is not None
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore
        x, weight, mean, inverse = ctx.saved_tensors
        # torch's kernel of the backward pass, for the two sums that it needs itself.
        _, own_scaled, own_sum = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, None, None, mean, inverse, True, 0.0, [False, True, True]
        )
        joint = torch.stack([own_sum, own_scaled]).double()  # 2,C
        all_reduce(joint)
        mean_grad, mean_scaled = (joint / ctx.count).to(mean.dtype)
        factor = inverse if weight is None else inverse * weight
        # (grad - mean_grad - (x - mean) * inverse * mean_scaled) * factor, in two passes over it
        by_x, constant = -inverse * mean_scaled * factor, -mean_grad * factor
        unit = torch.ones_like(mean)
        grad_x = F.batch_norm(x.to(mean.dtype), mean, unit, by_x, constant, training=False, eps=0.0)
        over = factor.view(1, -1, *[1] * (x.ndim - 2))
        grad_x = grad_x.addcmul_(grad.to(mean.dtype), over).to(x.dtype)
        # Of its own photos alone: gradients of parameters are added over the processes elsewhere.
        grad_weight = None if weight is None else own_scaled.to(weight.dtype)
        grad_bias = own_sum.to(mean.dtype if weight is None else weight.dtype)
        return grad_x, grad_weight, grad_bias if ctx.has_bias else None, None, None, None, None
