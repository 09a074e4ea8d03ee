"""The start from a checkpoint: what loads, what begins fresh, and that each is said."""

from dataclasses import replace

import pytest
import torch

from fullconv.checkpoints import Checkpoint, StartReport, save, start_from
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.models import TORCH, NetSpec, build

CLASSES = ClassSet(("sky", "road", "car"))


def trained(name="fcn32s-resnet18", classes=CLASSES, width=1 / 16, **options):
    """A net as training leaves it: nothing in it is zero."""
    torch.manual_seed(5)
    net = build(NetSpec(name, len(classes), width=width, **options))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in net.named_buffers():
            buffer.add_(7 if name.endswith("tracked") else torch.rand_like(buffer))
    return net


def fresh(name, classes=CLASSES, width=1 / 16, **options):
    torch.manual_seed(6)
    return build(NetSpec(name, len(classes), width=width, **options))


@pytest.fixture
def saved(tmp_path):
    """``saved(net, name)`` is the path of its checkpoint."""

    def write(net, name="model", classes=CLASSES):
        path = tmp_path / f"{name}.safetensors"
        channels = net.spec.in_channels
        mean, std = ((values * channels)[:channels] for values in (TORCH.mean, TORCH.std))
        prepared = replace(TORCH, mean=mean, std=std)
        save(path, Checkpoint(net, classes, prepared))
        return path

    return write


def test_the_same_net_loads_whole(saved):
    old, new = trained("fcn8s-resnet18"), fresh("fcn8s-resnet18")
    path = saved(old)
    report = start_from(new, path.parent, CLASSES)  # a run folder
    before, after = old.state_dict(), new.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert sorted(report.loaded) == sorted(after)
    assert report.lines() == [f"{len(after)} arrays loaded from {path.parent}"]


def test_vgg16_and_its_convolutions_start_from_one_another(saved):
    """What both have loads; scores do not, for they score other features."""
    part, whole = trained("fcn8s-vgg16_convs"), trained("fcn8s-vgg16")
    new = fresh("fcn8s-vgg16")
    report = start_from(new, saved(part), CLASSES)
    assert len(report.loaded) == 26
    assert torch.equal(new.backbone.conv5_3.weight, part.backbone.conv5_3.weight)
    assert report.fresh["backbone.fc7.bias"] == "starts at random: not in the source"
    assert report.fresh["score.8.weight"] == "starts at zero: vgg16_convs there, vgg16 here"
    less = fresh("fcn8s-vgg16_convs")
    report = start_from(less, saved(whole), CLASSES)
    assert len(report.loaded) == 26
    assert report.unused["backbone.fc6.weight"] == "this net has no such layer"
    with pytest.raises(UserError, match="holds a vgg16, the net is a caffenet"):
        start_from(fresh("fcn8s-caffenet"), saved(whole), CLASSES)


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        (ClassSet(("sky", "road", "car", "tree")), "3 classes there, 4 here"),
        (ClassSet(("sky", "road", "bus")), "the classes have other names"),
        (ClassSet(("road", "sky", "car")), "the classes have other names"),  # another order
    ],
)
def test_other_classes_start_the_scores_fresh_and_say_so(saved, classes, why):
    old, new = trained("fcn16s-resnet18"), fresh("fcn16s-resnet18", classes)
    report = start_from(new, saved(old), classes)
    scores = ["score.32.weight", "score.32.bias", "score.16.weight", "score.16.bias"]
    assert report.fresh == dict.fromkeys(scores, f"starts at zero: {why}")
    assert all(new.state_dict()[name].abs().max() == 0 for name in scores)
    assert [f"fresh: {name} (starts at zero: {why})" for name in scores] == report.lines()[1:]
    before, after = old.backbone.state_dict(), new.backbone.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_other_colours_are_the_same_classes(saved):
    other = ClassSet(CLASSES.names, ((1, 1, 1), (2, 2, 2), (3, 3, 3)))
    assert not start_from(fresh("fcn32s-resnet18"), saved(trained()), other).fresh


def test_learned_upsampling_of_other_classes_starts_bilinear(saved):
    four = ClassSet(("a", "b", "c", "d"))
    old = trained("fcn16s-resnet18", learn_upsampling=True)
    new = fresh("fcn16s-resnet18", four, learn_upsampling=True)
    start = {name: t.clone() for name, t in new.upscore.state_dict().items()}
    report = start_from(new, saved(old), four)
    assert report.fresh["upscore.32.weight"].startswith("starts bilinear: 3 classes there")
    assert all(torch.equal(start[name], t) for name, t in new.upscore.state_dict().items())


def test_each_stage_begins_where_the_one_before_ended(saved):
    """32s, 16s, 8s, 4s, 2s: a new skip scores zero, so the sums are the same numbers."""
    images = torch.randn(2, 3, 75, 118, dtype=torch.float64)
    old = trained("fcn32s-resnet18")
    for head, new_skip in (("fcn16s", 16), ("fcn8s", 8), ("fcn4s", 4), ("fcn2s", 2)):
        new = fresh(f"{head}-resnet18")
        report = start_from(new, saved(old), CLASSES)
        assert set(report.fresh) == {f"score.{new_skip}.weight", f"score.{new_skip}.bias"}
        assert f"fresh: score.{new_skip}.bias (starts at zero: not in the source)" in report.lines()
        before, after = old.double().eval()(images), new.double().eval()(images)
        assert before.std() > 0.01
        torch.testing.assert_close(after, before)
        with torch.no_grad():  # train the new skip, as the next stage finds it
            torch.nn.init.normal_(new.float().score[str(new_skip)].weight)
        old = new


