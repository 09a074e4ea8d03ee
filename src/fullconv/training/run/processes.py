"""The processes of a training: one, as almost always, or those that Lightning Fabric joins.

`OneProcess` has the few methods of `lightning_fabric.Fabric` that a training calls, with the same
numbers. Importing Fabric takes nearly as long as importing torch: several processes alone do it.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Union

import torch
from torch import Tensor, nn

from fullconv.device import pick_device
from fullconv.training.config.config import Config
from fullconv.training.config.sections_and_defaults import Machine

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # as Fabric asks them

Processes = Union["OneProcess", "Fabric"]
"""What computes and talks for a training."""


class OneProcess:
    """A training in this process alone, on one device."""

    world_size, global_rank, is_global_zero = 1, 0, True

    def __init__(self, device: torch.device, bf16: bool = False) -> None:
        self.device, self.bf16 = device, bf16
        if device.type == "cuda":
            torch.cuda.set_device(device)

    def setup(self, net: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
        """Net and optimizer as they are."""
        return net, optimizer

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Layers compute in bfloat16 within it, where that is the precision."""
        with torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext():
            yield

    def backward(self, loss: Tensor) -> None:
        """The gradients of ``loss``."""
        loss.backward()

    def no_backward_sync(self, net: nn.Module, enabled: bool = True) -> AbstractContextManager:
        """Nothing: there is no other process to wait for."""
        return nullcontext()

    def all_reduce(self, value: Tensor, reduce_op: str = "sum") -> Tensor:
        """``value`` over all processes, that is itself."""
        return value

    def broadcast(self, value: Any) -> Any:
        """What the first process has, that is ``value``."""
        return value

    def barrier(self) -> None:
        """Nothing to wait for."""


def are_several(machine: Machine) -> bool:
    """Whether a config asks for more than one process."""
    return machine.nodes > 1 or (machine.devices > 1 and ":" not in machine.device)


def processes_of(config: Config) -> Processes:
    """The process or processes of a config, started or joined."""
    machine = config.machine
    if not are_several(machine):
        return OneProcess(_indexed(pick_device(machine.device)), machine.precision == "bf16")
    return _fabric(machine)


def rank(machine: Machine) -> int:
    """The number of this process among those that train together, also before they have met."""
    if not are_several(machine):
        return 0
    return next((int(os.environ[name]) for name in _RANKS if os.environ.get(name)), 0)


def _indexed(device: torch.device) -> torch.device:
    """cuda as cuda:0."""
    return torch.device("cuda", 0) if device.type == "cuda" and device.index is None else device


def _fabric(machine: Machine) -> "Fabric":
    from lightning_fabric import Fabric

    # Its hints are about things decided here.
    warnings.filterwarnings("ignore", module="lightning_fabric")
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device, _, index = machine.device.partition(":")
    fabric = Fabric(
        accelerator={"auto": "auto", "cpu": "cpu"}.get(device, device),
        devices=[int(index)] if index else machine.devices,
        num_nodes=machine.nodes,
        precision="bf16-mixed" if machine.precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric
