"""The memory of a training step, estimated from the arrays that the net keeps; and its limits."""

import functools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch

from fullconv.device import MIB, computes_bf16, is_out_of_memory, peak_mib, pick_device
from fullconv.errors import UserError
from fullconv.models import NetSpec
from fullconv.models.analysis.saved_activations import Arrays, Part, parts_of
from fullconv.training.config.config import Config
from fullconv.training.config.sections_and_defaults import Compute
from fullconv.training.losses.banded import can_be_banded, is_worth_it
from fullconv.training.losses.criterion import all_banded
from fullconv.training.losses.photo_loss import band_of
from fullconv.training.optimizer import updates_in_backward

TOO_LARGE = "the net does not fit into memory"
CONTEXT = 512 * MIB  # what CUDA itself takes on a GPU, beside torch's arrays
LATER = 80 * MIB  # code and small things that a training loads as it goes (measured on a CPU)
COMPILER = 60 * MIB  # torch's, which its activation checkpointing imports (measured)


@dataclass(frozen=True)
class Estimate:
    """Bytes by use, at the moment of a step that needs the most.

    ``process`` is what there is without a training; ``weights`` come with their average and their
    copies in bf16, ``gradients`` are those that wait for the others by then, ``activations`` the
    arrays saved for the backward pass; ``working`` is what the layers at work need besides,
    ``head`` the logits of the photo's size with their loss. What an allocator keeps of freed
    memory is not in it: where memory is short, none is kept (`device.return_freed_memory`), and a
    step that runs out of it is tried again in smaller parts (`training.step`).
    """

    process: int
    weights: int
    optimizer: int
    gradients: int
    activations: int
    working: int
    head: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(asdict(self).values())


def estimate(config: Config, spec: NetSpec, size: tuple[int, int]) -> Estimate:
    """Memory of a training step on photos of ``size`` (H, W), from the layers' real shapes.

    Moments are compared: the loss, when all arrays are saved; then each part of the net in the
    backward pass, when what lies before it is still saved, gradients from the last layer to it
    exist (unless they are used up as they come), and its own layers work. Where batches are
    accumulated all gradients exist from the second on.
    """
    parts = parts_of(spec, size)
    frozen = [p for p in parts if config.net.freeze_backbone and p.number is not None]
    trained = parts[len(frozen) :]
    moments = [_moment(config, parts, trained, trained, None, _head(config, spec, size))]
    moments += [_moment(config, parts, trained, trained[:at], p) for at, p in enumerate(trained)]
    moments += [_moment(config, parts, trained, (), part) for part in frozen]  # the forward pass
    return max(moments, key=lambda moment: moment.total)


