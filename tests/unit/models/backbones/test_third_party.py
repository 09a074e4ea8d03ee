"""Backbones of timm: the traced geometry against NaN that spreads through the nets themselves."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from fullconv.errors import UserError
from fullconv.geometry import GeometryError, Map, size_after
from fullconv.models import NetSpec, build, explain, summarize
from fullconv.models.analysis.cost import meta_net
from fullconv.models.analysis.graph import graph_of
from fullconv.models.backbones.third_party import TimmDefinition, definition_of, maps_of

pytestmark = pytest.mark.usefixtures("timm")

# Families whose pixels see a finite part of the image, and those of attention, squeeze-and-
# excitation or global response norm, whose pixels see everything.
FINITE = ["resnet18", "convnext_atto", "tf_efficientnet_lite0", "mobilenetv2_050"]
FINITE_TOO = [
    "resnet50d", "resnext50_32x4d", "regnetx_002", "densenet121", "hrnet_w18_small",
    "res2net50_26w_4s", "vgg11", "dla34", "dla46_c", "fastvit_t8", "mobileone_s0", "repvgg_a0",
    "inception_v3",
]  # fmt: skip
EVERYTHING = ["mobilenetv3_small_050", "vit_tiny_patch16_224"]
EVERYTHING_TOO = [
    "convnextv2_atto", "tf_efficientnet_b0", "ghostnet_050", "edgenext_xx_small", "nfnet_f0",
    "pvt_v2_b0", "swin_tiny_patch4_window7_224", "vit_small_patch14_dinov2",
    "vit_small_patch16_dinov3", "xcit_nano_12_p16_224",
]  # fmt: skip
UPSAMPLES = "hrnet_w18_small"


def slow(names: list[str]) -> list:
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


def of(name: str) -> TimmDefinition:
    return definition_of(f"timm.{name}")


def column(definition: TimmDefinition, strides: tuple[int, ...], bad: list[slice], rows: int):
    """For each stride, which rows of its map are NaN (B,h) where rows ``bad`` of an image are."""
    torch.manual_seed(0)
    net = definition.build(3, strides).eval()
    images = torch.zeros(len(bad), 3, rows, definition.coarsest)
    for image, part in zip(images, bad, strict=True):
        image[:, part] = float("nan")
    with torch.no_grad():
        maps = net(images)
    return {stride: torch.isnan(each).any(1).any(-1) for stride, each in maps.items()}


@pytest.mark.parametrize("name", [*FINITE, *slow(FINITE_TOO)])
def test_a_pixel_sees_the_traced_rows_and_none_beyond(name: str) -> None:
    """Pixel o sees rows s o - a and s o + b, neither s o - a - 1 nor s o + b + 1."""
    definition = of(name)
    for stride in definition.taps:
        axis = definition.axis(stride)
        coarsest = definition.coarsest
        rows = -(-(axis.field + 6 * coarsest) // coarsest) * coarsest
        middle = int((rows - axis.behind + axis.before) // 2) // stride
        # A pixel that was upsampled sees more or less, by where it lies between the coarse ones.
        phases = coarsest // stride if name == UPSAMPLES else 1
        pixels = range(middle - phases // 2, middle - phases // 2 + phases)
        first = [int(stride * o - axis.before) for o in pixels]
        last = [int(stride * o + axis.behind) for o in pixels]
        assert min(first) > 0 and max(last) < rows - 1
        bad = [
            *(slice(row, None) for row in last), *(slice(row + 1, None) for row in last),
            *(slice(row + 1) for row in first), *(slice(row) for row in first),
        ]  # fmt: skip
        found = column(definition, (stride,), bad, rows)[stride]
        seen = torch.stack([part[range(phases), list(pixels)] for part in found.split(phases)])
        assert seen.any(1).tolist() == [True, False, True, False], stride
        if name != UPSAMPLES:
            assert axis.offset == (axis.behind - axis.before) / 2
        assert not definition.has_global_field(stride)


@pytest.mark.parametrize("name", [*EVERYTHING, *slow(EVERYTHING_TOO)])
def test_what_sees_everything_sees_the_last_row(name: str) -> None:
    """NaN in the last row reaches the first pixel, over more rows than the local paths span."""
    definition = of(name)
    strides = [stride for stride in definition.taps if definition.has_global_field(stride)]
    assert definition.coarsest in strides
    if "swin" in name:  # its windows see their neighbours block by block: all only in the end
        strides = [definition.coarsest]
    for stride in strides:
        local = max(definition.axis(stride).field, 4 * definition.coarsest)
        rows = -(-2 * local // definition.coarsest) * definition.coarsest
        found = column(definition, (stride,), [slice(rows - 1, None)], rows)
        assert found[stride].all(), stride


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        # Convolutions with a pad that is half the kernel: pixel i at s i.
        ("resnet18", {2: 0, 4: 0, 8: 0, 16: 0, 32: 0}),
        # A shortcut that is pooled by 2 beside them does not move the map.
        ("resnet50d", {2: 0, 4: 0, 8: 0, 16: 0, 32: 0}),
        # Nor does what comes back from coarser maps.
        ("hrnet_w18_small", {2: 0, 4: 0, 8: 0, 16: 0, 32: 0}),
        # Patches: s i + (s - 1) / 2.
        ("convnext_atto", {4: 1.5, 8: 3.5, 16: 7.5, 32: 15.5}),
        ("vit_tiny_patch16_224", {16: 7.5}),
        ("swin_tiny_patch4_window7_224", {4: 1.5, 8: 3.5, 16: 7.5, 32: 15.5}),
        # TensorFlow's SAME: s i + s - 1, as the EfficientNet-Lite of this package.
        ("tf_efficientnet_lite0", {2: 1, 4: 3, 8: 7, 16: 15, 32: 31}),
    ],
)
def test_maps_lie_where_it_can_be_worked_out_by_hand(name: str, maps: dict[int, float]) -> None:
    definition = of(name)
    assert {s: definition.map(s) for s in definition.taps} == {
        stride: Map(Fraction(stride), Fraction(offset)) for stride, offset in maps.items()
    }


def test_the_field_of_resnet18_is_that_of_our_own() -> None:
    ours = NetSpec("fcn32s-resnet18", 2).definition
    for stride in (4, 8, 16, 32):
        theirs = of("resnet18").windows(stride)
        assert sum(w.reach for w in theirs) + 1 == 1 + sum(
            w.reach * jump for w, jump in with_jumps(ours.windows(stride))
        )


def with_jumps(windows):
    jump = 1
    for window in windows:
        yield window, jump
        jump *= window.stride


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vit_tiny_patch16_224"])
def test_maps_are_those_of_timm(timm, name: str) -> None:
    """At whole multiples of the coarsest stride nothing is added, so timm's net gives the same."""
    definition = of(name)
    net = definition.build(3, tuple(definition.taps)).eval()
    image = torch.randn(1, 3, 64, 96)
    more = {"dynamic_img_size": True} if "vit" in name else {}
    theirs = timm.create_model(name, features_only=True, **more).eval()
    theirs.load_state_dict(net.net.state_dict(), strict=False)
    with torch.no_grad():
        found = dict(zip(theirs.feature_info.reduction(), maps_of(theirs, image), strict=True))
        for stride, each in net(image).items():
            assert torch.equal(each, found[stride])


