"""Convolutions that train by ways of their own, against torch's own, gradients included."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.device import computes_bf16
from fullconv.geometry import Window
from fullconv.models import NetSpec, build
from fullconv.models.cpu_kernels import convolutions as conv
from fullconv.models.cpu_kernels import minimal_filtering
from fullconv.models.cpu_kernels.convolutions import (
    Conv2d,
    Depthwise,
    Filtered,
    Multiplied,
    way_of,
)


def both(way, x, weight, bias, pad):
    """Result and gradients by ``way`` and by torch."""
    found = []
    for run in (way.apply, lambda *given: F.conv2d(*given[:3], padding=given[3])):
        inputs = [
            None if each is None else each.clone().requires_grad_() for each in (x, weight, bias)
        ]
        out = run(*inputs, pad)
        torch.manual_seed(1)
        out.backward(torch.randn(out.shape, dtype=out.dtype))
        found.append((out, *(each.grad for each in inputs if each is not None)))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(), st.integers(0, 3), st.integers(7, 26), st.integers(7, 26), st.integers(1, 3),
    st.booleans(), st.integers(1, 20_000), st.integers(1, 9),
)  # fmt: skip
def test_against_torchs_convolution(by_filtering, pad, height, width, batch, bias, part, fewest):
    """In double precision, so that only a mistake can show; parts of any size."""
    kernel = 3 if by_filtering else 5  # pads may exceed it
    x = torch.randn(batch, 5, height, width).double().to(memory_format=torch.channels_last)
    weight = torch.randn(6, 5, kernel, kernel).double().to(memory_format=torch.channels_last)
    before = minimal_filtering.STRIP, conv.WINDOWS, conv.FEWEST_FORWARD
    minimal_filtering.STRIP, conv.WINDOWS, conv.FEWEST_FORWARD = part, part, fewest
    try:
        way = Filtered if by_filtering else Multiplied
        found, wanted = both(way, x, weight, torch.randn(6).double() if bias else None, pad)
    finally:
        minimal_filtering.STRIP, conv.WINDOWS, conv.FEWEST_FORWARD = before
    assert len(found) == 3 + bias
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("way", [Filtered, Multiplied])
@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_only_the_gradients_that_are_wanted(way, wanted):
    x, weight = torch.randn(1, 4, 9, 9), torch.randn(4, 4, 3, 3)
    x.requires_grad_(wanted[0])
    weight.requires_grad_(wanted[1])
    way.apply(x, weight, None, 1).sum().backward()
    assert (x.grad is not None, weight.grad is not None) == wanted


def test_training_after_a_prediction():
    """What is kept of a process's first call must serve the way back too."""
    minimal_filtering.crossed.cache_clear()
    x, weight = torch.randn(1, 4, 9, 9), torch.randn(4, 4, 3, 3)
    with torch.inference_mode():
        minimal_filtering.filtered(x, minimal_filtering.carried(weight), 3, 1)
    found, wanted = both(Filtered, x.double(), weight.double(), None, 1)
    torch.testing.assert_close(found, wanted)
    found, wanted = both(Filtered, x, weight, None, 1)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def layer(*sizes, **options):
    made = Conv2d(*sizes, **options).to(memory_format=torch.channels_last)
    made.use_cpu_kernels = True
    return made


def map_of(channels, size, batch=1):
    return torch.randn(batch, channels, size, size).to(memory_format=torch.channels_last)


def test_which_way():
    assert way_of(layer(64, 64, 3, padding=1), map_of(64, 32)) is Filtered
    assert way_of(layer(64, 64, 3, padding=1), map_of(64, 20)) is None  # 25 tiles
    assert way_of(layer(64, 32, 3, padding=1), map_of(64, 32)) is None  # few channels
    assert way_of(layer(64, 512, 7, padding=3), map_of(64, 8)) is Multiplied
    assert way_of(layer(64, 512, 7, padding=3), map_of(64, 24)) is None  # the map is larger
    assert way_of(layer(512, 512, 1), map_of(512, 8)) is Multiplied


