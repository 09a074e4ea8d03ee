"""The complete state of a training in one safetensors file, for a resume that is exact.

Order of the data, augmentation and dropout follow from the seed and the step, so there is no
random state to keep: weights, averaged weights, the optimizer's buffers, and a few numbers.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullconv.checkpoints.checkpoint import check_fit
from fullconv.checkpoints.safetensors_file import FORMAT, KEY, read_tensors, write_tensors
from fullconv.errors import UserError

FILE = Path("resume") / "state.safetensors"
KIND = "training state"


@dataclass
class Progress:
    """The numbers of a run. ``step`` counts finished steps; sums are since the last row."""

    step: int = 0
    best: float = -1.0
    start: float | None = None
    loss_sum: float = 0.0
    plain_sum: float = 0.0
    summed_steps: int = 0
    seen_warnings: list[str] = field(default_factory=list)
    validations_since_best: int = 0


def save_state(
    run: Path,
    net: torch.nn.Module,
    averaged: torch.nn.Module | None,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write the state of a run, whole or not at all."""
    tensors = {f"net.{name}": t for name, t in net.state_dict().items()}
    if averaged is not None:
        tensors |= {f"averaged.{name}": t for name, t in averaged.state_dict().items()}
    tensors |= _buffers(optimizer)
    header = {"format": FORMAT, "kind": KIND, "progress": asdict(progress)}
    write_tensors(run / FILE, tensors, {KEY: json.dumps(header)})


def load_state(
    run: Path,
    net: torch.nn.Module,
    averaged: torch.nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> Progress | None:
    """Put the saved state back; None when the run was killed before it saved any.

    Raises UserError when the file does not belong to this run's config.
    """
    path = run / FILE
    if not path.is_file():
        return None
    header, tensors = read_tensors(path)
    if header.get("kind") != KIND:
        raise UserError(f"{path}: is no {KIND}; start a new run")
    _restore(path, net, _part(tensors, "net."))
    if averaged is not None:
        _restore(path, averaged, _part(tensors, "averaged."))
    _restore_buffers(path, optimizer, _part(tensors, "optimizer."))
    try:
        numbers = dict(header["progress"])
        numbers.pop("log_bytes", None)  # of version 0.1: rows of the log go by their steps now
        return Progress(**numbers)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: is no training state of this version ({error})") from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _restore(path: Path, module: torch.nn.Module, tensors: dict[str, Tensor]) -> None:
    check_fit(path, module.state_dict(), tensors)
    module.load_state_dict(tensors)


def _buffers(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Buffers by parameter number and name: ``optimizer.12.exp_avg``."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"optimizer.{number}.{name}": value
        for number, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def _restore_buffers(
    path: Path, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        if int(number) >= len(parameters):
            raise UserError(f"{path}: has more trained arrays than the config's net")
        state.setdefault(int(number), {})[name] = _laid_out(tensor, parameters[int(number)])
    whole = optimizer.state_dict()
    if any(
        ("betas" in whole["param_groups"][0]) != ("exp_avg" in found) for found in state.values()
    ):
        raise UserError(f"{path}: belongs to another optimizer than the config's")
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def _laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A buffer in its parameter's order in memory: torch's fused optimizers go by that alone."""
    if tensor.shape != parameter.shape:  # a count of steps
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype, device=tensor.device).copy_(tensor)
