"""Nets with folded batch norms against torch's own batch norms."""

import pytest
import torch
from torch import nn

from fullconv.nets import NetSpec, build
from fullconv.nets.folded import folded


def with_statistics(name, **options):
    torch.manual_seed(0)
    net = build(NetSpec(name, 3, width=1 / 16, **options)).double()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)  # pyright: ignore
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # pyright: ignore
    for layer in net.score_modules().values():
        nn.init.normal_(layer.weight)
    return net


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fcn8s-resnet18", {}),
        ("fcn8s-resnet50", {"padding": "paper"}),
        ("fcn16s-resnet18", {"streams": (3, 1)}),
        ("fcn8s-googlenet_bn", {}),
        ("fcn8s-resnet50_dilated", {}),
    ],
)
def test_the_scores_are_the_same(name, options):
    net = with_statistics(name, **options)
    made = folded(net)
    assert net.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in made.modules())
    images = torch.randn(2, net.spec.in_channels, 61, 45, dtype=torch.float64)
    with torch.no_grad():
        wanted, found = net.eval()(images), made(images)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12 * float(wanted.abs().max()))


def test_the_net_itself_stays_as_it_was():
    net = with_statistics("fcn32s-resnet18")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    made = folded(net)
    for parameter in made.parameters():
        nn.init.zeros_(parameter)
    after = net.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_without_batch_norm_nothing_is_copied():
    net = build(NetSpec("fcn32s-vgg16", 3, width=1 / 32))
    assert folded(net) is net
