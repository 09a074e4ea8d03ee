"""Fully convolutional networks for semantic segmentation.

    import fullconv

    run = fullconv.train("photos/", "runs/first", overrides={"schedule.epochs": 20})
    print(fullconv.evaluate(run, "photos/").mean_iu)
    fullconv.Predictor(run)("photo.jpg").save("pictures/photo")

The names below load what they need when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fullconv.version import __version__

if TYPE_CHECKING:
    from fullconv.benchmark import benchmark_engines
    from fullconv.calibration.temperature_scaling import calibrate
    from fullconv.checkpoints import load
    from fullconv.classes import ClassSet
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
    from fullconv.evaluation import evaluate
    from fullconv.exporting import export
    from fullconv.inference import Predictor, predict, predict_video
    from fullconv.models import NetSpec, build, explain
    from fullconv.training import train

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
    "calibrate",
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
    "predict_video",
    "train",
]

_HOME = {
    "ClassSet": "fullconv.classes",
    "Dataset": "fullconv.data",
    "NetSpec": "fullconv.models",
    "Predictor": "fullconv.inference",
    "Sample": "fullconv.data",
    "UserError": "fullconv.errors",
    "benchmark_engines": "fullconv.benchmark",
    "build": "fullconv.models",
    "calibrate": "fullconv.calibration.temperature_scaling",
    "evaluate": "fullconv.evaluation",
    "explain": "fullconv.models",
    "export": "fullconv.exporting",
    "from_albumentations": "fullconv.data",
    "from_huggingface": "fullconv.data",
    "from_pairs": "fullconv.data",
    "from_torchvision": "fullconv.data",
    "load": "fullconv.checkpoints",
    "open_source": "fullconv.data",
    "predict": "fullconv.inference",
    "predict_video": "fullconv.inference",
    "train": "fullconv.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fullconv' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
