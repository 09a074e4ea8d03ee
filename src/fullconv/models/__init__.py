"""The nets: backbones as data, one FCN class, and what there is to know about each.

The names below load what they need when they are first used: `NetSpec` and `available` need no
torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullconv.models.analysis.cost import Summary, summarize
    from fullconv.models.analysis.explain import Explanation, explain
    from fullconv.models.fcn import FCN, build
    from fullconv.models.preprocessing import CAFFE, TORCH, Preprocessing
    from fullconv.models.registry import BACKBONES, available
    from fullconv.models.spec import NetSpec

__all__ = [
    "BACKBONES",
    "CAFFE",
    "FCN",
    "TORCH",
    "Explanation",
    "NetSpec",
    "Preprocessing",
    "Summary",
    "available",
    "build",
    "explain",
    "summarize",
]

_HOME = {
    "BACKBONES": "registry",
    "CAFFE": "preprocessing",
    "FCN": "fcn",
    "TORCH": "preprocessing",
    "Explanation": "analysis.explain",
    "NetSpec": "spec",
    "Preprocessing": "preprocessing",
    "Summary": "analysis.cost",
    "available": "registry",
    "build": "fcn",
    "explain": "analysis.explain",
    "summarize": "analysis.cost",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fullconv.models' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fullconv.models.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
