"""The nets: backbones as data, one FCN class, and what there is to know about each."""

from fullconv.models.analysis.explain import Explanation, explain
from fullconv.models.analysis.summary import Summary, summarise
from fullconv.models.fcn import FCN, build
from fullconv.models.preprocessing import CAFFE, TORCH, Preprocessing
from fullconv.models.spec import BACKBONES, NetSpec, available

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
    "summarise",
]
