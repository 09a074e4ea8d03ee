"""Convolutions by minimal filtering, against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fullconv.geometry import Window
from fullconv.models import NetSpec, build
from fullconv.models.cpu_kernels import minimal_filtering, winograd
from fullconv.models.cpu_kernels.minimal_filtering import TILES, matrices
from fullconv.models.cpu_kernels.winograd import WinogradConv, gains, with_winograd
from fullconv.models.layers import ConvReLU


@pytest.fixture(autouse=True)
def _for_small_maps(monkeypatch):
    monkeypatch.setattr(winograd, "FEWEST_TILES", 1)
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)


@pytest.mark.parametrize(("m", "r"), TILES.items())
def test_the_matrices_correlate(m, r):
    data, kernel, result = matrices(m, r)
    d, g = torch.randn(m + r - 1).double(), torch.randn(r).double()
    wanted = d.unfold(0, r, 1) @ g
    torch.testing.assert_close(result @ ((kernel @ g) * (data @ d)), wanted)


def test_against_the_matrices_of_lavin_and_gray():
    """F(2,3) up to the signs of pairs: 4 products for 2 outputs, data without multiplications."""
    data, _, result = matrices(2, 3)
    assert data.shape == (4, 4)
    assert result.shape == (2, 4)
    assert set(data.abs().flatten().tolist()) == {0.0, 1.0}
    assert set(result.abs().flatten().tolist()) == {0.0, 1.0}


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(TILES)), st.integers(0, 3), st.integers(7, 30), st.integers(7, 30),
    st.integers(1, 2), st.booleans(), st.integers(1, 4000),
)  # fmt: skip
def test_against_torchs_convolution(kernel, pad, height, width, batch, relu, strip):
    """In double precision, so that only a mistake can show; strips of any size."""
    window = Window("conv", kernel, 1, pad, channels=6)
    conv = ConvReLU(5, window) if relu else nn.Conv2d(5, 6, kernel, padding=pad, bias=False)
    conv = conv.double().requires_grad_(False)
    if conv.bias is not None:
        nn.init.normal_(conv.bias)
    x = torch.randn(batch, 5, height, width).double()
    before, minimal_filtering.STRIP = minimal_filtering.STRIP, strip
    try:
        found = WinogradConv(conv)(x)
    finally:
        minimal_filtering.STRIP = before
    torch.testing.assert_close(found, conv(x))
    assert found.stride(1) == 1


def test_small_maps_take_the_convolution_itself(monkeypatch):
    monkeypatch.setattr(winograd, "FEWEST_TILES", 5)
    conv = nn.Conv2d(4, 4, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 4, 8, 8)  # 4 tiles
    assert torch.equal(WinogradConv(conv)(x), conv(x))


@pytest.mark.parametrize("layer", [
    nn.Conv2d(8, 8, 3, stride=2), nn.Conv2d(8, 8, 3, dilation=2), nn.Conv2d(8, 8, 5),
    nn.Conv2d(8, 8, (3, 1)), nn.Conv2d(8, 8, 3, groups=2), nn.Conv2d(8, 8, 1), nn.ReLU(),
])  # fmt: skip
def test_layers_that_stay_as_they_are(layer):
    assert not gains(layer)


def test_few_channels_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 9)
    assert not gains(nn.Conv2d(3, 64, 3))
    assert gains(nn.Conv2d(16, 9, 3))


@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fcn8s-resnet18", "fcn16s-googlenet"])
@pytest.mark.parametrize("padding", ["same", "paper"])
def test_scores_of_a_net_are_the_same_to_rounding(name, padding):
    if padding == "paper" and "resnet" in name:
        pytest.skip("residual nets have no padding paper")
    net = build(NetSpec(name, 5, padding=padding, width=1 / 8)).eval()
    for layer in net.score_modules().values():
        nn.init.normal_(layer.weight)
    images = torch.randn(1, 3, 75, 101)
    with torch.inference_mode():
        fast = with_winograd(net)
        assert sum(isinstance(module, WinogradConv) for module in fast.modules()) >= 8
        wanted, found = net(images), fast(images)
    # Of F(4,3) about 1e-5 of the largest for each layer; a wrong layer is off by its size.
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()
    assert fast.get_parameter("score.32.weight") is net.get_parameter("score.32.weight")
    assert not any(isinstance(module, WinogradConv) for module in net.modules())
