"""The real nets against the algebra, the reference form of PyTorch's own ops, and themselves."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fullconv.errors import UserError
from fullconv.geometry import Placement, receptive_field, tent
from fullconv.models import (
    BACKBONES as DEFINITIONS,
)
from fullconv.models import (
    CAFFE,
    FCN,
    TORCH,
    NetSpec,
    Preprocessing,
    available,
    build,
    summarize,
)
from fullconv.models.analysis.explain import crops, explain
from fullconv.models.fcn import tile_geometry
from fullconv.models.registry import heads
from fullconv.models.upsample import Upsampling

SMALL = 1 / 32
BACKBONES = [
    "caffenet", "alexnet", "alexnet_owt", "vgg16", "vgg16_convs", "googlenet", "googlenet_bn",
    "resnet18", "resnet50", "resnet50_dilated", "efficientnet_lite0",
]  # fmt: skip
PADDINGS = ["same", "paper"]


def net(name: str, padding: str = "same", classes: int = 3, **options) -> FCN:
    torch.manual_seed(0)
    spec = NetSpec(name, classes, padding=padding, width=options.pop("width", SMALL), **options)
    net = build(spec).eval()
    for layer in net.score_modules().values():
        nn.init.normal_(layer.weight)
    return net


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_impulse_response_agrees_with_the_algebra(backbone: str, padding: str) -> None:
    """A NaN in one input pixel reaches exactly the scores whose receptive field holds it."""
    coarsest = DEFINITIONS[backbone].coarsest
    made = net(f"fcn{coarsest}s-{backbone}", padding).double()
    definition = made.spec.definition
    position, field = definition.map(), receptive_field(definition.windows())
    n = 480
    image = torch.zeros(1, 3, n, 1, dtype=torch.float64)
    pixel = 211
    image[0, :, pixel] = float("nan")
    with torch.no_grad():
        column = made.scores(image)[coarsest][0, 0, :, 0]
    reached = torch.isnan(column).nonzero().flatten().tolist()
    expected = [i for i in range(len(column)) if abs(position(i) - pixel) <= (field - 1) / 2]
    assert reached == expected


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "backbone",
    [
        "caffenet",
        "alexnet_owt",
        "vgg16",
        "vgg16_convs",
        "googlenet",
        "googlenet_bn",
        "resnet18",
        "efficientnet_lite0",
    ],
)
def test_every_size_comes_back(backbone: str, padding: str) -> None:
    model = net(f"fcn8s-{backbone}", padding, width=1 / 64)
    long = [*range(1, 36), 47, 48, 49, 63, 64, 65, 96, 97, 129, 224]
    with torch.no_grad():
        for n in long:
            assert model(torch.zeros(1, 3, n, 33)).shape == (1, 3, n, 33)
            assert model(torch.zeros(1, 3, 5, n)).shape == (1, 3, 5, n)


@given(
    st.sampled_from([n for n in available() if "101" not in n and "34" not in n]),
    st.integers(1, 130),
    st.integers(1, 130),
    st.sampled_from(PADDINGS),
)
@settings(max_examples=25, deadline=None)
def test_every_net_takes_every_size(name: str, height: int, width: int, padding: str) -> None:
    model = net(name, padding, width=1 / 64)
    with torch.no_grad():
        assert model(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "name",
    [
        *("fcn32s-vgg16", "fcn8s-vgg16", "fcn8s-caffenet", "fcn4s-resnet18", "fcn2s-vgg16"),
        "fpn4s-resnet18",
        "fpn4s-efficientnet_lite0",
        "fpn2s-efficientnet_lite0",
    ],
)
def test_shift_by_one_stride_shifts_the_inside(name: str, padding: str) -> None:
    made = net(name, padding, width=1 / 64).double()
    field = tile_geometry(made.spec).field
    n = (2 * field + 128) // 32 * 32 + 32
    wide = torch.randn(1, 3, n, 8, dtype=torch.float64)
    with torch.no_grad():
        whole = made(wide)
        moved = made(torch.roll(wide, 32, dims=2))
    border = field // 2 + 64
    inside = slice(border, n - border - 32)
    shifted = slice(border + 32, n - border)
    torch.testing.assert_close(moved[:, :, shifted], whole[:, :, inside])


def reference(made: FCN, images: Tensor) -> Tensor:
    """The net as the Caffe files write it: dense transposed convolutions of pad 0, then crops."""
    scores = list(made.scores(images).values())
    fused, steps = scores[0], crops(made.spec)
    for step, skip in zip(steps, [*scores[1:], None], strict=True):
        axis = torch.tensor([float(w) for w in tent(step.deconv.kernel)], dtype=fused.dtype)
        classes = fused.shape[1]
        dense = torch.zeros(classes, classes, len(axis), len(axis), dtype=fused.dtype)
        dense[range(classes), range(classes)] = torch.outer(axis, axis)
        fused = F.conv_transpose2d(fused, dense, stride=step.deconv.stride)
        at, (h, w) = step.pixels, fused.shape[-2:]
        if skip is not None:
            fused = fused + skip[..., at : at + h, at : at + w]
        else:
            fused = fused[..., at : at + images.shape[-2], at : at + images.shape[-1]]
    return fused


@pytest.mark.parametrize("size", [(1, 1), (31, 64), (65, 97), (120, 33)])
@pytest.mark.parametrize(
    "name",
    ["fcn32s-vgg16", "fcn16s-vgg16", "fcn8s-vgg16", "fcn8s-atonce-vgg16", "fcn32s-caffenet"],
)
def test_paper_padding_against_dense_deconvolution_and_crop(name: str, size: tuple) -> None:
    made = net(name, "paper").double()
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(made(images), reference(made, images))


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("fcn32s-vgg16", [19]),
        ("fcn16s-vgg16", [5, 27]),
        ("fcn8s-vgg16", [5, 9, 31]),
        ("fcn32s-caffenet", [18]),
    ],
)
def test_crops_of_the_reference_nets(name: str, pixels: list[int]) -> None:
    assert [c.pixels for c in crops(NetSpec(name, 21, padding="paper"))] == pixels


@pytest.mark.parametrize(
    ("backbone", "millions", "layers"),
    [("caffenet", 57, 8), ("vgg16", 134, 16), ("googlenet", 6, 22)],
)
def test_parameters_of_table_1(backbone: str, millions: int, layers: int) -> None:
    summary = summarize(NetSpec(f"fcn32s-{backbone}", 21))
    assert round(summary.parameters / 1e6) == millions
    assert summary.conv_layers == layers
    assert summary.stride == 32


def test_vgg16s_convolutions_are_its_layers_and_no_more() -> None:
    """14,714,688 parameters (Keras' VGG16 without its top); a field of 212 at stride 32."""
    whole, part = (NetSpec(f"fcn32s-{name}", 21) for name in ("vgg16", "vgg16_convs"))
    summary = summarize(part)
    assert summary.parameters == 14_714_688 + 512 * 21 + 21
    assert (summary.conv_layers, summary.receptive_field, summary.stride) == (14, 212, 32)
    begin = part.definition.windows()
    assert begin == whole.definition.windows()[: len(begin)]
    assert part.definition.map() == whole.definition.map()


@pytest.mark.parametrize(
    "backbone",
    [
        *("vgg16", "vgg16_convs", "caffenet", "alexnet_owt", "googlenet", "googlenet_bn"),
        *("resnet18", "resnet50"),
    ],
)
def test_a_new_zero_skip_repeats_the_net_before(backbone: str) -> None:
    before = net(f"fcn32s-{backbone}").double()
    images = torch.randn(1, 3, 75, 118, dtype=torch.float64)
    skipping = [head for head in heads(DEFINITIONS[backbone]) if head.startswith("fcn")]
    finer = [head for head in skipping if not head.endswith(("atonce", "deconv"))]
    for head in finer[1:]:
        after = build(replace(before.spec, name=f"{head}-{backbone}")).eval().double()
        after.load_state_dict(before.state_dict(), strict=False)
        with torch.no_grad():
            torch.testing.assert_close(after(images), before(images))


def test_the_originals_stage_start_is_only_nearly_equal() -> None:
    """In `paper` padding VGG's pixels do not nest: two tents are not one (why `same` sums)."""
    before = net("fcn32s-vgg16", "paper").double()
    after = build(replace(before.spec, name="fcn16s-vgg16")).eval().double()
    after.load_state_dict(before.state_dict(), strict=False)
    images = torch.randn(1, 3, 100, 100, dtype=torch.float64)
    with torch.no_grad():
        difference = (after(images) - before(images)).abs().mean()
        assert 0 < difference < 0.1 * before(images).abs().mean()


@pytest.mark.parametrize("shift", ["0", "1/2", "-3/2", "7/2", "-1", "-91/2"])
@pytest.mark.parametrize("edge", ["zero", "replicate"])
def test_learned_upsampling_starts_equal_to_the_fixed(shift: str, edge: str) -> None:
    from fractions import Fraction

    placement = Placement(8, Fraction(shift))
    score = torch.randn(2, 3, 14, 11, dtype=torch.float64)
    fixed = Upsampling(placement, 3, edge, learn=False)
    learned = Upsampling(placement, 3, edge, learn=True).double()
    torch.testing.assert_close(learned(score, (50, 37)), fixed(score, (50, 37)))


def test_upsampling_keeps_classes_apart_and_is_fixed_by_default() -> None:
    assert not list(net("fcn8s-vgg16").upscore.parameters())
    learned = net("fcn8s-vgg16", learn_upsampling=True)
    assert all(p.shape[1] == 1 for p in learned.upscore.parameters())
    assert len(list(learned.upscore.parameters())) == 3


def test_score_layers_start_at_zero_and_classes_and_channels_are_parameters() -> None:
    net = build(NetSpec("fcn8s-resnet18", 7, streams=(4,), width=1 / 16))
    assert net(torch.rand(1, 4, 40, 41)).shape == (1, 7, 40, 41)
    assert all(p.abs().max() == 0 for m in net.score_modules().values() for p in m.parameters())


def test_a_constant_map_stays_constant_up_to_the_border() -> None:
    model = net("fcn32s-vgg16")
    score = torch.ones(1, 3, 4, 5)
    torch.testing.assert_close(model.upscore["32"](score, (128, 160)), torch.ones(1, 3, 128, 160))


def test_preprocessing_orders_channels() -> None:
    photo = torch.tensor([[[[255, 0, 10]]]], dtype=torch.uint8)
    caffe = CAFFE(photo)[0, :, 0, 0].tolist()
    assert caffe == pytest.approx(
        [10 - 104.00698793, 0 - 116.66876762, 255 - 122.67891434], abs=1e-4
    )
    rgb = TORCH(photo)[0, :, 0, 0].tolist()
    assert rgb == pytest.approx(
        [(1 - 0.485) / 0.229, -0.456 / 0.224, (10 / 255 - 0.406) / 0.225], abs=1e-5
    )
    assert CAFFE.mean_color() == (122.67891434, 116.66876762, 104.00698793)
    assert TORCH.mean_color() == pytest.approx((123.675, 116.28, 103.53))
    assert Preprocessing.from_dict(CAFFE.to_dict()) == CAFFE


def test_further_inputs_are_scaled_as_the_colours_are():
    both = TORCH.of_inputs(("color", "depth", "hha"))
    assert both.std[3:] == (0.5, 50, 50, 50)
    assert CAFFE.of_inputs(("color", "hha")).std == (1,) * 6
    assert both.of_inputs(("color", "hha")).std[3:] == (50, 50, 50)  # also from a run of its own
    early = TORCH.of_inputs(("color", "depth"))
    assert early.of_inputs(("color", "hha")).std[3:] == (50, 50, 50)
    image = torch.randint(0, 256, (1, 4, 5, 3), dtype=torch.uint8)
    more = torch.cat([image.float(), torch.full((1, 4, 5, 1), 7.844)], -1)
    for plain in (TORCH, CAFFE):
        seen = plain.of_inputs(("color", "depth"))(more)
        assert torch.allclose(seen[:, :3], plain(image), atol=1e-4)
        assert torch.allclose(seen[:, 3], torch.zeros(4, 5), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("fcn8-vgg16", "fcn8s-vgg16"), ("fcn8s_vgg16", "fcn8s-vgg16"), ("unet", "fcn8s-vgg16")],
)
def test_unknown_net_names_near_ones(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        NetSpec(name, 21)


def test_explain_warns_of_the_224_squeeze() -> None:
    squeezed = explain(NetSpec("fcn32s-vgg16", 21, padding="none"), (224, 224))
    assert squeezed.score_size == (1, 1)
    assert any("nothing can be localised" in w for w in squeezed.warnings)
    assert explain(NetSpec("fcn32s-vgg16", 21), (224, 224)).score_size == (7, 7)
    with pytest.raises(UserError, match="build with 'same' or 'paper'"):
        build(NetSpec("fcn32s-vgg16", 21, padding="none"))


def test_explain_counts_the_known_cost_of_vgg16() -> None:
    """15.3 G multiply-adds for the 224 convolutions (Simonyan and Zisserman; He et al. Table 1)."""
    explained = explain(NetSpec("fcn32s-vgg16", 21), (224, 224))
    convolutions = sum(r.multiply_adds for r in explained.rows if r.name.startswith("conv"))
    assert convolutions == pytest.approx(15.35e9, rel=0.01)
    assert explain(NetSpec("fcn8s-vgg16", 21), (375, 500)).cost_ratio == pytest.approx(
        1.81, abs=0.05
    )
