"""Blocks of enlarged maps against torch's interpolation and against the whole."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.models import NetSpec, build
from fullconv.models.cpu_kernels import banded_upsampling as enlargement
from fullconv.models.cpu_kernels.banded_upsampling import blocks, rows_of
from fullconv.models.fcn import mapped
from fullconv.models.upsample import AlignedResize, Upsampling

NETS = [
    ("fcn32s-vgg16", {}), ("fcn8s-vgg16", {}), ("fcn4s-resnet18", {}), ("fcn2s-vgg16", {}),
    ("fcn16s-caffenet", {}), ("fcn8s-googlenet", {}), ("fcn8s-resnet50_dilated", {}),
    ("fcn8s-vgg16", {"learn_upsampling": True}), ("fcn8s-resnet18", {"learn_upsampling": True}),
    ("fcn8s-deconv-vgg16_convs", {}),
]  # fmt: skip


@given(st.integers(1, 40), st.integers(1, 300))
def test_resizing_is_a_matrix_along_each_axis(coarse, fine):
    score = torch.randn(1, 1, coarse, 1, dtype=torch.float64)
    wanted = F.interpolate(score, size=(fine, 1), mode="bilinear", align_corners=False)
    found = AlignedResize().along(coarse, fine) @ score[0, 0]
    assert torch.allclose(found, wanted[0, 0], rtol=0, atol=1e-12)


def scored(name, padding, **options):
    """A net in double whose scores and kernels are all different."""
    torch.manual_seed(0)
    net = build(NetSpec(name, 3, padding=padding, width=1 / 32, **options)).double().eval()
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    for module in net.upscore.modules():
        if isinstance(module, Upsampling) and module.weight is not None:
            torch.nn.init.normal_(module.weight)
    return net


@settings(deadline=None, max_examples=40)
@given(
    net=st.sampled_from([n for n in NETS if n[0] != "fcn8s-resnet50_dilated"]) | st.just(NETS[5]),
    padding=st.sampled_from(["same", "paper"]),
    height=st.integers(1, 90),
    width=st.integers(1, 40),
    rows=st.integers(1, 100),
    sides=st.sampled_from([(64, 512), (1, 1), (7, 5), (33, 16)]),
)
def test_blocks_are_parts_of_the_whole(net, padding, height, width, rows, sides):
    name, options = net
    made = scored(name, padding, **options)
    before = enlargement.BAND, enlargement.SIDES
    enlargement.BAND, enlargement.SIDES = rows * 3 * width * 4, sides
    try:
        with torch.no_grad():
            maps = made.maps(torch.randn(1, 3, height, width, dtype=torch.float64))
            wanted = made.upsampled(maps, (height, width))[0]  # K,H,W
            results = list(blocks(made.upscore, maps, (height, width)))
    finally:
        enlargement.BAND, enlargement.SIDES = before
    assert tuple(maps) == mapped(made.spec)
    whole = torch.full_like(wanted, torch.nan)
    for rows, columns, block in results:
        own = whole[:, rows, columns]
        assert own.isnan().all()  # no pixel twice
        own[:] = block.transpose(0, 1)
    assert torch.allclose(whole, wanted, rtol=0, atol=1e-11 * float(wanted.abs().max()))


def test_coarse_maps_are_enlarged_in_single_precision():
    made = build(NetSpec("fcn8s-vgg16", 3, width=1 / 32)).eval()
    maps = {s: torch.zeros(1, 3, 64 // s, 64 // s, dtype=torch.bfloat16) for s in (32, 16, 8)}
    assert {block.dtype for *_, block in blocks(made.upscore, maps, (64, 64))} == {torch.float32}


@pytest.mark.parametrize("classes", [2, 150, 1000])
def test_a_band_has_the_rows_that_fit_here_too(classes):
    rows = rows_of(classes, (4000, 3000))
    assert rows * classes * 3000 * 4 <= enlargement.BAND < (rows + 1) * classes * 3000 * 4