def test_each_stage_of_vgg_begins_where_the_one_before_ended(saved):
    images = torch.randn(1, 3, 70, 90, dtype=torch.float64)
    old = trained("fcn32s-vgg16", width=1 / 32)
    path = saved(old)
    for head in ("fcn16s", "fcn8s"):
        new = fresh(f"{head}-vgg16", width=1 / 32)
        start_from(new, path, CLASSES)
        torch.testing.assert_close(new.double().eval()(images), old.double().eval()(images))


def test_a_step_back_says_what_it_does_not_use(saved):
    report = start_from(fresh("fcn32s-resnet18"), saved(trained("fcn8s-resnet18")), CLASSES)
    left = ["score.16.bias", "score.16.weight", "score.8.bias", "score.8.weight"]
    assert list(report.unused) == left  # in one order each time, for it is shown
    assert report.lines()[1:] == [f"unused: {n} (this net has no such layer)" for n in left]


def test_another_backbone_is_an_error(saved):
    path = saved(trained("fcn32s-resnet18"))
    with pytest.raises(UserError, match="holds a resnet18, the net is a vgg16") as error:
        start_from(fresh("fcn32s-vgg16", width=1 / 64), path, CLASSES)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("backbone", ["resnet18", "vgg16"])
def test_another_width_is_an_error(saved, backbone):
    """Of a ResNet the counters of its norms would fit, which must not pass for its weights."""
    path = saved(trained(f"fcn32s-{backbone}", width=1 / 8))
    with pytest.raises(UserError, match="nothing of the backbone could be loaded") as error:
        start_from(fresh(f"fcn32s-{backbone}", width=1 / 4), path, CLASSES)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_further_input_channels_begin_with_the_mean_of_the_filters(saved, channels):
    source, new = trained(), fresh("fcn32s-resnet18", streams=(channels,))
    report = start_from(new, saved(source), CLASSES)
    assert not report.fresh
    ((name, how),) = report.adapted.items()
    assert name == "backbone.conv1.conv.weight"
    assert "the mean of the filters of 3" in how
    there, here = source.state_dict()[name], new.state_dict()[name]
    colors = 3 if channels > 3 else 0
    assert torch.equal(here[:, :colors], there[:, :colors])
    for channel in range(colors, channels):
        assert torch.allclose(here[:, channel], there.mean(1))


def test_two_streams_start_from_two_nets_with_the_mean_of_their_scores(saved):
    """Reference: nyud-fcn32s-color-hha, whose fused score is half of each."""
    color, other = trained(), trained()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.7)
    paths = [saved(color, "color"), saved(other, "other")]
    both = fresh("fcn32s-resnet18", streams=(3, 3))
    report = start_from(both, paths, CLASSES)
    assert not report.fresh and not report.unused
    images = torch.randn(2, 6, 45, 70, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = (color.eval()(images[:, :3]) + other.eval()(images[:, 3:])) / 2
        assert torch.allclose(both.eval()(images), expected, atol=1e-5)


def test_one_net_starts_all_streams(saved):
    source, both = trained(), fresh("fcn32s-resnet18", streams=(3, 1))
    report = start_from(both, saved(source), CLASSES)
    assert not report.fresh
    name = "layer4_1.convs.0.conv.weight"
    for stream in (0, 1):
        theirs = source.state_dict()[f"backbone.{name}"]
        assert torch.equal(both.state_dict()[f"backbone.{stream}.{name}"], theirs)


def test_as_many_weights_as_streams(saved):
    path = saved(trained())
    with pytest.raises(UserError, match="3 weights for 2 streams"):
        start_from(fresh("fcn32s-resnet18", streams=(3, 3)), [path] * 3, CLASSES)
    late = saved(trained(streams=(3, 3)), "late")
    with pytest.raises(UserError, match=r"late\.safetensors: has 2 streams itself"):
        start_from(fresh("fcn32s-resnet18", streams=(3, 3)), [path, late], CLASSES)


def test_no_stream_may_stay_at_random_unsaid(saved):
    paths = [saved(trained(), "color"), saved(trained(width=1 / 4), "wide")]
    with pytest.raises(UserError, match=r"nothing of the backbone .*backbone\.1\."):
        start_from(fresh("fcn32s-resnet18", streams=(3, 3)), paths, CLASSES)


def test_padding_needs_no_other_weights(saved):
    new = build(replace(fresh("fcn32s-resnet18").spec, padding="paper"))
    report = start_from(new, saved(trained()), CLASSES)
    assert not report.fresh
    assert not report.unused


def test_what_starts_fresh_for_one_reason_is_one_line_where_it_is_much():
    pyramid = {f"pyramid.lateral.{i}.weight": "starts at random" for i in range(7)}
    few = {"score.8.weight": "starts at zero", "score.8.bias": "starts at zero"}
    lines = StartReport("there", fresh=pyramid | few).lines()
    assert lines[1:] == [
        "fresh: pyramid, 7 arrays (starts at random)",
        "fresh: score.8.weight (starts at zero)",
        "fresh: score.8.bias (starts at zero)",
    ]
