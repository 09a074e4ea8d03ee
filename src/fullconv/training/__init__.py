"""Training: the config and its recipes, the loop, the folder of a run.

The names below load what they need when they are first used: recipes need no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullconv.training.config import Config
    from fullconv.training.config_sources import keys, make_config, read_config
    from fullconv.training.recipes import recipe_names, recipe_text
    from fullconv.training.signals import Interrupted
    from fullconv.training.train_run import train

__all__ = [
    "Config",
    "Interrupted",
    "keys",
    "make_config",
    "read_config",
    "recipe_names",
    "recipe_text",
    "train",
]

_HOME = {
    "Config": "config",
    "Interrupted": "signals",
    "keys": "config_sources",
    "make_config": "config_sources",
    "read_config": "config_sources",
    "recipe_names": "recipes",
    "recipe_text": "recipes",
    "train": "train_run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fullconv.training' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fullconv.training.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
