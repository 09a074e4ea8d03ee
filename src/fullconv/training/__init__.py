"""Training: the config and its recipes, the loop, the folder of a run."""

from fullconv.recipes import recipe_names, recipe_text
from fullconv.training.config import Config
from fullconv.training.config_sources import keys, make_config, read_config
from fullconv.training.loop import Interrupted
from fullconv.training.train import train

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
