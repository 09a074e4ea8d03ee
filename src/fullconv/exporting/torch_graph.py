"""The real net as a graph: torch.export of the module that trains and predicts, no second one.

An `UnsavedGraph` is run and compared before it is written. In float16 the features are computed so;
the photo's preprocessing, the score layers and the upsampling of their maps stay in float32, where
scores that differ by little decide, and so does what goes in and comes out.
"""

import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import Tensor, nn

from fullconv.checkpoints.exported_program import with_checksums
from fullconv.files.atomic import write_atomically
from fullconv.inference.class_map import Decision
from fullconv.inference.engines.graph_engine import KEY
from fullconv.inference.export_metadata import CLASSES, Description
from fullconv.models import FCN, Preprocessing
from fullconv.models.fold_batch_norm import fold_batch_norm

Array = npt.NDArray[Any]


class UnsavedGraph(Protocol):
    """A graph that is not written yet, as its runtime has read it back."""

    @property
    def bytes(self) -> int:
        """Size of the graph and its weights, without the checksum that is written behind them."""
        ...

    def run(self, batch: Array) -> Array:
        """Run the graph on its input (`Description.shape`); the output (`shape_out`)."""
        ...

    def write(self, path: Path) -> list[Path]:
        """Write the file, whole or not at all; the paths written."""
        ...


class TorchGraph:
    """A program of torch.export, in the bytes of its ``.pt2`` file."""

    def __init__(self, program: torch.export.ExportedProgram, description: Description) -> None:
        file = io.BytesIO()
        text = with_checksums(description.to_json(), program.state_dict)
        torch.export.save(program, file, extra_files={KEY: text})
        self.content = file.getvalue()
        self.module = torch.export.load(io.BytesIO(self.content)).module()  # what was just written

    @property
    def bytes(self) -> int:
        return len(self.content)

    def run(self, batch: Array) -> Array:
        with torch.no_grad():
            return self.module(torch.from_numpy(batch)).numpy()

    def write(self, path: Path) -> list[Path]:
        write_atomically(path, self.content)
        return [path]


# Sizes that the net is traced with; odd, so that nothing is even by chance.
TRACED = (2, 75, 101)


class PhotoNet(nn.Module):
    """The net, with its preprocessing before it where the graph is to have it.

    With ``maps`` the score maps are given beside the scores, so that they keep a name in the graph;
    with a ``decision`` the classes instead of the scores.
    Input N,H,W,C with preprocessing, else N,C,H,W. The attribute ``net`` names the arrays in the
    exported program (`fullconv.checkpoints.exported_program`).
    """

    def __init__(
        self,
        net: FCN,
        preprocessing: Preprocessing | None,
        maps: bool = False,
        decision: Decision | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.preprocessing = preprocessing
        self.maps = maps
        self.decision = decision

    def forward(self, image: Tensor) -> tuple[Tensor, ...] | Tensor:
        """Scores N,K,H,W; with ``maps`` those of `FCN.maps` behind them, N,K,h,w.

        With a ``decision`` the class of each pixel, uint8 N,H,W, or N,H,W,outputs.
        """
        if self.preprocessing:
            # Plain order in memory: channels-last ties the program to a batch of more than one.
            image = self.preprocessing(image).contiguous()  # N,C,H,W
        if self.decision:
            return _classes(self.net(image), self.decision)
        if not self.maps:
            return self.net(image)
        maps = self.net.maps(image)
        size = image.shape[-2], image.shape[-1]
        return self.net.upsampled(maps, size), *maps.values()


def _classes(scores: Tensor, decision: Decision) -> Tensor:
    """N,K,H,W to the best class of each output, counted from the first of all.

    Of overlapping classes 1 where a class is, else 0.
    """
    if decision.threshold_logits:
        least = torch.tensor(decision.threshold_logits).view(-1, 1, 1)
        present = (scores >= least).to(torch.uint8)  # N,K,H,W
        return present[:, 0] if len(decision.threshold_logits) == 1 else present.permute(0, 2, 3, 1)
    parts = decision.outputs
    best = [scores[:, part].argmax(1).add(part.start).to(torch.uint8) for part in parts]  # N,H,W
    return best[0] if len(best) == 1 else torch.stack(best, -1)


def trace(net: FCN, description: Description) -> torch.export.ExportedProgram:
    """The program of ``net`` for any batch, height and width, or for the one size."""
    inside = description.preprocessing if description.preprocess else None
    decision = Decision.of(description.classes) if description.output == CLASSES else None
    module = PhotoNet(net.cpu().eval(), inside, bool(description.maps), decision).eval()
    batch, height, width = (1, *description.size) if description.size else TRACED
    channels = description.channels
    shape = (batch, channels, height, width)
    if inside:
        shape = (batch, height, width, channels)
    image = torch.zeros(shape, dtype=getattr(torch, description.dtype))
    any_size = torch.export.Dim.DYNAMIC
    axes = (0, 1, 2) if inside else (0, 2, 3)
    dynamic = None if description.size else (dict.fromkeys(axes, any_size),)
    with _sizes_of_one_too(), quiet(), torch.no_grad():
        return torch.export.export(module, (image,), dynamic_shapes=dynamic, strict=False)


@contextmanager
def _sizes_of_one_too() -> Iterator[None]:
    """Let the program hold for every size.

    Otherwise torch treats 1 as a size of its own: the program would refuse photos so small that a
    score map has one pixel, and with some nets others too.
    """
    from torch.fx.experimental import _config

    with _config.patch(backed_size_oblivious=True):  # pyright: ignore
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's notes on packages and deprecations that are no user's concern."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


class _HalfBackbone(nn.Module):
    """A backbone in float16: float32 N,C,H,W to float32 {stride: N,C,h,w}."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone.half()

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        return {stride: map_.float() for stride, map_ in self.backbone(images.half()).items()}


class _HalfPyramid(nn.Module):
    """A pyramid in float16: float32 maps {stride: N,C,h,w} to the finest, float32."""

    def __init__(self, pyramid: nn.Module) -> None:
        super().__init__()
        self.pyramid = pyramid.half()

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        maps = self.pyramid({stride: map_.half() for stride, map_ in features.items()})
        return {stride: map_.float() for stride, map_ in maps.items()}


class _WideNorm(nn.Module):
    """A local response normalisation in float32: it sums squares, which float16 does not hold."""

    def __init__(self, norm: nn.LocalResponseNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.float()).to(x.dtype)


def in_half(net: FCN) -> FCN:
    """A copy of ``net`` that computes its features in float16, to be traced.

    Batch norms are folded first: their variances need not fit into float16.
    """
    half = copy.deepcopy(fold_batch_norm(net.eval())).eval()
    for module in list(half.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.LocalResponseNorm):
                setattr(module, name, _WideNorm(child))
    half.backbone = _HalfBackbone(half.backbone)  # pyright: ignore
    if half.pyramid is not None:
        half.pyramid = _HalfPyramid(half.pyramid)  # pyright: ignore
    return half
