"""Bands of the fused enlargement against the upsampling of whole maps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.models import NetSpec, build
from fullconv.models.cpu_kernels.banded_upsampling import Fusion, UpsamplingMatrices, extent

HEADS = [("fcn8s-vgg16", "same"), ("fcn8s-vgg16", "paper"), ("fcn4s-resnet18", "same")]
NETS = {pair: build(NetSpec(pair[0], 2, padding=pair[1], width=1 / 32)).eval() for pair in HEADS}


def fused(net, size):
    """The maps of a net for a photo of a size, at random, and their fusion."""
    with torch.no_grad():
        shapes = net.maps(torch.zeros(1, 3, *size))
    maps = {s: torch.randn_like(m, dtype=torch.float64) for s, m in shapes.items()}
    each = [UpsamplingMatrices.of(net.upscore[str(s)], m, size) for s, m in maps.items()]
    return maps, Fusion(each)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(HEADS), st.integers(1, 70), st.integers(1, 50), st.data())
def test_a_band_is_rows_of_the_whole_and_goes_back_as_its_transpose(head, height, width, data):
    first = data.draw(st.integers(0, height - 1))
    rows = slice(first, data.draw(st.integers(first + 1, height)))
    torch.manual_seed(0)
    maps, fusion = fused(NETS[head], (height, width))
    photo = [m[0] for m in maps.values()]
    band = fusion.band(photo, rows)
    whole = NETS[head].upsampled(maps, (height, width))[0]
    torch.testing.assert_close(band, whole[:, rows], rtol=1e-12, atol=1e-12)
    grad, back = torch.randn_like(band), [torch.zeros_like(m) for m in photo]
    fusion.back(grad, rows, back)
    pulled = sum((m * b).sum() for m, b in zip(photo, back, strict=True))
    assert pulled.item() == pytest.approx((band * grad).sum().item(), rel=1e-9, abs=1e-9)


def test_the_extent_of_rows():
    used = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]).bool()
    assert [bound.tolist() for bound in extent(used)] == [[1, 0, 0, 3], [3, 0, 1, 4]]
