"""Small nets to export."""

import torch

from fullconv.checkpoints import Checkpoint
from fullconv.classes import ClassSet
from fullconv.models import CAFFE, NetSpec, build

CLASSES = ClassSet(("sky", "road", "car"), ((1, 2, 3), (90, 0, 0), (0, 90, 0)))


def checkpoint(name, padding="same", classes=CLASSES, preprocessing=CAFFE, **options):
    """A small net whose scores differ from pixel to pixel."""
    torch.manual_seed(0)
    spec = NetSpec(name, len(classes), padding=padding, width=1 / 32, **options)
    net = build(spec)
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    return Checkpoint(net.eval(), classes, preprocessing, {"recipe": "none", "step": 3})
