"""Small nets whose scores differ from pixel to pixel, and run folders with one in them."""

from pathlib import Path

import torch

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import CAMVID, ClassSet
from fullconv.models import FCN, TORCH, NetSpec, build


def small_net(
    classes: int, name: str = "fcn8s-resnet18", width: float = 1 / 16, padding: str = "same"
) -> FCN:
    """A narrow net, its score layers random (new ones are zero), ready to predict."""
    torch.manual_seed(0)
    net = build(NetSpec(name, classes, width=width, padding=padding))
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    return net.eval()


def small_run(
    folder: Path, classes: ClassSet = CAMVID, name: str = "fcn8s-resnet18", **options
) -> Path:
    """The folder, with a checkpoint of such a net in it."""
    net = small_net(len(classes), name, **options)
    save(folder / "model.safetensors", Checkpoint(net, classes, TORCH))
    return folder
