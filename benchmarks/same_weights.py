"""One FCN-8s of VGG16 in the form of each peer, so that their class maps can be compared.

Random weights that keep the size of what goes through, and score layers under which each class of
each stride is the best somewhere. The best class wins by little everywhere, so rounding changes
more pixels than with a trained net: the agreement in the tables is a lower bound.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fullconv.checkpoints import convert, save
from fullconv.geometry import tent
from fullconv.models import CAFFE, FCN, NetSpec, build
from photos import photo_of

CLASSES = 21
NET = "fcn8s-vgg16"
SCORES = {"score.32": "score_fr", "score.16": "score_pool4", "score.8": "score_pool3"}
UPSCORES = {"upscore2": 4, "upscore_pool4": 4, "upscore8": 16}  # the kernel of each


@dataclass(frozen=True)
class SameWeights:
    """The files: of pytorch-fcn, of Chainer, and of this project in both paddings."""

    pytorch: Path
    chainer: Path
    paper: Path
    same: Path


def make(folder: Path, width: float = 1.0) -> SameWeights:
    """Write what is not yet in ``folder``; two gigabytes in all at the peers' ``width``."""
    files = SameWeights(
        folder / "fcn8s.pth",
        folder / "fcn8s.npz",
        folder / "paper.safetensors",
        folder / "same.safetensors",
    )
    if not files.same.exists():
        arrays = _torchfcn_names(_random_net(width))
        torch.save(arrays, files.pytorch)
        np.savez(files.chainer, **_chainer_names(arrays))  # pyright: ignore[reportArgumentType]
        save(files.paper, convert(files.pytorch, padding="paper").checkpoint)
        save(files.same, convert(files.pytorch, padding="same").checkpoint)
    return files


@torch.no_grad()
def _random_net(width: float) -> FCN:
    torch.manual_seed(0)
    net = build(NetSpec(NET, CLASSES, padding="paper", width=width)).eval()
    photo = torch.from_numpy(photo_of((188, 250)).copy())[None]
    maps = net.backbone(CAFFE(photo))
    for stride, features in maps.items():
        layer = net.score[str(stride)]
        assert isinstance(layer, torch.nn.Conv2d) and layer.bias is not None
        torch.nn.init.normal_(layer.weight)
        layer.weight /= layer(features).std((0, 2, 3))[:, None, None, None]
        layer.bias -= layer(features).mean((0, 2, 3))
    return net


def _torchfcn_names(net: FCN) -> dict[str, Tensor]:
    """The state dict of torchfcn.models.FCN8s, as `foreign.pytorch_nets` reads it."""
    found = {}
    for name, tensor in net.state_dict().items():
        layer, kind = name.removeprefix("backbone.").rsplit(".", 1)
        found[f"{SCORES.get(layer, layer)}.{kind}"] = tensor
    for name, kernel in UPSCORES.items():
        axis = torch.tensor([float(w) for w in tent(kernel)])
        weight = torch.zeros(CLASSES, CLASSES, kernel, kernel)
        weight[range(CLASSES), range(CLASSES)] = torch.outer(axis, axis)
        found[f"{name}.weight"] = weight
    return found


def _chainer_names(arrays: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """As chainer.serializers.save_npz names them: LAYER/W and LAYER/b."""
    kinds = {"weight": "W", "bias": "b"}
    split = {name: name.rsplit(".", 1) for name in arrays}
    return {f"{layer}/{kinds[k]}": arrays[name].numpy() for name, (layer, k) in split.items()}