def _moment(
    config: Config,
    parts: Sequence[Part],
    trained: Sequence[Part],
    before: Sequence[Part],
    at_work: Part | None,
    head: int = 0,
) -> Estimate:
    """When what the ``trained`` parts ``before`` save is still there, and one is ``at_work``."""
    compute, many = config.compute, config.schedule.accumulate > 1
    on_gpu, halved = pick_device(compute.device).type == "cuda", compute.precision == "bf16"
    waiting = trained if many else trained[len(before) :]
    ahead = [] if updates_in_backward(config) else _weights(waiting)
    held: list[Arrays] = [part.held(compute.activation_checkpointing) for part in before]
    working: list[int] = []
    if at_work and at_work in trained:
        held.append(at_work.saved)
        # The gradient that is computed; of torch's kernels on a CPU oneDNN has a copy of it too.
        copies = 1 if on_gpu or has_cpu_kernels(compute) else 2
        working = [max(at_work.weights, default=0)] * (copies + many)
    if at_work:  # the gradients of what a layer puts out and takes
        working += [at_work.widest * (2 if halved else 4) * config.schedule.batch_size] * 2
    buffers = 2 if config.optimizer.kind == "adamw" else int(config.optimizer.momentum > 0)
    blocks = {
        "weights": _weights(parts) * (1 + (config.optimizer.ema is not None)),
        "optimizer": _weights(trained) * buffers,
        "gradients": ahead,
        "activations": _arrays(held, config.schedule.batch_size, halved),
        "working": working,
        "head": [head],
    }
    if halved:
        blocks["weights"] = [*blocks["weights"], *(size // 2 for size in _weights(parts))]
    used = {use: sum(sizes) for use, sizes in blocks.items()}
    process = at_rest(compute.device)
    if compute.activation_checkpointing:
        process += compiler_to_come()
    return Estimate(process=process, **used)


def has_cpu_kernels(compute: Compute) -> bool:
    """Whether large layers train with the kernels of `models.cpu_kernels.convolutions`."""
    on_cpu = pick_device(compute.device).type == "cpu"
    plain = compute.precision == "fp32" and compute.channels_last
    return on_cpu and plain and compute.cpu_kernels == "auto"


def _weights(parts: Sequence[Part]) -> list[int]:
    return [size for part in parts for size in part.weights]


def _arrays(held: Sequence[Arrays], batch: int, halved: bool) -> list[int]:
    """Bytes of arrays for a batch, each counted once; where ``halved``, floats are bf16."""
    arrays = {key: array for part in held for key, array in part.items()}
    sizes = (n * (2 if halved and width == 4 else width) for n, width in arrays.values())
    return [batch * size for size in sizes]


def _head(config: Config, spec: NetSpec, size: tuple[int, int]) -> int:
    """The bytes of a batch's scores at the photo's size and their loss, or of a band of them."""
    batch = config.schedule.batch_size
    pixels = size[0] * size[1] * batch
    in_bands = all_banded(config.loss) and can_be_banded(spec)
    return (
        5 * band_of(pick_device(config.compute.device))
        if in_bands and is_worth_it(spec, batch, size)
        else pixels * (spec.classes * 4 * 4 + 40)
    )


@functools.cache
def at_rest(device: str) -> int:
    """The bytes in use before the first net, the same for all later ones.

    Of the GPU what CUDA itself takes; else that of this process, with Python and torch.
    """
    compiler_to_come()  # settled at the same moment
    picked = pick_device(device)
    return peak_mib(picked) * MIB + (CONTEXT if picked.type == "cuda" else LATER)


@functools.cache
def compiler_to_come() -> int:
    """Bytes that torch's compiler adds to `at_rest` once it is imported; 0 where it was already."""
    return 0 if "torch._dynamo" in sys.modules else COMPILER


def advice(config: Config) -> str:
    """The next options to change, best first, in one sentence."""
    options = []
    if config.compute.precision == "fp32" and computes_bf16(pick_device(config.compute.device)):
        options.append("compute.precision=bf16")
    if config.schedule.batch_size > 1:
        half = config.schedule.batch_size // 2
        twice = config.schedule.accumulate * 2
        if updates_in_backward(config):  # accumulated gradients would have to exist together
            options.append(f"schedule.batch_size={half} (half as many photos a step)")
        else:
            options.append(
                f"schedule.batch_size={half} with schedule.accumulate={twice} "
                "(as many photos a step)"
            )
    if config.augment.crop is None:
        options.append("augment.crop smaller than the photos")
    else:
        options.append(f"augment.crop below {config.augment.crop[0]}x{config.augment.crop[1]}")
    unclipped = config.optimizer.model_copy(update={"clip": None})
    if updates_in_backward(config) != updates_in_backward(
        config.model_copy(update={"optimizer": unclipped})
    ):
        options.append("optimizer.clip=none (gradients are then applied as they are computed)")
    if config.net.padding == "paper":
        options.append("net.padding=same")
    if config.optimizer.kind == "adamw":
        options.append("optimizer.kind=sgd")
    if config.optimizer.ema is not None:
        options.append("optimizer.ema=none")
    return "to lower it: " + ", then ".join([*options[:3], "a smaller net (net.width=0.5)"])


@contextmanager
def memory_watched(config: Config, what: str) -> Iterator[None]:
    """Turns running out of memory into a UserError: ``what`` happened, and what lowers it."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f"{what}; {advice(config)}", "FC-TRAIN-006") from error
