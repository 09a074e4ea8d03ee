"""Weights: fullconv's own checkpoints, foreign files, and how a training starts from either.

The names below load what they need when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "Checkpoint": "checkpoint",
    "Conversion": "conversion",
    "StartReport": "initialize",
    "convert": "conversion",
    "load": "open_weights",
    "save": "checkpoint",
    "start_from": "initialize",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fullconv.checkpoints' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fullconv.checkpoints.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
