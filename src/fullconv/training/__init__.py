"""Training: the config and its recipes, the loop, the folder of a run.

The names below load what they need when they are first used.
"""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.training.config.config import Config
    from fullconv.training.config.config_keys import keys
    from fullconv.training.config.config_sources import make_config, read_config
    from fullconv.training.recipes import recipe_names, recipe_text
    from fullconv.training.run.signals import Interrupted
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
        "config.config": ["Config"],
        "config.config_keys": ["keys"],
        "config.config_sources": ["make_config", "read_config"],
        "recipes": ["recipe_names", "recipe_text"],
        "run.signals": ["Interrupted"],
        "train_run": ["train"],
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
