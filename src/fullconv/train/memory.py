"""What a run will need of memory, said before the start, and which option lowers it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from fullconv.device import MIB, computes_bf16, is_out_of_memory, peak_mib, pick_device
from fullconv.errors import UserError
from fullconv.nets import NetSpec
from fullconv.nets.cost import costs, meta_net, total
from fullconv.train.banded import can_be_banded, is_worth_it
from fullconv.train.config import Config
from fullconv.train.photo_loss import band_of


@dataclass(frozen=True)
class Estimate:
    """Bytes by use. ``activations`` counts what all layers put out, kept for the way back."""

    process: int
    weights: int
    optimiser: int
    activations: int
    head: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.process + self.weights + self.optimiser + self.activations + self.head


def estimate(config: Config, spec: NetSpec, size: tuple[int, int]) -> Estimate:
    """Memory of a training step on photos of ``size`` (H, W), from the layers' real shapes.

    What the process has already (Python, torch), weights with their gradients (and the averaged
    weights), the optimiser's buffers, the outputs of all layers (half as large in bf16), and the
    scores with their loss and gradient: a band of them, or all where the loss needs that.
    """
    net = meta_net(spec)
    parameters = sum(p.numel() for p in net.parameters()) * 4
    copies = 2 + (config.optimiser.ema is not None)
    buffers = 2 if config.optimiser.kind == "adamw" else int(config.optimiser.momentum > 0)
    share = 0.5 if config.machine.precision == "bf16" else 1.0
    found = total(costs(net, *size), "backbone").activation_bytes
    banded = can_be_banded(spec) and is_worth_it(spec, config.length.batch, size)
    pixels = size[0] * size[1] * config.length.batch
    device = pick_device(config.machine.device)
    return Estimate(
        process=peak_mib(device) * MIB,
        weights=parameters * copies,
        optimiser=parameters * buffers,
        activations=int(found * config.length.batch * share),
        head=5 * band_of(device) if banded else int(pixels * spec.classes * 4 * (2 + share * 2)),
    )


def advice(config: Config) -> str:
    """The next options to turn, best first, in one sentence."""
    found = []
    if config.machine.precision == "fp32" and computes_bf16(pick_device(config.machine.device)):
        found.append("machine.precision=bf16")
    if config.length.batch > 1:
        half = config.length.batch // 2
        twice = config.length.accumulate * 2
        found.append(f"length.batch={half} with length.accumulate={twice} (as many photos a step)")
    if config.augment.crop is None:
        found.append("augment.crop smaller than the photos")
    else:
        found.append(f"augment.crop below {config.augment.crop[0]}x{config.augment.crop[1]}")
    if config.net.padding == "paper":
        found.append("net.padding=same")
    if config.optimiser.kind == "adamw":
        found.append("optimiser.kind=sgd")
    return "to lower it: " + ", then ".join([*found[:3], "a smaller net (net.width=0.5)"])


@contextmanager
def memory_watched(config: Config, what: str) -> Iterator[None]:
    """Turns running out of memory into a UserError: ``what`` happened, and the options to turn."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f"{what}; {advice(config)}") from error