@given(
    st.sampled_from([3, 5]), st.integers(1, 3), st.integers(0, 2), st.integers(0, 3),
    st.integers(7, 16), st.integers(7, 16), st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_depthwise_against_torchs(kernel, stride, before, behind, height, width, bias):
    """In double precision, with pads that are equal or differ."""
    x = torch.randn(2, 6, height, width).double().to(memory_format=torch.channels_last)
    weight = torch.randn(6, 1, kernel, kernel).double()
    given = x, weight, torch.randn(6).double() if bias else None
    results = []
    for own in (True, False):
        inputs = [None if each is None else each.clone().requires_grad_() for each in given]
        if own:
            out = Depthwise.apply(*inputs, stride, (before, behind))
        else:
            padded = F.pad(inputs[0], (before, behind, before, behind))
            out = F.conv2d(padded, *inputs[1:], stride=stride, groups=6)
        torch.manual_seed(1)
        out.backward(torch.randn(out.shape, dtype=out.dtype))
        results.append((out, *(each.grad for each in inputs if each is not None)))
    assert len(results[0]) == 3 + bias
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize(("pad", "pad_after"), [(0, 1), (1, 2), (0, 2), (1, None)])
def test_pads_that_differ_give_the_same_by_either_way(groups, pad, pad_after):
    window = Window("w", 3, 2, pad, channels=8, groups=groups, pad_after=pad_after)
    made, x = Conv2d.of(8, window), map_of(8, 17, 2).requires_grad_()
    results = []
    for own in (False, True):
        made.use_cpu_kernels = own
        out = made(x)
        assert out.shape[2:] == (window.size(17),) * 2
        of_all = torch.autograd.grad(out.square().sum(), (x, made.weight, made.bias))
        results.append((out.detach(), *of_all))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("options", [{"stride": 2}, {"dilation": 2}, {"groups": 2}])
def test_other_convolutions_stay_torchs(options):
    assert way_of(layer(64, 64, 3, **options), map_of(64, 64)) is None


def test_other_arrays_stay_torchs():
    made, x = layer(64, 64, 3, padding=1), map_of(64, 32)
    assert way_of(made, x.contiguous()) is None
    assert way_of(made.double(), x.double()) is None
    made.float()
    with torch.no_grad():
        assert way_of(made, x) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert way_of(made, x) is None
    assert way_of(made, x) is Filtered


def test_a_net_that_may_not_stays_torchs():
    """Nets are made so; training asks for the ways."""
    made, x = Conv2d(64, 64, 3, padding=1), map_of(64, 32)
    made.to(memory_format=torch.channels_last)
    assert torch.equal(made(x), F.conv2d(x, made.weight, made.bias, padding=1))


def test_gradients_of_a_net_are_the_same_to_rounding(monkeypatch):
    """And the same in every bit where segments are computed again."""
    monkeypatch.setattr(conv, "FEWEST_CHANNELS", 8)
    monkeypatch.setattr(conv, "FEWEST_FORWARD", 8)
    monkeypatch.setattr(conv, "FEWEST_TILES", 2)
    net = build(NetSpec("fcn8s-vgg16", 5, width=1 / 8)).to(memory_format=torch.channels_last)
    for each in net.score_modules().values():
        torch.nn.init.normal_(each.weight)
    net.eval()  # without dropout
    images = torch.randn(2, 3, 75, 101).to(memory_format=torch.channels_last)

    def gradients(own, again):
        net.use_cpu_kernels(own)
        net.recompute(again)
        net.zero_grad()
        net(images).square().mean().backward()
        return {name: each.grad for name, each in net.named_parameters()}

    wanted, found = gradients(False, 0), gradients(True, 0)
    assert not torch.equal(found["backbone.conv2_2.weight"], wanted["backbone.conv2_2.weight"])
    for name, each in wanted.items():
        # F(4,3) rounds by about 1e-5 of the largest; a wrong layer would be off by its size.
        assert (found[name] - each).abs().max() <= 2e-4 * each.abs().max(), name
    for name, each in gradients(True, 3).items():
        assert torch.equal(each, found[name]), name


@pytest.mark.parametrize("windows", [conv.WINDOWS, 50_000])
def test_more_kernels_than_windows_in_bfloat16_are_one_product(monkeypatch, windows):
    """Result and gradients about as near fp32's as torch's own bfloat16, in strips too."""
    monkeypatch.setattr(conv, "WINDOWS", windows)
    torch.manual_seed(0)
    made, x = layer(64, 512, 7, padding=3), map_of(64, 8, 2)
    of_result = torch.randn(2, 512, 8, 8)

    def trained(own, narrow):
        made.use_cpu_kernels = own
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            out = made(given)
        by_product = "Multiplied" in str(out.grad_fn)
        of_all = torch.autograd.grad(out, (given, made.weight, made.bias), of_result.to(out.dtype))
        return by_product, out.dtype, [out.float(), *of_all]

    _, _, wanted = trained(own=False, narrow=False)
    assert trained(own=False, narrow=True)[:2] == (False, torch.bfloat16)
    _, _, torchs = trained(own=False, narrow=True)
    by_product, dtype, ours = trained(own=True, narrow=True)
    assert (by_product, dtype) == (True, torch.bfloat16)
    for a, b, c in zip(ours, torchs, wanted, strict=True):
        assert a.dtype == torch.float32
        assert (a - c).norm() <= 1.5 * (b - c).norm() < 0.02 * c.norm()


@pytest.mark.parametrize("narrow", [False, True])
def test_a_map_without_a_window_is_torchs(narrow):
    made = layer(64, 512, 7)
    with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        assert made(map_of(64, 8, batch=0)).shape == (0, 512, 2, 2)
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            made(map_of(64, 6))


@pytest.mark.parametrize(
    "made",
    [
        layer(8, 8, 3, padding=1),
        layer(8, 512, 7, stride=2, padding=3),
        Conv2d.of(8, Window("w", 2, 1, 0, channels=512, pad_after=1)).to(
            memory_format=torch.channels_last
        ),
    ],
)
def test_other_convolutions_in_bfloat16_stay_torchs(made):
    made.use_cpu_kernels = True
    with torch.autocast("cpu", torch.bfloat16):
        out = made(map_of(8, 8))
    assert "Multiplied" not in str(out.grad_fn)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_score_layers_of_few_classes_are_products_in_bfloat16(channels_last, own):
    """oneDNN's gradient of such kernels ends the process where there is AMX: a heap overflow."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    made = Conv2d(4096, 11, 1).to(memory_format=layout)
    made.use_cpu_kernels = own
    x = torch.randn(2, 4096, 8, 11).to(memory_format=layout)
    wanted = torch.autograd.grad(made(x).sum(), (made.weight, made.bias))
    for _ in range(8):
        with torch.autocast("cpu", torch.bfloat16):
            out = made(x)
        assert "Multiplied" in str(out.grad_fn)
        found = torch.autograd.grad(out.float().sum(), (made.weight, made.bias))
        torch.testing.assert_close(found, wanted, rtol=1e-2, atol=0.1)


@pytest.mark.skipif(
    not computes_bf16(torch.device("cpu")), reason="no bfloat16 in hardware: minutes, emulated"
)
def test_a_net_of_few_classes_scored_at_4096_channels_trains_in_bfloat16():
    net = build(NetSpec("fcn8s-vgg16", classes=3, width=1, padding="same"))
    net = net.to(memory_format=torch.channels_last)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            out = net(torch.randn(1, 3, 64, 64).to(memory_format=torch.channels_last))
        out.float().square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.score.parameters())