@pytest.mark.parametrize(
    "name",
    ["fcn8s-timm.resnet18", "fpn4s-timm.convnext_atto", "fcn16s-timm.vit_tiny_patch16_224",
     "fpn8s-timm.tf_efficientnet_lite0", "fcn8s-timm.inception_v3"],
)  # fmt: skip
@pytest.mark.parametrize("side", [31, 32, 33, 65])
def test_every_size_comes_back(name: str, side: int) -> None:
    spec = NetSpec(name, 3)
    net = meta_net(spec)
    assert net(torch.empty(1, 3, side, 47, device="meta")).shape == (1, 3, side, 47)
    features = net.backbone(torch.empty(1, 3, side, 47, device="meta"))
    for stride, each in features.items():
        assert each.shape[-2] == size_after(spec.definition.windows(stride), side)


def test_several_streams_have_a_net_each() -> None:
    spec = NetSpec("fcn8s-timm.resnet18", 3, streams=(3, 1))
    net = build(spec).eval()
    assert net(torch.zeros(1, 4, 40, 33)).shape == (1, 3, 40, 33)
    assert net.state_dict()["backbone.1.net.conv1.weight"].shape[1] == 1


def test_it_trains_and_segments_are_run_again_with_the_same_gradient() -> None:
    net = build(NetSpec("fpn4s-timm.resnet18", 3)).train()
    image = torch.randn(2, 3, 64, 64)
    nn.init.normal_(net.score["4"].weight)
    gradients = []
    for again in (0, 1):
        assert net.recompute(again) == again
        net.zero_grad()
        net(image).square().mean().backward()
        gradients.append(net.backbone.net.conv1.weight.grad.clone())
    assert gradients[0].abs().sum() > 0
    assert torch.allclose(*gradients)


