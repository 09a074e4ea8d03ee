import pytest
import torch

from fullconv.models import NetSpec, build
from fullconv.training import make_config
from fullconv.training.optimizer import (
    averaging_decay,
    freeze,
    hold_frozen,
    lr_at,
    make_optimizer,
    set_lr,
    warmup_steps,
)


def options(**values):
    changes = {f"optimizer.{key}": value for key, value in values.items()}
    return make_config("scratch", changes).optimizer


def net(name="fcn8s-resnet18"):
    torch.manual_seed(0)
    return build(NetSpec(name, 3, width=1 / 32))


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_only_kernels_decay_and_biases_have_their_own_rate(kind):
    model = net()
    optimizer = make_optimizer(model, options(kind=kind, weight_decay=0.3, bias_lr=2.0))
    kernels, others = optimizer.param_groups
    names = {parameter: name for name, parameter in model.named_parameters()}
    assert {names[p] for p in kernels["params"]} == {
        name for name in names.values() if name.endswith("weight") and ".norm." not in name
    }
    assert all(names[p].endswith("bias") or ".norm." in names[p] for p in others["params"])
    assert len(kernels["params"]) + len(others["params"]) == len(names)
    assert (kernels["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    set_lr(optimizer, 0.05)
    assert (kernels["lr"], others["lr"]) == (0.05, 0.1)


def test_learned_upsampling_is_trained():
    net = build(NetSpec("fcn16s-vgg16", 3, width=1 / 64, learn_upsampling=True))
    trained = {p for g in make_optimizer(net, options()).param_groups for p in g["params"]}
    assert set(net.upscore.parameters()) <= trained


def test_frozen_backbone_is_left_out():
    model = net()
    freeze(model)
    groups = make_optimizer(model, options()).param_groups
    assert {p for g in groups for p in g["params"]} == set(model.score.parameters())
    model.train()
    hold_frozen(model)
    assert not model.backbone.training
    assert not any(module.training for module in model.backbone.modules())
    assert model.score.training


def test_a_backbone_that_learns_stays_in_training():
    made = net().train()
    hold_frozen(made)
    assert all(module.training for module in made.modules())


def test_two_steps_of_sgd_by_hand():
    """v = m v + g + d w; w = w - r v, as Caffe's solver; biases twice the rate, no decay."""
    model = net("fcn32s-vgg16")
    rate, momentum, decay = 0.1, 0.9, 0.01
    config = options(kind="sgd", lr=rate, momentum=momentum, weight_decay=decay, bias_lr=2.0)
    optimizer = make_optimizer(model, config)
    kernel = model.get_parameter("score.32.weight")
    bias = model.get_parameter("score.32.bias")
    torch.nn.init.normal_(kernel)
    torch.nn.init.normal_(bias)
    w, b = kernel.detach().clone(), bias.detach().clone()
    vw, vb = torch.zeros_like(w), torch.zeros_like(b)
    for step in range(2):
        optimizer.zero_grad()
        gw, gb = torch.randn_like(w), torch.randn_like(b)
        kernel.grad, bias.grad = gw.clone(), gb.clone()
        set_lr(optimizer, rate / (step + 1))
        optimizer.step()
        vw, vb = momentum * vw + gw + decay * w, momentum * vb + gb
        w, b = w - rate / (step + 1) * vw, b - 2 * rate / (step + 1) * vb
        torch.testing.assert_close(kernel.detach(), w)
        torch.testing.assert_close(bias.detach(), b)


def test_against_torchs_plain_adamw():
    """One group of torch's own AdamW for the kernels gives the same weights."""
    made, other = net(), net()
    optimizer = make_optimizer(made, options(kind="adamw", momentum=0.8, weight_decay=0.1))
    kernels = [p for p in other.parameters() if p.ndim > 1]
    plain = torch.optim.AdamW(kernels, lr=0.02, betas=(0.8, 0.999), weight_decay=0.1)
    for _ in range(3):
        for mine, theirs in zip(made.parameters(), other.parameters(), strict=True):
            mine.grad = torch.randn_like(mine)
            theirs.grad = mine.grad.clone()
        set_lr(optimizer, 0.02)
        optimizer.step()
        plain.step()
    for mine, theirs in zip(made.parameters(), other.parameters(), strict=True):
        if mine.ndim > 1:
            torch.testing.assert_close(mine, theirs)


def test_fixed_rate():
    config = options(lr=0.5, lr_schedule="fixed", warmup=0)
    assert [lr_at(step, 10, config) for step in (0, 5, 9)] == [0.5, 0.5, 0.5]


def test_poly_rate():
    config = options(lr=2.0, lr_schedule="poly", power=0.9, warmup=0)
    assert lr_at(0, 100, config) == 2.0
    assert lr_at(50, 100, config) == pytest.approx(2.0 * 0.5**0.9)
    assert lr_at(99, 100, config) == pytest.approx(2.0 * 0.01**0.9)
    rates = [lr_at(step, 100, config) for step in range(100)]
    assert rates == sorted(rates, reverse=True)
    assert min(rates) > 0


def test_warm_up_is_linear_and_ends():
    config = options(lr=1.0, lr_schedule="fixed", warmup=0.1)
    rates = [lr_at(step, 80, config) for step in range(10)]
    assert rates == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.0, 1.0]
    both = options(lr=1.0, lr_schedule="poly", power=1.0, warmup=0.1)
    assert lr_at(1, 80, both) == pytest.approx(2 / 8 * (1 - 1 / 80))


@pytest.mark.parametrize(("steps", "warm"), [(20, 5), (100, 5), (1000, 50), (10**6, 500)])
def test_a_warm_up_is_a_share_of_the_run_within_limits(steps, warm):
    config = options(lr=1.0, lr_schedule="fixed", warmup=0.05)
    assert warmup_steps(steps, config) == warm
    assert lr_at(warm - 1, steps, config) == 1.0
    assert lr_at(warm - 2, steps, config) < 1.0


def test_half_a_cosine():
    config = options(lr=2.0, lr_schedule="cosine", warmup=0)
    found = [lr_at(step, 100, config) for step in (0, 25, 50, 75)]
    assert found == pytest.approx([2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5])


@pytest.mark.parametrize(("steps", "constant"), [(20, 10), (1000, 50), (10**6, 1000)])
def test_the_average_follows_a_share_of_the_run_within_limits(steps, constant):
    assert averaging_decay(steps, options(ema=0.05)) == pytest.approx(1 - 1 / constant)
    assert averaging_decay(steps, options(ema=None)) is None


def test_the_backbone_learns_at_its_own_rate():
    """Two groups more, and every parameter in exactly one of them."""
    net = build(NetSpec("fpn4s-efficientnet_lite0", 3))
    optimizer = make_optimizer(net, options(lr=1.0, backbone_lr=0.25, bias_lr=2.0))
    set_lr(optimizer, 0.1)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(rates)
    for name, parameter in net.named_parameters():
        rate = 0.1 * (0.25 if name.startswith("backbone.") else 1.0)
        assert rates[id(parameter)] == pytest.approx(rate * (1 if parameter.ndim > 1 else 2))
