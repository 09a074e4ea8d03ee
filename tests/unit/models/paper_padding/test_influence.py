"""Reached parts and rims against what real layers do, shown NaN and shown nothing."""

from functools import cache
from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from fullconv.geometry import Window
from fullconv.models import FCN, NetSpec, build
from fullconv.models.backbones.backbone import Backbone
from fullconv.models.paper_padding.border import FRAMED, axes_of, layers_of
from fullconv.models.paper_padding.influence import Axis, Cut, Windows, cut, seen

NETS = [
    "fcn8s-vgg16", "fcn8s-caffenet", "fcn8s-alexnet", "fcn8s-alexnet_owt", "fcn8s-googlenet",
    "fcn8s-googlenet_bn", "fcn8s-resnet18", "fcn8s-resnet50_dilated",
]  # fmt: skip
SIZES = [1, 2, 33, 75, 200]


@cache
def net(name: str) -> FCN:
    torch.manual_seed(0)
    made = build(NetSpec(name, 3, padding="paper", width=1 / 32)).eval().double()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d) and module.bias is not None:
            nn.init.uniform_(module.bias, 0.1, 0.5)
    return made


def backbone(name: str) -> Backbone:
    found = net(name).backbone
    assert isinstance(found, Backbone)
    return found


def windows(name: str) -> list[Windows]:
    return [layer.windows for layer in layers_of(net(name).spec.definition, backbone(name))]


def exact(name: str, size: int) -> list[Axis]:
    """The padded photo and the map behind each layer."""
    axes = [Axis(size + 200, 100, 100 + size)]
    for each in windows(name):
        axes.append(axes[-1].through(each))
    return axes


def columns(name: str, photo: Tensor) -> list[Tensor]:
    """What every layer says of a photo of one column, along its middle: C,h."""
    found = []
    with torch.no_grad():
        for module in backbone(name).children():
            photo = module(photo)
            found.append(photo[0, :, :, photo.shape[3] // 2].clone())
    return found


@pytest.mark.parametrize("name", NETS)
def test_reached_is_what_a_photo_of_nan_spoils(name: str) -> None:
    for size in SIZES:
        said = columns(name, torch.full((1, 3, size, 1), float("nan"), dtype=torch.float64))
        for column, axis in zip(said, exact(name, size)[1:], strict=True):
            assert column.shape[1] == axis.size
            spoilt = column.isnan().any(0).nonzero().flatten().tolist()
            assert spoilt == list(range(axis.start, axis.stop))


@pytest.mark.parametrize("name", NETS)
def test_without_a_photo_only_the_rims_differ_from_what_lies_between(name: str) -> None:
    """In VGG16 all of them do; a last pooling window that overhangs need not differ."""
    compared = 0
    for size in SIZES:
        said = columns(name, torch.zeros(1, 3, size, 1, dtype=torch.float64))
        for column, axis in zip(said, exact(name, size)[1:], strict=True):
            if axis.near + axis.far < axis.size:
                compared += 1
                between = column[:, axis.near, None]
                off = (column - between).abs() > 1e-13 * column.abs().max()
                differ = off.any(0).nonzero().flatten().tolist()
                rims = [*range(axis.near), *range(axis.size - axis.far, axis.size)]
                assert set(differ) <= set(rims)
                assert name != "fcn8s-vgg16" or differ == rims
    assert compared >= 5 * len(SIZES)


@pytest.mark.parametrize("name", NETS)
def test_what_is_computed(name: str) -> None:
    """No more than is reached, but of fine maps all that the next layer sees.

    And once a photo reaches all of a map, it does so in all that follow.
    """
    layers = windows(name)
    strides = [1]
    for each in layers:
        strides.append(strides[-1] * prod(window.stride for window in each))
    for size in [*range(1, 70), 375, 500]:
        axes = axes_of(layers, size)
        whole = [axis.whole for axis in axes]
        assert whole == sorted(whole)
        assert whole[-1]
        for number, reached in enumerate(exact(name, size)):
            if number == 0 or strides[number] >= FRAMED:
                assert axes[number] == reached
                continue
            first, last = seen(layers[number], axes[number + 1])
            assert axes[number].start == min(first, reached.start)
            assert axes[number].stop == max(last, reached.stop)


@given(
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    pad=st.integers(0, 3),
    ceil=st.booleans(),
    size=st.integers(1, 60),
    near=st.integers(0, 10),
    far=st.integers(0, 10),
)
def test_a_sample_has_all_rims_behind_it(kernel, stride, pad, ceil, size, near, far) -> None:
    windows = [Window("", kernel, stride, min(pad, kernel // 2), ceil=ceil)]
    if near + far >= size:
        near, far = size, 0
    axis = Axis(size, 0, size, near, far)
    behind = axis.through(windows)
    if behind.size < 1:
        return
    sample = axis.sample(windows)
    assert (size - sample.size) % stride == 0
    after = sample.through(windows)
    assert after.size == behind.sampled
    if behind.near + behind.far < behind.size:
        assert (after.near, after.far) == (behind.near, behind.far)
        assert sample.size > near + far


def test_cuts_of_a_convolution_and_of_a_block() -> None:
    conv = [Window("conv", 3, pad=1)]
    before = Axis(30, 10, 20)
    behind = before.through(conv)
    assert (behind.start, behind.stop, behind.near, behind.far) == (9, 21, 1, 1)
    assert cut(conv, before, behind, bare=True) == Cut(8, 22, slice(0, 12))
    assert cut(conv, before, behind, bare=False) == Cut(8, 22, slice(1, 13))
    assert cut(conv, Axis(30, 0, 30), Axis(30, 0, 30), bare=False) == Cut(0, 30, slice(0, 30))
    block = [Window("a", 3, 2, pad=1), Window("b", 3, pad=1)]
    behind = before.through(block)
    assert (behind.start, behind.stop) == (4, 12)
    # Of the map between, 3 to 13 are seen, of the map before 5 to 26; the grid begins at 4.
    assert seen(block, behind) == (5, 26)
    assert cut(block, before, behind, bare=False) == Cut(4, 26, slice(2, 10))
