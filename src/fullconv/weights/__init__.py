"""Weights: fullconv's own checkpoints, and how a training starts from one."""

from fullconv.weights.checkpoint import Checkpoint, load, save
from fullconv.weights.start import StartReport, start_from

__all__ = ["Checkpoint", "StartReport", "load", "save", "start_from"]
