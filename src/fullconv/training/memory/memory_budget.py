"""A training within a limit of memory: the cheapest way whose estimate fits.

The photos of a step stay as they are asked for. Tried in this order:

1. as asked;
2. activation checkpointing of the first segments of the backbone, the fewest that suffice: the same
   result, for at most a third more time;
3. smaller parts of the batch, the largest first, accumulated: the same gradient, but batch norm
   takes its mean over each part.

On a CPU freed memory is returned to the system at once where there is a limit, so that the process
holds what it uses.
"""

import math
from collections.abc import Iterator

import torch
from torch import nn

from fullconv.device import (
    GIB,
    MIB,
    bytes_of,
    keep_freed_memory,
    memory_of,
    pick_device,
    return_freed_memory,
)
from fullconv.errors import UserError
from fullconv.inference.tiled_prediction import longest
from fullconv.models import NetSpec
from fullconv.models.analysis.cost import meta_net, prediction_bytes
from fullconv.models.analysis.saved_activations import parts_of
from fullconv.models.fcn import tile_geometry
from fullconv.training.config.config import Config
from fullconv.training.memory.step_memory import CONTEXT, Estimate, advice, estimate


def within(config: Config, spec: NetSpec, size: tuple[int, int]) -> Config:
    """The config with the way that fits its ``compute.memory``; as it is where there is no limit.

    ``size`` is (H, W) of what is trained on. Raises UserError, with the least that it takes, where
    nothing fits.
    """
    if config.compute.memory is None:
        return config
    limit = bytes_of(config.compute.memory)
    needs: list[tuple[int, Config]] = []
    for way in _ways(config, spec, size):
        needs.append((estimate(way, spec, size).total, way))
        if needs[-1][0] <= limit:
            return way
    least, way = min(needs, key=lambda need: need[0])
    raise UserError(
        f"{_amount(limit)} of memory do not suffice: {spec.name} at {size[0]}x{size[1]} takes at "
        f"least {_amount(least, up=True)} ({way_of(way, spec, size)}); {advice(needs[-1][1])}",
        "FC-TRAIN-006",
    )


def _ways(config: Config, spec: NetSpec, size: tuple[int, int]) -> Iterator[Config]:
    """The configs of all ways to do the same training, the cheapest first."""
    schedule, first = config.schedule, config.compute.activation_checkpointing
    photos, last = schedule.batch_size * schedule.accumulate, max(_segments(spec, size), first + 1)
    for batch in (n for n in range(schedule.batch_size, 0, -1) if photos % n == 0):
        part = schedule.model_copy(update={"batch_size": batch, "accumulate": photos // batch})
        for again in range(first, last):
            compute = config.compute.model_copy(update={"activation_checkpointing": again})
            yield config.model_copy(update={"schedule": part, "compute": compute})


def _segments(spec: NetSpec, size: tuple[int, int]) -> int:
    return 1 + max(part.number for part in parts_of(spec, size) if part.number is not None)


def summary(config: Config, spec: NetSpec, size: tuple[int, int]) -> str:
    """The line about the way that was chosen for the limit."""
    schedule = config.schedule
    line = (
        f"{_amount(bytes_of(config.compute.memory or ''))} allowed; {spec.name} at "
        f"{size[0]}x{size[1]}, batch {schedule.batch_size * schedule.accumulate}: "
        f"{way_of(config, spec, size)}; about "
        f"{_amount(estimate(config, spec, size).total, up=True)}"
    )
    if schedule.accumulate > 1 and norms_see_parts(config, spec):
        line += f" (batch norm takes its mean over each part of {schedule.batch_size})"
    return line


def way_of(config: Config, spec: NetSpec, size: tuple[int, int]) -> str:
    """How the photos of a step are computed, in words: 'as 4 parts of 1, conv1_1 to pool2 ...'."""
    schedule, again = config.schedule, config.compute.activation_checkpointing
    way = (
        f"as {schedule.accumulate} parts of {schedule.batch_size}"
        if schedule.accumulate > 1
        else "at once"
    )
    if not again:
        return way
    names = [n for p in parts_of(spec, size) if p.number is not None and p.number < again
             for n in p.names]  # fmt: skip
    return f"{way}, {names[0]} to {names[-1]} checkpointed"


def norms_see_parts(config: Config, spec: NetSpec) -> bool:
    """Whether a net's batch norms take their mean over what goes through it together."""
    is_frozen = config.net.freeze_batch_norm is True and not spec.is_pyramid
    return not is_frozen and any(isinstance(m, nn.BatchNorm2d) for m in meta_net(spec).modules())


def check_possible(config: Config, spec: NetSpec, size: tuple[int, int]) -> None:
    """UserError where not even one photo at a time fits into the memory that there is.

    Said before anything is written: a system ends a process that asks for more without a word.
    """
    there = memory_of(pick_device(config.compute.device))
    schedule = config.schedule
    single = schedule.model_copy(update={"batch_size": 1, "accumulate": 1})
    photos = schedule.batch_size * schedule.accumulate * size[0] * size[1] * (spec.in_channels + 1)
    need = max(estimate(config.model_copy(update={"schedule": single}), spec, size).total, photos)
    if there is not None and need > there:
        raise UserError(
            f"out of memory: {spec.name} at {size[0]}x{size[1]} takes at least "
            f"{_amount(need, up=True)}, and there are {_amount(there)}; {advice(config)}",
            "FC-TRAIN-006",
        )


def enforce(config: Config) -> None:
    """Prepare the process for its limit, and hold it to that where it can be done, on a GPU."""
    device, memory = pick_device(config.compute.device), config.compute.memory
    if device.type == "cpu":
        keep_freed_memory() if memory is None else return_freed_memory()
    if device.type == "cuda" and memory is not None:
        whole = torch.cuda.get_device_properties(device).total_memory
        share = (bytes_of(memory) - CONTEXT) / whole
        # Not the device itself: a plain "cuda" has no index, which is an error there.
        torch.cuda.set_per_process_memory_fraction(min(max(share, 0.0), 1.0), device.index)


def longest_tile(
    config: Config, spec: NetSpec, need: Estimate, photo: tuple[int, int]
) -> int | None:
    """The longest side of the tiles in which a ``photo`` (H, W) is validated; None: it is whole.

    What is left of the limit beside the weights and the optimizer's buffers is for its activations.
    Nets that resize their scores cannot be cut.
    """
    if config.compute.memory is None or spec.resizes_scores:
        return None
    room = bytes_of(config.compute.memory) - need.process - need.weights - need.optimizer
    if prediction_bytes(spec, *photo, scores=False) <= room:
        return None
    geometry = tile_geometry(spec)
    return longest(spec, geometry.grid, geometry.least, room, scores=False)


def _amount(size: int, up: bool = False) -> str:
    """To a tenth, or whole MiB below one; ``up``: not less than it is."""
    rounded = math.ceil if up else round
    if size < GIB:
        return f"{rounded(size / MIB)} MiB"
    return f"{rounded(10 * size / GIB) / 10} GiB"
