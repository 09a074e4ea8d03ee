"""The complete state of a training in one safetensors file, for a resume that is exact.

Order of the data, augmentation and dropout follow from the seed and the step, so there is no
random state to keep: weights, averaged weights, the optimizer's buffers, and a few numbers. The
last two states are kept, each with a checksum over all of it: a newest one that is damaged costs
the steps since the one before, not the run.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fullconv.checkpoints.checkpoint import check_fit
from fullconv.checkpoints.checkpoint_file import FORMAT, KEY, read_tensors, write_tensors
from fullconv.errors import UserError
from fullconv.files.file_errors import errors_name

FILE = Path("resume") / "state.safetensors"
BEFORE = Path("resume") / "before.safetensors"
"""The state that was the newest before `FILE` was written."""
KIND = "training state"


@dataclass
class Progress:
    """The numbers of a run. ``step`` counts finished steps; sums are since the last row.

    ``logged`` is the step of the last row of log.csv; ``row_due`` says that the row of ``step``,
    with its validation where one is due, has not been written yet. ``micro_batch`` is how many
    photos go through the net together since a step ran out of memory; None: those of the config.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    step: int = 0
    best: float = -1.0
    start: float | None = None
    loss_sum: float = 0.0
    plain_sum: float = 0.0
    summed_steps: int = 0
    seen_warnings: list[str] = field(default_factory=list)
    validations_since_best: int = 0
    logged: int = 0
    row_due: bool = False
    micro_batch: int | None = None


class DamagedState(UserError):
    """A state file that cannot be read whole; the one before it may be."""


