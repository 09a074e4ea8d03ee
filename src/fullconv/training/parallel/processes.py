"""The processes of a training: one, as almost always, or those that Lightning Fabric joins.

`OneProcess` has the few methods of `lightning_fabric.Fabric` that a training calls, with the same
numbers. Importing Fabric takes nearly as long as importing torch: several processes alone do it.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import torch
from torch import Tensor, nn

from fullconv.device import pick_device
from fullconv.errors import UserError
from fullconv.training.config.config import Config
from fullconv.training.config.sections_and_defaults import Compute
from fullconv.training.parallel import launcher, peers

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment

_RANKS = ("RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # as Fabric asks them

Processes = Union["OneProcess", "Fabric"]
"""The processes of a training, one or several."""


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
        """The value of the first process, which is ``value``."""
        return value

    def barrier(self) -> None:
        """Nothing to wait for."""


def are_several(compute: Compute) -> bool:
    """Whether a config asks for more than one process."""
    return count_of(compute) > 1


def count_of(compute: Compute) -> int:
    """How many processes a config asks for; a device by its number, as cuda:1, is one alone."""
    return compute.nodes * (1 if ":" in compute.device else compute.devices)


def processes_of(config: Config) -> Processes:
    """The process or processes of a config, which `together` has started."""
    compute = config.compute
    if not are_several(compute):
        return OneProcess(_indexed(pick_device(compute.device)), compute.precision == "bf16")
    fabric = _fabric(compute)
    fabric.launch()
    return fabric


_MOST_FOR_A_CORE = 4
"""Processes: more only wait for one another, and each takes hundreds of MB."""


def _check_count(compute: Compute) -> None:
    """UserError for more processes on a CPU than it can run: a typing error starts hundreds."""
    most = _MOST_FOR_A_CORE * (os.cpu_count() or 1)
    if compute.devices > most and pick_device(compute.device).type == "cpu":
        raise UserError(
            f"compute.devices: {compute.devices} processes on a CPU of {os.cpu_count()} cores, "
            f"{most} at most; one uses all cores: leave it out",
            "FC-CONFIG-013",
        )


@contextmanager
def together(config: Config, out: Path) -> Iterator[None]:
    """All processes of a config started and connected; an end of one is the end of all.

    UserError where they cannot be; `Lost` where one dies within it, in the one that tells the user.
    ``out`` is the run folder that it names.
    """
    if not are_several(config.compute):
        yield
        return
    _check_count(config.compute)
    fabric = _fabric(config.compute)
    cluster: ClusterEnvironment = fabric.strategy.cluster_environment  # pyright: ignore
    with ExitStack() as start:
        if not cluster.creates_processes_externally:
            given = os.environ.get("MASTER_PORT")
            port = int(given) if given else start.enter_context(launcher.reserved_port())
            launcher.start_others(config.compute.devices, cluster.main_address, port)
        start.enter_context(launcher.starting(out))
        _launch(fabric)
        with peers.connected(fabric, out, start.close):
            yield


def rank(compute: Compute) -> int:
    """The number of this process among those that train together, also before they have met."""
    if not are_several(compute):
        return 0
    for name in _RANKS:
        if os.environ.get(name):
            return int(os.environ[name])
    on_a_machine = count_of(compute) // compute.nodes
    machine_rank = int(os.environ.get("NODE_RANK") or os.environ.get("GROUP_RANK") or 0)
    return machine_rank * on_a_machine + int(os.environ.get("LOCAL_RANK") or 0)


def is_first() -> bool:
    """Whether this process is the first, or the only one, of the training that it has been in."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def in_first(work: Callable[[], object]) -> None:
    """``work`` in the first process, while the others wait, also for hours."""
    several = peers.current()
    if several is None:
        work()
    else:
        several.after_first(work)


def gathered(fabric: Processes, value: Any) -> list[Any] | None:
    """The ``value`` of each process, in their order, in the first one; None in the others."""
    if fabric.world_size == 1:
        return [value]
    values = [None] * fabric.world_size if fabric.global_rank == 0 else None
    torch.distributed.gather_object(value, values, dst=0)
    return values


def _indexed(device: torch.device) -> torch.device:
    """cuda as cuda:0."""
    return torch.device("cuda", 0) if device.type == "cuda" and device.index is None else device


def _launch(fabric: "Fabric") -> None:
    """Join the others; UserError where what has started them has started other ones."""
    try:
        fabric.launch()
    except ValueError as error:
        raise UserError(
            f"compute.devices, compute.nodes: {str(error).split(' HINT')[0]}", "FC-CONFIG-013"
        ) from error


def _fabric(compute: Compute) -> "Fabric":
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    # Its hints are about things decided here.
    warnings.filterwarnings("ignore", module="lightning_fabric")
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device, _, index = compute.device.partition(":")
    try:
        return Fabric(
            accelerator={"auto": "auto", "cpu": "cpu"}.get(device, device),
            strategy=DDPStrategy(),
            devices=[int(index)] if index else compute.devices,
            num_nodes=compute.nodes,
            precision="bf16-mixed" if compute.precision == "bf16" else "32-true",
        )
    except Exception as error:
        if type(error).__name__ != "MisconfigurationException":
            raise
        reason = " ".join(str(error).split())
        raise UserError(f"compute.devices: {reason}", "FC-CONFIG-013") from error
