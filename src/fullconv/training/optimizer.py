"""Parameter groups, the choice of optimizer, and the learning rate as a function of the step."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fullconv.device import pick_device
from fullconv.models import FCN
from fullconv.training.config.config import Config
from fullconv.training.config.sections_and_defaults import Optimizer
from fullconv.training.eager_optimizers import SGD, AdamW, InPlaceSGD

WARMUP_STEPS = (5, 500)
"""The fewest and the most steps of a warm-up, whatever share of the run it is."""
AVERAGED_STEPS = (10, 1000)
"""The fewest and the most steps of the EMA's time constant."""


def make_optimizer(net: FCN, config: Optimizer) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW over groups: kernels, and biases and norms.

    Only kernels decay; the second group's rate is ``bias_lr`` times the first's (the paper: 2).
    Where the backbone's learning rate is another, it has two such groups of its own.
    """
    trained = {name: p for name, p in net.named_parameters() if p.requires_grad}
    groups = parameter_groups(trained, config)
    if config.kind == "sgd":
        on_cpu = next(iter(trained.values())).device.type == "cpu"
        kind, options = (InPlaceSGD, {}) if on_cpu else (SGD, {"fused": True})
        return kind(groups, lr=config.full_lr, momentum=config.momentum, **options)
    # One pass over each array: AdamW in separate operations takes three times as long on a CPU.
    # Buffers must lie in memory as their parameters do (`state`); torch does not check.
    return AdamW(groups, lr=config.full_lr, betas=(config.momentum, 0.999), fused=True)


def parameter_groups(
    trained: Mapping[str, nn.Parameter], config: Optimizer
) -> list[dict[str, Any]]:
    """The groups of parameters by name; ``factor`` multiplies the learning rate in each."""
    own_lr = 1.0 if config.backbone_lr == "auto" else config.backbone_lr
    apart = own_lr != 1
    groups: list[dict[str, Any]] = []
    for in_backbone in (True, False) if apart else (None,):
        own = [
            p
            for name, p in trained.items()
            if in_backbone is None or name.startswith("backbone.") == in_backbone
        ]
        factor = own_lr if in_backbone else 1.0
        kernels, others = [p for p in own if p.ndim > 1], [p for p in own if p.ndim <= 1]
        groups += [
            {"params": kernels, "weight_decay": config.weight_decay, "factor": factor},
            {"params": others, "weight_decay": 0.0, "factor": factor * config.bias_lr},
        ]
    return [group for group in groups if group["params"]]


def updates_in_backward(config: Config) -> bool:
    """Whether each gradient is applied in the backward pass, while others are computed.

    Not where a sum of several is wanted (accumulation, processes), or the norm of all (clipping).
    """
    compute = config.compute
    alone = config.schedule.accumulate * compute.devices * compute.nodes == 1
    in_place = config.optimizer.kind == "sgd" and pick_device(compute.device).type == "cpu"
    return alone and in_place and config.optimizer.clip is None


def lr_at(step: int, steps: int, config: Optimizer) -> float:
    """The learning rate of ``step``, from 0: a linear warm-up times the schedule.

    The schedule is 1, ``(1 - step/steps)^power``, or half a cosine.
    """
    warm = warmup_steps(steps, config)
    lr = config.full_lr * (min(1.0, (step + 1) / warm) if warm else 1.0)
    if config.lr_schedule == "fixed":
        return lr
    if config.lr_schedule == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * step / steps))
    return lr * (1 - step / steps) ** config.power


def warmup_steps(steps: int, config: Optimizer) -> int:
    """Steps of a run of ``steps`` until the full learning rate, within `WARMUP_STEPS`."""
    return _share_of(steps, config.warmup, WARMUP_STEPS) if config.warmup else 0


def averaging_decay(steps: int, config: Optimizer) -> float | None:
    """The decay of the averaged weights in a run of ``steps``; None where none are averaged."""
    if config.ema is None:
        return None
    return 1 - 1 / _share_of(steps, config.ema, AVERAGED_STEPS)


def _share_of(steps: int, share: float, limits: tuple[int, int]) -> int:
    least, most = limits
    return min(most, max(least, round(share * steps)))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate, each group with its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]


def freeze(net: FCN) -> None:
    """Keep the backbone as it is: no gradients (its norms are held by ``hold_frozen``)."""
    for parameter in net.backbone.parameters():
        parameter.requires_grad_(False)


def hold_frozen(net: nn.Module, batch_norm: bool = False) -> None:
    """After ``net.train()``: what is frozen of the backbone keeps using its stored statistics.

    That is all of a backbone without gradients, or, with ``batch_norm``, its batch norms.
    """
    backbone = net.backbone
    assert isinstance(backbone, nn.Module)
    if not any(p.requires_grad for p in backbone.parameters()):
        backbone.eval()
    if batch_norm:
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
