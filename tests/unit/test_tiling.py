"""Halos and windows: against NaN that spreads through the real nets, and by property."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fullconv.errors import UserError
from fullconv.models import NetSpec, build
from fullconv.models.fcn import tile_geometry
from fullconv.tiling import TileGeometry, spans

SAME = [
    "fcn32s-vgg16", "fcn16s-vgg16", "fcn8s-vgg16", "fcn4s-vgg16", "fcn8s-caffenet",
    "fcn32s-alexnet", "fcn4s-alexnet_owt", "fcn8s-googlenet", "fcn8s-googlenet_bn",
    "fcn4s-resnet18", "fcn2s-resnet18", "fcn2s-vgg16", "fcn32s-resnet50", "fcn8s-resnet50_dilated",
    "fpn4s-resnet18", "fpn8s-googlenet_bn", "fcn8s-vgg16_convs", "fcn8s-deconv-vgg16_convs",
    "fcn8s-efficientnet_lite0", "fpn4s-efficientnet_lite0", "fpn2s-efficientnet_lite0",
]  # fmt: skip
PAPER = [
    "fcn32s-caffenet", "fcn8s-alexnet", "fcn16s-alexnet_owt", "fcn8s-googlenet_bn",
    "fcn8s-resnet18", "fcn8s-vgg16", "fpn4s-resnet18", "fcn4s-efficientnet_lite0",
    "fcn32s-vgg16_convs", "fcn8s-deconv-vgg16_convs",
]  # fmt: skip
BOTH = [(name, "same") for name in SAME] + [(name, "paper") for name in PAPER]


def flow(name: str, padding: str = "same") -> TileGeometry:
    return tile_geometry(NetSpec(name, 2, padding=padding))


@pytest.mark.parametrize(("name", "padding"), BOTH)
def test_a_halo_is_what_a_cut_reaches_and_no_pixel_more(name: str, padding: str) -> None:
    """NaN beyond two cuts reaches exactly the pixels that are dropped there.

    With upsampling kernels that could learn, for a fixed one multiplies NaN by weights of zero.
    """
    torch.manual_seed(0)
    learns = "dilated" not in name
    spec = NetSpec(name, 1, padding=padding, width=1 / 64, learn_upsampling=learns)
    found = tile_geometry(spec)
    net = build(spec).eval()
    for layer in net.score_modules().values():
        nn.init.normal_(layer.weight)
    start, stop = found.grid, found.grid + found.least
    image = torch.zeros(1, 3, stop + found.grid, 1)
    image[:, :, :start] = image[:, :, stop:] = float("nan")
    with torch.no_grad():
        column = net(image)[0, 0, :, 0]
    clean = (~torch.isnan(column)).nonzero().flatten().tolist()
    behind, before = found.halo
    assert clean == list(range(start + behind, stop - before))


@pytest.mark.parametrize(
    ("name", "halo"),
    [
        # Score i of VGG16 in `same` padding sees 32 i - 186 to 32 i + 217. So the first that sees
        # nothing before 0 is number 6, at 207.5, and the pixels from 208 on are mixed from such.
        ("fcn32s-vgg16", (208, 208)),
        # The finer maps of the same net see less; they change nothing.
        ("fcn4s-vgg16", (208, 208)),
        # Score i of ResNet-18 lies at 32 i and sees 217 pixels on either side: 7 is the first.
        ("fcn32s-resnet18", (224, 223)),
    ],
)
def test_halos_worked_out_by_hand(name: str, halo: tuple[int, int]) -> None:
    assert flow(name).halo == halo
    assert flow(name).grid == 32


@given(
    n=st.integers(2, 3000),
    grid=st.sampled_from([1, 8, 32]),
    behind=st.integers(0, 300),
    before=st.integers(0, 300),
    more=st.integers(0, 400),
)
def test_spans(n: int, grid: int, behind: int, before: int, more: int) -> None:
    longest = -(-(behind + before + grid) // grid) * grid + more
    if n <= longest:
        return
    pieces = spans(n, longest, grid, (behind, before))
    kept = np.concatenate([np.arange(n)[span.keep] for span in pieces])
    assert kept.tolist() == list(range(n))
    for span in pieces:
        assert span.start % grid == 0
        assert span.stop == n or span.stop % grid == 0
        assert 0 <= span.start < span.stop <= n
        assert span.stop - span.start <= longest
        assert span.start == 0 or span.keep_start >= span.start + behind
        assert span.stop == n or span.keep_stop <= span.stop - before
        assert np.array_equal(np.arange(n)[span.read][span.inside], np.arange(n)[span.keep])
    # The fewest: with one piece less, each would have to keep more than it can.
    most = (longest // grid * grid - behind - before) // grid * grid
    assert len(pieces) == 1 + -(-(n - longest // grid * grid) // most)
    lengths = [span.stop - span.start for span in pieces]
    assert len(set(lengths[:-1])) == 1
    assert lengths[0] - grid < lengths[-1] <= lengths[0]


def test_an_image_that_fits_is_one_piece() -> None:
    assert [(s.start, s.stop) for s in flow("fcn8s-vgg16").spans(1000, 1000)] == [(0, 1000)]
    (one,) = flow("fcn8s-vgg16").spans(7, 448)
    assert (one.keep_start, one.keep_stop) == (0, 7)


def test_tiles_are_rows_times_columns() -> None:
    results = list(flow("fcn8s-resnet18").tiles((600, 300), 512))
    rows = [slice(0, 288), slice(288, 320), slice(320, 600)]
    assert [(row.keep, column.keep) for row, column in results] == [
        (r, slice(0, 300)) for r in rows
    ]
    assert [row.read for row, _ in results] == [slice(0, 512), slice(64, 576), slice(96, 600)]
    assert len(list(flow("fcn8s-resnet18").tiles((600, 600), 512))) == 9


@pytest.mark.parametrize("tile", [-1, 0, 31, 447])
def test_a_tile_of_which_nothing_is_left_is_refused(tile: int) -> None:
    with pytest.raises(UserError, match=r"fcn8s-vgg16.* 404 pixels.* 208 \+ 208 .*least 448"):
        flow("fcn8s-vgg16").check(tile)
    flow("fcn8s-vgg16").check(448)


def test_what_resizes_its_scores_is_cut_only_at_multiples_of_its_stride() -> None:
    dilated = flow("fcn8s-resnet50_dilated")
    assert len(dilated.spans(1000, 500)) > 1
    assert len(dilated.spans(499, 500)) == 1
    with pytest.raises(UserError, match=r"fcn8s-resnet50_dilated resizes .* crop it to 1000"):
        dilated.spans(1001, 500)
    assert len(flow("fcn8s-resnet50_dilated", "paper").spans(1001, 500)) > 1
