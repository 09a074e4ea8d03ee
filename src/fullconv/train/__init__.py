"""Training: the config and its recipes, the loop, the folder of a run."""

from fullconv.train.config import Config
from fullconv.train.configure import (
    keys,
    make_config,
    read_config,
    recipe_names,
    recipe_text,
)
from fullconv.train.loop import Interrupted
from fullconv.train.train import train

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
