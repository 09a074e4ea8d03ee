"""Weights: fullconv's own checkpoints, foreign files, and how a training starts from either.

The names below load what they need when they are first used.
"""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.checkpoints.checkpoint import Checkpoint, save
    from fullconv.checkpoints.conversion import Conversion, convert
    from fullconv.checkpoints.initialize import StartReport, start_from
    from fullconv.checkpoints.open_weights import load

__all__ = [
    "Checkpoint",
    "Conversion",
    "StartReport",
    "convert",
    "load",
    "save",
    "start_from",
]

__getattr__ = lazy_names(
    __name__,
    {
        "checkpoint": ("Checkpoint", "save"),
        "conversion": ("Conversion", "convert"),
        "initialize": ("StartReport", "start_from"),
        "open_weights": ("load",),
    },
)
