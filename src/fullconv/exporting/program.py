"""The real net as a graph: torch.export of the module that trains and predicts, no second one."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fullconv.inference.class_map import Decision
from fullconv.inference.export_metadata import CLASSES, Description
from fullconv.models import FCN, Preprocessing

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
    if decision.logits:
        least = torch.tensor(decision.logits).view(-1, 1, 1)
        present = (scores >= least).to(torch.uint8)  # N,K,H,W
        return present[:, 0] if len(decision.logits) == 1 else present.permute(0, 2, 3, 1)
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
