"""Class maps in blocks: against argmax of all scores, and no tensor that is as large as those."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from fullconv.classes import ClassSet
from fullconv.inference import TorchEngine
from fullconv.inference.class_map import Decision, best_classes, highest, in_rows
from fullconv.models import CAFFE, NetSpec, build
from fullconv.models.cpu_kernels import banded_upsampling as enlargement

NAMES = [
    "fcn32s-vgg16", "fcn16s-vgg16", "fcn8s-vgg16", "fcn4s-vgg16", "fcn32s-resnet18",
    "fcn8s-resnet18", "fcn4s-resnet50", "fcn2s-resnet18", "fcn8s-caffenet", "fcn16s-caffenet",
    "fcn8s-googlenet", "fcn8s-googlenet_bn", "fcn8s-resnet50_dilated",
]  # fmt: skip
TWO = ClassSet.joint({"kind": ClassSet(("a", "b", "c")), "slope": ClassSet(("d", "e"))})


@given(
    st.tuples(st.integers(1, 5), st.sampled_from([1, 2, 9, 256, 257, 300]), st.integers(1, 6)),
    st.permutations([0, 1, 2]),
    st.integers(1, 40),
)
def test_the_highest_is_torchs_argmax_ties_included(shape, order, values):
    """Few different ``values``, so that many are equal; every order of the axes in memory."""
    generator = torch.Generator().manual_seed(values)
    sizes = [shape[axis] for axis in order]
    scores = torch.randint(0, values, sizes, generator=generator).float()
    scores = scores.permute([order.index(axis) for axis in range(3)])  # R,K,W
    assert scores.shape == shape
    assert torch.equal(highest(scores).long(), torch.tensor(scores.numpy().argmax(1)))


@pytest.mark.parametrize("classes", [(3, 2), (200, 200), (300,)])
def test_each_output_has_its_own_channels(classes):
    scores = torch.randn(sum(classes), 7, 5)
    starts = np.cumsum([0, *classes])
    parts = [slice(int(a), int(b)) for a, b in pairwise(starts)]
    found = best_classes(in_rows(scores), (7, 5), Decision(tuple(parts)))
    wanted = np.stack([scores.numpy()[p].argmax(0) + p.start for p in parts], -1).squeeze()
    assert found.dtype == (np.uint8 if sum(classes) <= 256 else np.uint16)
    assert np.array_equal(found, wanted)


@cache
def engine(name, padding, outputs):
    torch.manual_seed(0)
    net = build(NetSpec(name, 5, padding=padding, width=1 / 8))
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    return TorchEngine((net, CAFFE), "cpu", classes=TWO if outputs == 2 else None)


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(NAMES),
    padding=st.sampled_from(["same", "same", "paper"]),
    outputs=st.sampled_from([1, 2]),
    height=st.integers(1, 75),
    width=st.integers(1, 75),
    rows=st.integers(1, 80),
)
def test_a_class_map_is_the_argmax_of_the_nets_scores(name, padding, outputs, height, width, rows):
    made = engine(name, padding, outputs)
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    before, enlargement.BAND = enlargement.BAND, rows * 5 * width * 4
    try:
        found = made.class_map(image)
    finally:
        enlargement.BAND = before
    with torch.inference_mode():
        scores = made.net.eval()(CAFFE(torch.from_numpy(image)[None]))[0].numpy()
    planes = found[..., None] if outputs == 1 else found
    for number, part in enumerate(made.head.decision.outputs):
        own, plane = scores[part], planes[..., number].astype(int) - part.start
        chosen = np.take_along_axis(own, plane[None], 0)[0]
        near = own.max(0) - chosen  # above 0 only where rounding decides
        assert near.max() <= 2e-5 * np.abs(scores).max()
        assert np.mean(plane == own.argmax(0)) > 0.999 or (near > 0).sum() <= 1


class Watch(TorchDispatchMode):
    """Notes the bytes of the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(made)[0]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        return made


@pytest.mark.parametrize(
    ("name", "height", "width"), [("fcn8s-vgg16", 700, 900), ("fcn8s-resnet18", 2000, 3000)]
)
def test_many_classes_need_no_more_than_the_maps_and_a_block(name, height, width):
    """Scores of 150 classes on 2000x3000 are 3.4 GiB."""
    torch.manual_seed(0)
    made = TorchEngine((build(NetSpec(name, 150, width=1 / 16)), CAFFE), "cpu")
    image = np.zeros((height, width, 3), np.uint8)
    with torch.inference_mode(), Watch() as alone:
        made.net.eval().maps(CAFFE(torch.from_numpy(image)[None]))
    with Watch() as watch:
        assert made.class_map(image).shape == (height, width)
    assert watch.largest <= max(alone.largest, enlargement.BAND)
    assert watch.largest * 5 < 150 * height * width * 4
