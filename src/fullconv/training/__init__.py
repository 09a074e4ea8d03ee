"""Training: the config and its recipes, the loop, the folder of a run.

The names below, but for the recipes', load what they need when they are first used.
"""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names
from fullconv.recipes import recipe_names, recipe_text

if TYPE_CHECKING:
    from fullconv.training.config import Config
    from fullconv.training.config_sources import keys, make_config, read_config
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

__getattr__ = lazy_names(
    __name__,
    {
        "config": ["Config"],
        "config_sources": ["keys", "make_config", "read_config"],
        "signals": ["Interrupted"],
        "train_run": ["train"],
    },
)
