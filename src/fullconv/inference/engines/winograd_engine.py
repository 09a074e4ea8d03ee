"""Torch with the wide convolutions by minimal filtering, on a CPU."""

from pathlib import Path

import torch

from fullconv.checkpoints import Checkpoint, load
from fullconv.device import keep_freed_memory, pick_device, pick_precision
from fullconv.errors import UserError
from fullconv.inference.engines.torch_engine import TorchEngine, opened_by
from fullconv.inference.open_predictor import OpenedNet
from fullconv.models.cpu_kernels.winograd import with_winograd
from fullconv.models.fold_batch_norm import folded


def open_winograd(path: str | Path, device: str = "auto", precision: str = "fp32") -> OpenedNet:
    """Open all that `fullconv.checkpoints.load` takes."""
    checkpoint = load(path)
    return opened_by(winograd_engine(checkpoint, device, precision), checkpoint)


def winograd_engine(
    checkpoint: Checkpoint, device: str | torch.device = "cpu", precision: str = "fp32"
) -> TorchEngine:
    """The net of a checkpoint by minimal filtering.

    The process then keeps the memory that it frees: tiles are carried over anew at each photo, and
    asking the system for it took a fifth of the time. The peak is the same.

    Raises UserError for another device than the CPU, and another precision than fp32.
    """
    place = pick_device(device)
    if place.type != "cpu" or pick_precision(precision, place) != "fp32":
        raise UserError(
            "engine winograd computes in fp32 on a CPU: use --device cpu --precision fp32, or "
            "engine torch",
            "FC-PREDICT-011",
        )
    keep_freed_memory()
    net = with_winograd(folded(checkpoint.net.eval()))
    engine = TorchEngine((net, checkpoint.preprocessing), "cpu", "fp32", checkpoint.classes)
    engine.prove_against(checkpoint)
    return engine
