"""Fully convolutional networks for semantic segmentation.

    import fullconv

    run = fullconv.train("photos/", "runs/first", overrides={"length.epochs": 20})
    print(fullconv.evaluate(run, "photos/").mean_iu)
    fullconv.Predictor(run)("photo.jpg").save("pictures/photo")

The names below load what they need when they are first used.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fullconv.version import __version__

if TYPE_CHECKING:
    from fullconv.classes import ClassSet
    from fullconv.compare import benchmark_engines
    from fullconv.data import (
        Dataset,
        Sample,
        from_albumentations,
        from_huggingface,
        from_pairs,
        from_torchvision,
        open_source,
    )
    from fullconv.errors import UserError
    from fullconv.evaluate import evaluate
    from fullconv.export import export
    from fullconv.nets import NetSpec, build, explain
    from fullconv.predict import Predictor, predict
    from fullconv.train import train
    from fullconv.weights import load

__all__ = [
    "ClassSet",
    "Dataset",
    "NetSpec",
    "Predictor",
    "Sample",
    "UserError",
    "__version__",
    "benchmark_engines",
    "build",
    "evaluate",
    "explain",
    "export",
    "from_albumentations",
    "from_huggingface",
    "from_pairs",
    "from_torchvision",
    "load",
    "open_source",
    "predict",
    "train",
]

_HOME = {
    "ClassSet": "fullconv.classes",
    "Dataset": "fullconv.data",
    "NetSpec": "fullconv.nets",
    "Predictor": "fullconv.predict",
    "Sample": "fullconv.data",
    "UserError": "fullconv.errors",
    "benchmark_engines": "fullconv.compare",
    "build": "fullconv.nets",
    "evaluate": "fullconv.evaluate",
    "explain": "fullconv.nets",
    "export": "fullconv.export",
    "from_albumentations": "fullconv.data",
    "from_huggingface": "fullconv.data",
    "from_pairs": "fullconv.data",
    "from_torchvision": "fullconv.data",
    "load": "fullconv.weights",
    "open_source": "fullconv.data",
    "predict": "fullconv.predict",
    "train": "fullconv.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fullconv' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps the functions evaluate, export, predict, train after the modules of that name load.

    Importing ``fullconv.train`` would otherwise put the module in the function's place.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
