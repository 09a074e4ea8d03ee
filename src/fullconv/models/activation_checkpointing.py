"""Activation checkpointing: parts of a backbone computed again in the backward pass.

Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): of a segment only the input is kept;
when the gradient arrives, the segment runs once more from it. The first segments of a classifier
hold the largest maps and little of the arithmetic.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from fullconv.models.steps import Step

Segment = tuple[str, ...]
"""The names of steps that follow one another."""


def segments_of(steps: tuple[Step, ...]) -> tuple[Segment, ...]:
    """All steps by name, cut behind each that ends a segment."""
    found: list[list[str]] = [[]]
    for step in steps:
        found[-1].append(step.name)
        if step.ends_segment:
            found.append([])
    return tuple(tuple(names) for names in found if names)


def run_again(net: nn.Module, run: Callable[..., Any], *inputs: Any) -> Any:
    """``run(*inputs)``, a part of ``net``, kept as its inputs only and run again for its gradient.

    Dropout draws the same numbers again, and batch norm does not count the batch a second time, so
    nothing but time and memory is changed.
    """
    return checkpoint(
        run, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _norms_held(net))
    )


@contextmanager
def _norms_held(net: nn.Module) -> Iterator[None]:
    """Batch norms of ``net`` count into copies of their running statistics."""
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    held = [(norm, name, b) for norm in norms for name, b in norm.named_buffers(recurse=False)]
    for norm, name, buffer in held:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in held:
            setattr(norm, name, buffer)
