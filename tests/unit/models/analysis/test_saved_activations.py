"""What is foretold to be kept, against the memory that is alive after a real way forward."""

import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fullconv.models import NetSpec, build
from fullconv.models.analysis.saved_activations import parts_of


class Alive(TorchDispatchMode):
    """Bytes of all memory that was made by torch inside and still exists."""

    def __init__(self):
        super().__init__()
        self.sizes = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                memory = tensor.untyped_storage()
                if memory._cdata not in self.sizes:
                    self.sizes[memory._cdata] = memory.nbytes()
                    weakref.finalize(memory, self.sizes.pop, memory._cdata)
        return made


def alive(spec, size, recomputed):
    """Bytes after the way forward of one image, in training, that the scores hold."""
    net = build(spec).train()
    net.recompute(recomputed)
    with Alive() as memory:
        scores = net.scores(torch.randn(1, spec.in_channels, *size))
        own = sum(score.untyped_storage().nbytes() for score in scores.values())
        return sum(memory.sizes.values()) - own


def foretold(spec, size, recomputed):
    arrays = {}
    for part in parts_of(spec, size):
        arrays |= part.held(recomputed)
    return sum(count * each for count, each in arrays.values())


@pytest.mark.parametrize("recomputed", [0, 1, 3, 99])
@pytest.mark.parametrize(
    "spec",
    [
        NetSpec("fcn8s-vgg16", 5, width=0.125),
        NetSpec("fcn8s-caffenet", 5, width=0.25),
        NetSpec("fcn4s-resnet18", 5, width=0.25),
        NetSpec("fcn8s-resnet50", 5, width=0.125, dropout=0.3),
        NetSpec("fcn4s-googlenet", 5, width=0.25),
        NetSpec("fcn8s-resnet18", 5, width=0.25, streams=(3, 3)),
        NetSpec("fcn32s-vgg16", 5, width=0.125, padding="paper"),
        NetSpec("fcn8s-atonce-vgg16", 5, width=0.125),
        NetSpec("fpn4s-resnet18", 5, width=0.25),
    ],
    ids=lambda spec: f"{spec.name}-{spec.padding}-{len(spec.streams)}",
)
def test_what_is_alive_after_the_way_forward(spec, recomputed):
    """Batch norm's means and the state of the generator are small, and left out: within 3 %."""
    size = (160, 200)
    assert foretold(spec, size, recomputed) == pytest.approx(
        alive(spec, size, recomputed), rel=0.03
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(32, 300), st.integers(32, 300), st.integers(0, 7))
def test_recomputing_more_never_keeps_more(height, width, recomputed):
    spec = NetSpec("fcn8s-vgg16", 5, width=0.125)
    assert foretold(spec, (height, width), recomputed + 1) <= foretold(
        spec, (height, width), recomputed
    )


@pytest.mark.parametrize("name", ["fcn4s-resnet18", "fpn4s-resnet18"])
def test_weights_are_those_of_the_net(name):
    spec = NetSpec(name, 5, width=0.25, streams=(3, 1))
    sizes = sorted(size for part in parts_of(spec, (64, 64)) for size in part.weights)
    assert sizes == sorted(p.numel() * 4 for p in build(spec).parameters())
