"""Weights: fullconv's own checkpoints, foreign files, and how a training starts from either."""

from fullconv.checkpoints.checkpoint import Checkpoint, save
from fullconv.checkpoints.convert import Conversion, convert
from fullconv.checkpoints.initialize import StartReport, start_from
from fullconv.checkpoints.load import load

__all__ = [
    "Checkpoint",
    "Conversion",
    "StartReport",
    "convert",
    "load",
    "save",
    "start_from",
]
