"""Weights: fullconv's own checkpoints, foreign files, and how a training starts from either."""

from fullconv.weights.checkpoint import Checkpoint, save
from fullconv.weights.convert import Conversion, convert
from fullconv.weights.open import load
from fullconv.weights.start import StartReport, start_from

__all__ = [
    "Checkpoint",
    "Conversion",
    "StartReport",
    "convert",
    "load",
    "save",
    "start_from",
]