def test_preprocessing_is_that_of_the_weights() -> None:
    assert of("resnet18").preprocessing.mean == (0.485, 0.456, 0.406)
    assert of("tf_efficientnet_b0.ns_jft_in1k").preprocessing.std == (0.229, 0.224, 0.225)
    assert of("vit_tiny_patch16_224").preprocessing.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "norms", "batch_norms"),
    [("timm.resnet18", True, True), ("timm.convnext_atto", True, False)],
)
def test_norms_and_those_of_them_that_are_batch_norms(name, norms, batch_norms) -> None:
    definition = definition_of(name)
    assert (definition.is_normalised, definition.has_batch_norms) == (norms, batch_norms)


def test_explain_shows_the_maps_and_what_sees_everything() -> None:
    explained = explain(NetSpec("fcn8s-timm.mobilenetv3_small_050", 3), (96, 130))
    assert [(row.stride, row.height, row.width, row.field) for row in explained.rows] == [
        (8, 12, 20, None), (16, 6, 10, None), (32, 3, 5, None),
    ]  # fmt: skip
    assert [row.channels for row in explained.rows] == [16, 24, 288]
    assert explained.least_pad is None
    assert any("depend on all of the photo" in text for text in explained.warnings)
    rows = explain(NetSpec("fcn8s-timm.resnet18", 3), (96, 128)).rows
    assert [row.field for row in rows] == [99, 211, 435]


def test_costs_of_resnet18_are_those_of_our_own() -> None:
    """The same net but for the scores: at sizes that need no fill the same multiply-adds."""
    theirs, ours = (summarize(NetSpec(f"fcn32s-{n}resnet18", 2), (96, 128)) for n in ("timm.", ""))
    assert theirs.multiply_adds == ours.multiply_adds
    assert theirs.parameters == ours.parameters
    assert not theirs.has_global_field


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("fcn8s-timm.resnet18", {"padding": "paper"}, "padding 'paper'"),
        ("fcn8s-timm.resnet18", {"width": 0.5}, "width 0.5"),
        ("fcn8s-timm.resnet18", {"dropout": 0.1}, "dropout 0.1"),
        ("fcn2s-timm.convnext_atto", {}, "has no head 'fcn2s'; it has fcn32s"),
        ("fcn8s-timm.vit_tiny_patch16_224", {}, "it has fcn16s"),
        ("fcn8s-timm.resnet50dd", {}, "did you mean resnet50d"),
        ("fcn8s-timm.resnet50d.nope", {}, "nope"),
    ],
)
def test_what_does_not_apply_is_refused_in_one_line(name, options, says) -> None:
    with pytest.raises(UserError) as refused:
        NetSpec(name, 3, **options)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_a_net_of_one_size_is_refused_by_name() -> None:
    with pytest.raises(
        GeometryError, match=r"timm\.maxvit_tiny_tf_224 does not take photos of any size"
    ):
        build(NetSpec("fcn32s-timm.maxvit_tiny_tf_224", 3))


def test_a_graph_shows_its_maps_between_the_image_and_the_scores() -> None:
    graph = graph_of(NetSpec("fpn8s-timm.resnet18", 3), (64, 96))
    assert ("image", "map_8") in graph.edges
    assert ("map_8", "map_16") in graph.edges
    assert ("map_16", "lateral_16") in graph.edges
    lines = {node.name: node.lines for node in graph.nodes}
    assert "stride 8, 8x12" in lines["map_8"]
