"""The nets: backbones as data, one FCN class, and what there is to know about each.

The names below load what they need when they are first used: `NetSpec` and `available` need no
torch.
"""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

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

__getattr__ = lazy_names(
    __name__,
    {
        "analysis.cost": ("Summary", "summarize"),
        "analysis.explain": ("Explanation", "explain"),
        "fcn": ("FCN", "build"),
        "preprocessing": ("CAFFE", "TORCH", "Preprocessing"),
        "registry": ("BACKBONES", "available"),
        "spec": ("NetSpec",),
    },
)
