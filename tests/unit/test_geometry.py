"""The coordinate algebra against PyTorch's own operations and the paper's numbers."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fullconv.geometry import (
    Deconv,
    GeometryError,
    Map,
    Placement,
    Window,
    centred_upsampling,
    chain,
    crop,
    minimal_pad,
    place,
    receptive_field,
    size_after,
    sizes,
    tensorflow_same,
    tent,
)
from fullconv.models import BACKBONES
from fullconv.models.cpu_kernels.convolutions import Conv2d

windows = st.builds(
    Window,
    st.just("w"),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    pad=st.integers(0, 3),
    dilation=st.integers(1, 3),
)


@given(windows, st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_size_and_reach_against_torch_conv(window: Window, n: int) -> None:
    size = window.size(n)
    if size < 1 or n + 2 * window.pad <= window.reach:
        return
    x = torch.zeros(1, 1, n, dtype=torch.float64, requires_grad=True)
    kernel = torch.ones(1, 1, window.kernel, dtype=torch.float64)
    y = F.conv1d(x, kernel, None, window.stride, window.pad, window.dilation)
    assert y.shape[-1] == size
    middle = size // 2
    y[0, 0, middle].backward()
    touched = x.grad[0, 0].nonzero().flatten()
    centre = window.map()(middle)
    expected = [
        centre - Fraction(window.reach, 2) + window.dilation * i for i in range(window.kernel)
    ]
    assert touched.tolist() == [int(i) for i in expected if 0 <= i < n]


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 60), st.booleans())
@settings(max_examples=150, deadline=None)
def test_pool_size_against_torch(kernel: int, stride: int, pad: int, n: int, ceil: bool) -> None:
    window = Window("p", kernel, stride, pad, ceil=ceil)
    if pad > kernel // 2 or n + 2 * pad < kernel:
        return
    y = F.max_pool1d(torch.zeros(1, 1, n), kernel, stride, pad, ceil_mode=ceil)
    assert window.size(n) == y.shape[-1]


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 3), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_deconv_against_torch(kernel: int, stride: int, pad: int, n: int) -> None:
    deconv = Deconv("d", kernel, stride, pad)
    if deconv.size(n) < 1:
        return
    x = torch.zeros(1, 1, n, dtype=torch.float64)
    x[0, 0, n // 2] = 1
    y = F.conv_transpose1d(x, torch.ones(1, 1, kernel, dtype=torch.float64), None, stride, pad)
    assert y.shape[-1] == deconv.size(n)
    touched = y[0, 0].nonzero().flatten().tolist()
    inverse = deconv.map()
    centre = (n // 2 - inverse.offset) / inverse.scale
    first = centre - Fraction(kernel - 1, 2)
    assert touched == [int(first + i) for i in range(kernel) if 0 <= first + i < deconv.size(n)]


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8, 16, 32])
def test_centred_upsampling_is_bilinear_interpolation(factor: int) -> None:
    deconv = centred_upsampling(factor)
    x = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    axis = torch.tensor([float(w) for w in tent(deconv.kernel)], dtype=torch.float64)
    kernel = torch.outer(axis, axis)[None, None]
    y = F.conv_transpose2d(x, kernel, stride=factor, padding=deconv.pad)
    assert y.shape[-1] == deconv.size(9) == 9 * factor
    truth = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    inside = slice(factor, -factor)
    torch.testing.assert_close(y[..., inside, inside], truth[..., inside, inside])


def test_kernel_64_goes_with_stride_32() -> None:
    deconv = centred_upsampling(32)
    assert (deconv.kernel, deconv.stride, deconv.pad) == (64, 32, 16)
    assert BACKBONES["vgg16"].padded("same").map() == Map(Fraction(32), Fraction(31, 2))
    # The confusion that began this project: a kernel of 224 "because it fits".
    assert Placement(32, Fraction(31, 2)).kernel == 64


@given(st.lists(windows, min_size=1, max_size=5), windows)
@settings(max_examples=50, deadline=None)
def test_chain_composes(layers: list[Window], last: Window) -> None:
    whole = chain([*layers, last])
    assert whole == chain(layers).then(last.map())
    assert whole(3) == chain(layers)(last.map()(3))


@pytest.mark.parametrize(
    ("name", "field", "layers"), [("caffenet", 355, 8), ("vgg16", 404, 16), ("googlenet", 907, 22)]
)
def test_table_1_of_the_paper(name: str, field: int, layers: int) -> None:
    definition = BACKBONES[name]
    path = definition.windows()
    # The paper counts GoogLeNet's 7x7 average pooling, which the FCN drops.
    assert receptive_field([*path, *definition.dropped]) == field
    assert sum(w.channels is not None for w in path) + 1 == layers
    assert chain(path).scale == 32


def test_googlenet_without_its_dropped_pooling_sees_715() -> None:
    assert receptive_field(BACKBONES["googlenet"].windows()) == 715


def test_crop_refuses_what_cannot_be_aligned() -> None:
    with pytest.raises(GeometryError, match="not a whole number"):
        crop(Map(Fraction(1), Fraction(1, 2)), Map())
    with pytest.raises(GeometryError, match="unequal scale"):
        crop(Map(Fraction(2)), Map())
    with pytest.raises(GeometryError, match="no bilinear upsampling"):
        place(Map(Fraction(2), Fraction(1, 4)), Map())


def test_unpadded_vgg_has_no_room_below_its_least_pad() -> None:
    unpadded = BACKBONES["vgg16"].windows()
    assert minimal_pad(unpadded) <= 100
    with pytest.raises(GeometryError, match=r"fc6.*kernel 7 does not fit into 6 pixels"):
        size_after(unpadded, 192)
    assert size_after(unpadded, 224) == 1
    assert {layer.name: n for layer, n in sizes(unpadded, 224)}["pool5"] == 7


@given(kernel=st.integers(1, 7), stride=st.integers(1, 4), n=st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_tensorflow_padding_gives_its_sizes_and_where_they_divide_its_pads(kernel, stride, n):
    """TensorFlow: ceil(n / s) pixels; max((ceil(n / s) - 1) s + k - n, 0) in pads, half before."""
    window = tensorflow_same("w", kernel, stride)
    size = -(-n // stride)
    assert window.size(n) == size
    if n % stride:
        return
    total = max((size - 1) * stride + kernel - n, 0)
    ramp = torch.arange(1.0, n + 1).view(1, 1, 1, n)
    taps = torch.arange(1.0, kernel + 1).view(1, 1, 1, kernel)
    theirs = F.conv2d(F.pad(ramp, (total // 2, total - total // 2)), taps, stride=stride)
    ours = F.conv2d(F.pad(ramp, window.pads), taps, stride=stride)
    assert torch.equal(ours[..., :size], theirs[..., :size])


@given(kernel=st.integers(2, 7), stride=st.integers(1, 4), n=st.integers(1, 20))
@settings(max_examples=80, deadline=None)
def test_a_convolution_of_such_a_window_pads_so(kernel, stride, n):
    window = replace(tensorflow_same("w", kernel, stride), channels=2)
    assume(window.pads[1] <= window.pads[0] + stride)
    conv = Conv2d.of(3, window).to(memory_format=torch.channels_last)
    conv.use_cpu_kernels = True
    image = torch.randn(1, 3, n, n + 3)
    padded = F.pad(image, window.pads * 2)
    wanted = F.conv2d(padded, conv.weight, conv.bias, stride)
    wanted = wanted[..., : window.size(n), : window.size(n + 3)]
    torch.testing.assert_close(conv(image), wanted)
