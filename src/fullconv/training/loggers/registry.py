"""The loggers that come with fullconv, by name; each is a file of its own and loads when asked."""

import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fullconv.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from fullconv.training.loggers.logger import Logger

LOGGERS = {
    "tensorboard": ("fullconv.training.loggers.tensorboard", "TensorBoardLogger"),
    "mlflow": ("fullconv.training.loggers.mlflow", "MLflowLogger"),
    "wandb": ("fullconv.training.loggers.wandb", "WandbLogger"),
}
"""Module and class by name; the name is also that of the package that the logger needs."""


def check_names(names: Iterable[str]) -> None:
    """UserError for a name that is no logger, or is given twice."""
    seen: set[str] = set()
    for name in names:
        if name not in LOGGERS:
            hint = did_you_mean(name, LOGGERS) or f"there are {', '.join(LOGGERS)}"
            raise UserError(f"no logger is called {name[:60]!r}: {hint}", "FC-CONFIG-015")
        if name in seen:
            raise UserError(f"the logger {name!r} is named twice", "FC-CONFIG-015")
        seen.add(name)


def make_loggers(names: Iterable[str]) -> "list[Logger]":
    """The loggers of these names; UserError for one whose package is not installed."""
    names = list(names)
    check_names(names)
    for name in names:
        if find_spec(name) is None:
            raise UserError(
                f"the logger {name!r} needs the package {name}: pip install {name}, or all of them "
                "by pip install 'fullconv[track]'",
                "FC-TRAIN-014",
            )
    return [_made(*LOGGERS[name]) for name in names]


def _made(module: str, kind: str) -> "Logger":
    return getattr(importlib.import_module(module), kind)()
