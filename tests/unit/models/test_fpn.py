"""A pyramid of features: against numpy's interpolation, and what tells it from added scores."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fullconv.checkpoints import Checkpoint, save, start_from
from fullconv.classes import ClassSet
from fullconv.models import TORCH, NetSpec, build
from fullconv.models.analysis.cost import summarize
from fullconv.models.analysis.explain import explain
from fullconv.models.fcn import tile_geometry
from fullconv.models.registry import BACKBONES, heads


def a_net(name, **options):
    """A net in evaluation mode, in double, with scores and statistics at random too."""
    torch.manual_seed(0)
    net = build(NetSpec(name, 3, width=1 / 8, **options)).double().eval()
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.data.uniform_(0.5, 1.5)
    for layer in net.score.values():
        torch.nn.init.normal_(layer.weight)
    return net


def normed(x, layer, pad):
    norm = layer.norm
    x = F.conv2d(x, layer.conv.weight, padding=pad)
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


def twice(x, size):
    """Coarse pixel i to fine pixel 2 i, linear between, the last one beyond: numpy's `interp`."""
    for axis, n in zip((2, 3), size, strict=True):
        places = 2 * np.arange(x.shape[axis])
        rows = np.apply_along_axis(lambda r, n=n, p=places: np.interp(np.arange(n), p, r), axis, x)
        x = rows
    return torch.from_numpy(x)


@pytest.mark.parametrize("finest", [4, 2])
@pytest.mark.parametrize("size", [(64, 96), (65, 31), (70, 97), (1, 40)])
def test_it_fuses_from_the_coarsest_to_the_finest(size, finest):
    net = a_net(f"fpn{finest}s-resnet18")
    with torch.no_grad():
        features = net.backbone(torch.randn(1, 3, *size, dtype=torch.float64))
        part, fused = net.pyramid, None
        for stride in (32, 16, 8, 4, 2)[: -1 if finest == 4 else None]:
            level = normed(features[stride], part.lateral[str(stride)], 0)
            if stride == 2:  # of fewer channels
                fused = normed(fused, part.narrow["4"], 0)
            if fused is not None:
                level = level + twice(fused.numpy(), level.shape[-2:])
            fused = F.relu(normed(level, part.blend[str(stride)], 1))
        scores = net.scored(features)
    assert list(scores) == [finest]
    torch.testing.assert_close(scores[finest], net.score[str(finest)](fused))


def test_its_map_of_stride_two_has_a_quarter_of_the_channels():
    spec = NetSpec("fpn2s-efficientnet_lite0", 11)
    assert spec.pyramid_channels == {32: 128, 16: 128, 8: 128, 4: 128, 2: 32}
    more = (
        summarize(spec).multiply_adds
        / summarize(NetSpec(f"fpn4s-{spec.backbone}", 11)).multiply_adds
    )
    assert 1.1 < more < 1.2


def says(net, features):
    with torch.no_grad():
        return next(iter(net.fused(net.scored(features)).values()))


@pytest.mark.parametrize(("head", "looks"), [("fcn4s", False), ("fpn4s", True)])
def test_what_the_fine_map_says_depends_on_the_coarse_one(head, looks):
    """Added scores know nothing of one another; fused features do."""
    net = a_net(f"{head}-resnet18")
    with torch.no_grad():
        one, two = (net.backbone(torch.randn(1, 3, 64, 64, dtype=torch.float64)) for _ in range(2))
    other_fine, other_coarse = one | {4: 5 * two[4]}, one | {32: 5 * two[32]}
    change = says(net, other_fine) - says(net, one)
    elsewhere = says(net, other_fine | {32: other_coarse[32]}) - says(net, other_coarse)
    assert torch.allclose(change, elsewhere, rtol=1e-9, atol=1e-9) != looks


def test_it_stands_on_normalised_backbones_with_several_maps():
    having = {name for name, b in BACKBONES.items() if "fpn4s" in heads(b)}
    lite = {f"efficientnet_lite{number}" for number in range(5)}
    assert having == {"googlenet_bn", "resnet18", "resnet34", "resnet50", "resnet101", *lite}


