"""Parameter groups, the two optimisers, and the rate as a plain function of the step."""

import torch
from torch import nn

from fullconv.device import pick_device
from fullconv.nets import FCN
from fullconv.train.config import Config, Optimiser
from fullconv.train.sgd import InPlaceSGD


def make_optimiser(net: FCN, config: Optimiser) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW over two groups: kernels, and biases and norms.

    Only kernels decay; the second group's rate is ``bias_rate`` times the first's (the paper: 2).
    """
    trained = {name: p for name, p in net.named_parameters() if p.requires_grad}
    kernels = [p for p in trained.values() if p.ndim > 1]
    others = [p for p in trained.values() if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": config.weight_decay, "factor": 1.0},
        {"params": others, "weight_decay": 0.0, "factor": config.bias_rate},
    ]
    groups = [group for group in groups if group["params"]]
    if config.kind == "sgd":
        on_cpu = next(iter(trained.values())).device.type == "cpu"
        made, options = (InPlaceSGD, {}) if on_cpu else (torch.optim.SGD, {"fused": True})
        return made(groups, lr=config.rate, momentum=config.momentum, **options)
    # One pass over each array: AdamW in separate operations takes three times as long on a CPU.
    # Buffers must lie in memory as their parameters do (`state`); torch does not check.
    return torch.optim.AdamW(groups, lr=config.rate, betas=(config.momentum, 0.999), fused=True)


def as_they_come(config: Config) -> bool:
    """Whether each gradient is used up while the others are still computed (`train.sgd`).

    Not where a sum of several is wanted (accumulation, processes), or the norm of all (clipping).
    """
    machine = config.machine
    alone = config.length.accumulate * machine.devices * machine.nodes == 1
    in_place = config.optimiser.kind == "sgd" and pick_device(machine.device).type == "cpu"
    return alone and in_place and config.optimiser.clip is None


def rate_at(step: int, steps: int, config: Optimiser) -> float:
    """The rate of ``step``, from 0: linear warm-up times 1 or ``(1 - step/steps)^power``."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "fixed":
        return config.rate * warm
    return config.rate * warm * (1 - step / steps) ** config.power


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate, each group with its own factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def freeze(net: FCN) -> None:
    """Keep the backbone as it is: no gradients (its norms are held by ``hold_frozen``)."""
    for parameter in net.backbone.parameters():
        parameter.requires_grad_(False)


def hold_frozen(net: nn.Module) -> None:
    """After ``net.train()``: a frozen backbone goes on using its stored norm statistics."""
    backbone = net.backbone
    assert isinstance(backbone, nn.Module)
    if not any(p.requires_grad for p in backbone.parameters()):
        backbone.eval()
