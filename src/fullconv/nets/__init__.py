"""The nets: backbones as data, one FCN class, and what there is to know about each."""

from fullconv.nets.explain import Explanation, explain
from fullconv.nets.fcn import FCN, build
from fullconv.nets.preprocessing import CAFFE, TORCH, Preprocessing
from fullconv.nets.spec import BACKBONES, NetSpec, available
from fullconv.nets.summary import Summary, summarise

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