@pytest.mark.parametrize("name", ["fpn8s-resnet18", "fpn4s-resnet50"])
def test_it_starts_from_the_backbone_of_a_net_that_adds_scores(name, tmp_path):
    """Also where a score layer there has the shape of the pyramid's: it scored something else."""
    net, source = a_net(name), a_net(f"fcn8s-{name.split('-')[1]}")
    classes, path = ClassSet(("sky", "road", "car")), tmp_path / "source.safetensors"
    save(path, Checkpoint(source, classes, TORCH))
    report = start_from(net, path, classes)
    assert set(report.loaded) == {key for key in net.state_dict() if key.startswith("backbone.")}
    assert all("at random" in why for key, why in report.fresh.items() if "pyramid" in key)
    finest = f"score.{net.spec.strides[0]}.weight"
    assert report.fresh[finest] == "starts at zero: scores are added there, features fused here"


def test_its_layers_and_field_are_counted():
    """On the longest way: 17 of the ResNet, a lateral one, a blend at each stride, a score.

    And one that makes the channels fewer before stride 2.
    """
    assert summarize(NetSpec("fpn2s-resnet18", 21)).conv_layers == 17 + 1 + 5 + 1 + 1
    summary = summarize(NetSpec("fpn4s-resnet18", 21))
    assert summary.conv_layers == 17 + 1 + 4 + 1
    rows = explain(NetSpec("fpn4s-resnet18", 21), (360, 480)).rows
    assert [(row.name, row.height, row.field) for row in rows[-2:]] == [
        ("pyramid_8", 45, summary.receptive_field),
        ("pyramid_4", 90, summary.receptive_field),
    ]


@pytest.mark.parametrize(
    "name", ["fpn2s-resnet18", "fpn4s-resnet18", "fpn8s-resnet18", "fpn8s-googlenet_bn"]
)
def test_what_a_score_sees_is_what_reaches_it(name):
    """NaN at one pixel of the photo reaches just the scores that see it.

    Kernels that could learn have no weights of zero, by which a fixed one spreads NaN.
    """
    spec = NetSpec(name, 1, width=1 / 64, learn_upsampling=True)
    net, field, n = build(spec).eval(), tile_geometry(spec).field, 1664
    middle = range(n // 2 - field // 2 - 40, n // 2 + field // 2 + 40)
    seen = []
    for pixels in torch.tensor(middle).split(32):
        columns = torch.zeros(len(pixels), 3, n, 1)
        columns[torch.arange(len(pixels)), :, pixels] = torch.nan
        with torch.no_grad():
            seen.append(net.scores(columns)[spec.strides[0]][:, 0, :, 0].isnan())
    reached = torch.cat(seen)  # pixels, scores
    whole = ~(reached[0] | reached[-1]) & reached.any(0)
    assert int(whole.sum()) >= 32 // spec.strides[0]
    assert max(int(c.nonzero().max() - c.nonzero().min()) for c in reached.T[whole]) + 1 == field


def test_kernels_that_learn_are_in_the_pyramid_too():
    learnt = a_net("fpn4s-resnet18", learn_upsampling=True).state_dict().keys()
    fixed = a_net("fpn4s-resnet18").state_dict().keys()
    assert learnt - fixed == {"upscore.4.weight", *(f"pyramid.up.{s}.weight" for s in (32, 16, 8))}


@pytest.mark.parametrize("name", ["fpn8s-resnet18", "fpn4s-googlenet_bn", "fpn2s-resnet34"])
def test_strides_are_those_that_it_scores_and_those_that_it_fuses(name):
    spec = NetSpec(name, 3)
    assert spec.strides == spec.tapped[-1:]
    assert spec.tapped[0] == 32
    assert all(coarse == 2 * fine for coarse, fine in itertools.pairwise(spec.tapped))


def test_several_streams_take_the_backbone_and_fuse_anew(tmp_path):
    """From a pyramid too: channels of the features of two nets have nothing to do with each other.

    And scores that are added take from a pyramid's file what they have in common.
    """
    classes, path = ClassSet(("sky", "road", "car")), tmp_path / "source.safetensors"
    save(path, Checkpoint(a_net("fpn8s-resnet18"), classes, TORCH))
    for name in ("fpn8s-resnet18", "fcn8s-resnet18"):
        both = a_net(name, streams=(3, 3))
        report = start_from(both, [path, path], classes)
        assert set(report.loaded) == {k for k in both.state_dict() if k.startswith("backbone.")}
