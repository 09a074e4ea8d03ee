"""Nets with folded batch norms against torch's own batch norms."""

import pytest
import torch
from torch import nn

from fullconv.models import NetSpec, build
from fullconv.models.fold_batch_norm import fold_batch_norm


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
        ("fpn4s-efficientnet_lite0", {}),
        ("fpn2s-efficientnet_lite0", {}),
    ],
)
def test_the_scores_are_the_same(name, options):
    net = with_statistics(name, **options)
    one_by_one = fold_batch_norm(net)
    assert net.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in one_by_one.modules())
    images = torch.randn(2, net.spec.in_channels, 61, 45, dtype=torch.float64)
    with torch.no_grad():
        wanted, found = net.eval()(images), one_by_one(images)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12 * float(wanted.abs().max()))


def test_the_net_itself_stays_as_it_was():
    net = with_statistics("fcn32s-resnet18")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one_by_one = fold_batch_norm(net)
    for parameter in one_by_one.parameters():
        nn.init.zeros_(parameter)
    after = net.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_without_batch_norm_nothing_is_copied():
    net = build(NetSpec("fcn32s-vgg16", 3, width=1 / 32))
    assert fold_batch_norm(net) is net


@pytest.mark.parametrize("name", ["fcn8s-resnet18", "fpn4s-efficientnet_lite0"])
def test_a_frozen_norm_in_training_is_the_norm_in_evaluation(name):
    """Features and gradients, those of the norms' own weights among them, against torch's norms."""
    nets = [with_statistics(name).backbone.eval() for _ in range(2)]
    frozen, plain = nets
    frozen.train()
    for module in frozen.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    images = torch.randn(2, 3, 33, 46, dtype=torch.float64)
    results = [net(images.requires_grad_()) for net in nets]
    for stride, wanted in results[1].items():
        torch.testing.assert_close(results[0][stride], wanted, rtol=1e-9, atol=1e-9)
    weights = {stride: torch.randn_like(each) for stride, each in results[1].items()}
    for result in results:
        sum((result[stride] * weights[stride]).sum() for stride in weights).backward()
    for (key, mine), theirs in zip(frozen.named_parameters(), plain.parameters(), strict=True):
        scale = float(theirs.grad.abs().max())
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-7, atol=1e-9 * max(scale, 1)), key
    for mine, theirs in zip(frozen.buffers(), plain.buffers(), strict=True):
        assert torch.equal(mine, theirs)