def save_state(
    run: Path,
    net: torch.nn.Module,
    averaged: torch.nn.Module | None,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write the state of a run, whole or not at all, and keep the one that was there.

    OSError passes through.
    """
    tensors = {f"net.{name}": t for name, t in net.state_dict().items()}
    if averaged is not None:
        tensors |= {f"averaged.{name}": t for name, t in averaged.state_dict().items()}
    tensors |= _buffers(optimizer)
    numbers = asdict(progress)
    header = {"format": FORMAT, "kind": KIND, "progress": numbers}
    header["checksum"] = checksum(numbers, tensors)
    _keep(run / FILE, run / BEFORE)
    write_tensors(run / FILE, tensors, {KEY: json.dumps(header)})


def checksum(numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the numbers, and over name, shape and bytes of every array by its name."""
    digest = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name].detach().to("cpu").contiguous()
        digest.update(f"{name} {tuple(array.shape)} {array.dtype}".encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _keep(newest: Path, before: Path) -> None:
    """Give the newest state its second name: at no moment there is none."""
    if not newest.is_file():
        return
    linked = before.with_name(f".{before.name}.link.part")
    linked.unlink(missing_ok=True)
    if before.is_file() and before.samefile(newest):  # killed here: then a rename leaves both names
        return
    with errors_name(before):
        try:
            os.link(newest, linked)
        except OSError:  # a file system without links
            shutil.copyfile(newest, linked)
        os.replace(linked, before)


def load_state(
    run: Path,
    net: torch.nn.Module,
    averaged: torch.nn.Module | None,
    optimizer: torch.optim.Optimizer,
    warn: Callable[[str], object] = lambda _: None,
) -> Progress | None:
    """Put the newest state back that is whole; None when the run was killed before it saved any.

    ``warn`` is called with a line where the newest is damaged and the one before it is taken.
    Raises UserError where none is whole, and where a state does not belong to this run's config.
    """
    path, progress, tensors = _newest(run, warn)
    if progress is None:
        return None
    _restore(path, net, _named(tensors, "net."))
    if averaged is not None:
        _restore(path, averaged, _named(tensors, "averaged."))
    _restore_buffers(path, optimizer, _named(tensors, "optimizer."))
    return progress


def step_of(run: Path) -> int:
    """The step of the newest state that is whole, 0 without any, from the heads of the files.

    Cheaper than `load_state`, which also verifies the arrays.
    """
    for path in _states(run):
        with suppress(SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError):
            with safe_open(path, "numpy") as file:
                numbers = json.loads((file.metadata() or {})[KEY])["progress"]
            return _progress(numbers).step
    return 0


def _states(run: Path) -> list[Path]:
    return [run / name for name in (FILE, BEFORE) if (run / name).is_file()]


def _newest(
    run: Path, warn: Callable[[str], object]
) -> tuple[Path, Progress | None, dict[str, Tensor]]:
    damage: list[DamagedState] = []
    for path in _states(run):
        try:
            progress, tensors = _verified(path)
        except DamagedState as error:
            damage.append(error)
            continue
        if damage or path.name == BEFORE.name:
            reason = str(damage[0]) if damage else f"{run / FILE}: is missing"
            warn(f"{reason}; resuming from the state before it, at step {progress.step}")
        return path, progress, tensors
    if damage:
        raise UserError(
            f"{damage[0]}; no other state is whole: start over with --overwrite, or start a new "
            f"run from its best weights, --weights {run}",
            damage[0].code,
        )
    return run / FILE, None, {}


def _verified(path: Path) -> tuple[Progress, dict[str, Tensor]]:
    """Numbers and arrays of a state; DamagedState unless its checksum is right."""
    try:
        header, tensors = read_tensors(path)
    except UserError as error:
        raise DamagedState(str(error), "FC-TRAIN-002") from error
    except (ValueError, RuntimeError, TypeError, OverflowError, RecursionError) as error:
        raise DamagedState(f"{path}: is damaged ({error})", "FC-TRAIN-002") from error
    if header.get("kind") != KIND:
        raise DamagedState(f"{path}: is no {KIND}", "FC-TRAIN-002")
    numbers = header.get("progress")
    if not isinstance(numbers, dict) or checksum(numbers, tensors) != header.get("checksum"):
        raise DamagedState(f"{path}: is damaged, its checksum is wrong", "FC-TRAIN-002")
    try:
        return _progress(numbers), tensors
    except ValidationError as error:
        first = error.errors()[0]
        what = ".".join(map(str, first["loc"]))
        raise DamagedState(
            f"{path}: is no {KIND} of this version ({what}: {first['msg']})", "FC-TRAIN-002"
        ) from error


def _progress(numbers: Any) -> Progress:
    """The numbers of a header; ValidationError unless all are there and of the right type."""
    return TypeAdapter(Progress).validate_json(json.dumps(numbers))


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _restore(path: Path, module: torch.nn.Module, tensors: dict[str, Tensor]) -> None:
    try:
        check_fit(path, module.state_dict(), tensors)
    except UserError as error:
        raise _other_run(f"{error}") from error
    module.load_state_dict(tensors)


def _other_run(message: str) -> UserError:
    return UserError(f"{message}; it belongs to another config than this run's", "FC-TRAIN-003")


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
    path: Path, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        if not number.isdecimal() or int(number) >= len(parameters):
            raise _other_run(f"{path}: has more trained arrays than the config's net")
        parameter = parameters[int(number)]
        if tensor.ndim and tensor.shape != parameter.shape:
            raise _other_run(f"{path}: optimizer.{key} has shape {tuple(tensor.shape)}")
        state.setdefault(int(number), {})[name] = _laid_out(tensor, parameter)
    whole = optimizer.state_dict()
    if not _are_of(whole["param_groups"][0], state.values()):
        raise _other_run(f"{path}: belongs to another optimizer than the config's")
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def _are_of(group: Mapping[str, Any], buffers: Iterable[Mapping[str, Tensor]]) -> bool:
    """Whether buffers are those of the optimizer that ``group`` belongs to, AdamW or SGD."""
    names = {"exp_avg", "exp_avg_sq", "step"} if "betas" in group else {"momentum_buffer"}
    return all(set(named) == names for named in buffers)


def _laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A buffer in its parameter's order in memory: torch's fused optimizers go by that alone."""
    if tensor.shape != parameter.shape:  # a count of steps
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def check_steps(run: Path, done: int, steps: int | None) -> None:
    """UserError where more steps are ``done`` than a run is to have; None: not known yet."""
    if steps is not None and done > steps:
        raise UserError(
            f"{run}: {done} steps are done already, and the run would end at step {steps}: give "
            "schedule.steps or epochs beyond that",
            "FC-TRAIN-008",
        )
