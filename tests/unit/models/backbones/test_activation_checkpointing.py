"""Segments that are computed again on the way back: nothing but time and memory may change."""

import copy

import pytest
import torch
from torch import nn

from fullconv.models import BACKBONES, NetSpec, build
from fullconv.models.backbones.backbone import segments_of

NETS = ["fcn8s-vgg16", "fcn4s-googlenet", "fcn2s-resnet18", "fcn8s-googlenet_bn"]


def a_net(name, **options):
    """Narrow, in double precision, with nothing at zero that would hide a wrong gradient."""
    torch.manual_seed(0)
    net = build(NetSpec(name, 3, width=1 / 16, dropout=0.5, **options)).double().train()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    return net


def a_step(net, recomputed, steps=1, size=(45, 70)):
    """Gradients, buffers, and what the generator gives next."""
    net = copy.deepcopy(net)
    net.recompute(recomputed)
    torch.manual_seed(1)
    for _ in range(steps):
        images = torch.randn(2, net.spec.in_channels, *size, dtype=torch.float64)
        net(images).square().mean().backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    return gradients, dict(net.named_buffers()), torch.rand(3)


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("recomputed", [1, 3, 99])
def test_gradients_norms_and_random_numbers_are_the_same_to_the_bit(name, recomputed):
    net = a_net(name)
    expected, buffers, after = a_step(net, 0, steps=2)
    found, found_buffers, found_after = a_step(net, recomputed, steps=2)
    assert all(gradient.abs().max() > 0 for gradient in expected.values())
    assert same(found, expected)
    assert same(found_buffers, buffers)
    assert torch.equal(found_after, after)
    norms = [n for n in buffers if n.endswith("num_batches_tracked")]
    assert all(int(found_buffers[n]) == 2 for n in norms)
    assert bool(norms) == (name in ("fcn2s-resnet18", "fcn8s-googlenet_bn"))


def test_several_streams_and_paper_padding():
    for net in (a_net("fcn8s-resnet18", streams=(3, 1)), a_net("fcn8s-caffenet", padding="paper")):
        expected, buffers, _ = a_step(net, 0, size=(33, 40))
        found, found_buffers, _ = a_step(net, 4, size=(33, 40))
        assert same(found, expected)
        assert same(found_buffers, buffers)


def test_a_frozen_backbone_keeps_its_statistics():
    net = a_net("fcn8s-resnet18")
    net.backbone.eval().requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    net.recompute(99)
    net(torch.randn(1, 3, 40, 40, dtype=torch.float64)).sum().backward()
    assert same(net.state_dict(), before)
    assert net.score["32"].weight.grad.abs().max() > 0


def test_it_runs_once_without_gradients_and_twice_with_them():
    net, runs = a_net("fcn8s-vgg16"), []
    net.backbone.get_submodule("conv1_1").register_forward_hook(lambda *_: runs.append(1))
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    net.recompute(1)
    with torch.no_grad():
        net(images)
    assert len(runs) == 1
    net(images).sum().backward()
    assert len(runs) == 3


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_segments_are_all_steps_in_order(name):
    steps = BACKBONES[name].steps
    segments = segments_of(steps)
    assert [each for names in segments for each in names] == [step.name for step in steps]
    assert all(segments)


def test_where_vgg16_is_cut():
    firsts = [names[0] for names in segments_of(BACKBONES["vgg16"].steps)]
    assert firsts == ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1", "fc6"]


def test_no_more_segments_than_there_are():
    net = a_net("fcn8s-vgg16")
    assert [net.recompute(n) for n in (0, 2, 6, 7)] == [0, 2, 6, 6]
