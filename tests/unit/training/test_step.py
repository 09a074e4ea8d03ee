"""One update: accumulation, averages, frozen layers, and what is refused."""

import math

import pytest
import torch
import torch.nn.functional as F

from fullconv.data import Batch
from fullconv.errors import UserError
from fullconv.models import CAFFE
from fullconv.models.cpu_kernels import convolutions as conv
from fullconv.training import step as update
from fullconv.training.losses import banded, photo_loss
from fullconv.training.optimizer import freeze
from fullconv.training.step import step_seed


def gradients(made, data):
    """Losses and gradients of one effective batch."""
    made.optimizer.zero_grad()
    losses = made.gradients(data)
    return losses, {name: p.grad.clone() for name, p in made.net.named_parameters()}


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weights", [None, [1.0, 0.25, 3.0]])
def test_accumulating_equals_the_large_batch(updater, batch, reduction, weights):
    """4 parts of 2 against 8 at once, the labelled share differing from part to part.

    In float64, where only the order of sums differs: far closer than the default tolerance.
    """
    weights = None if weights is None else torch.tensor(weights)
    options = {"weights": weights, "double": True}
    loss = {"loss.cross_entropy.reduction": reduction, "loss.jaccard.weight": 0.5}
    parts = updater(loss | {"schedule.batch_size": 2, "schedule.accumulate": 4}, **options)
    whole = updater(loss | {"schedule.batch_size": 8}, **options)
    data = batch(8, unlabelled=True)
    shares = [(part != 255).double().mean().item() for part in data.masks.split(2)]
    assert max(shares) > 2 * min(shares)
    losses, found = gradients(parts, data)
    expected_losses, expected = gradients(whole, data)
    assert losses == pytest.approx(expected_losses, rel=1e-12)
    assert all(g.dtype == torch.float64 and g.abs().max() > 0 for g in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-14)


def test_sampled_pixels_are_the_same_however_the_batch_is_parted(updater, batch):
    loss = {"loss.cross_entropy.keep": 0.5}
    found = []
    for parts in (1, 4):
        built = updater(
            loss | {"schedule.batch_size": 8 // parts, "schedule.accumulate": parts}, double=True
        )
        torch.manual_seed(1)
        found.append(gradients(built, batch(8)))
    (_, one), (_, other) = found
    all_pixels = gradients(updater({"schedule.batch_size": 8}, double=True), batch(8))[1]
    for name, gradient in one.items():
        torch.testing.assert_close(other[name], gradient, rtol=1e-9, atol=1e-14)
        assert not torch.allclose(all_pixels[name], gradient, rtol=1e-3, atol=1e-9)


def test_losses_and_gradients_against_torch_alone(updater, batch):
    """The update's gradient is that of F.cross_entropy on the net's scores."""
    weights = torch.tensor([1.0, 0.25, 3.0])
    made, data = updater({"schedule.batch_size": 2}, weights=weights, double=True), batch(4)
    (trained, plain), found = gradients(made, data)
    made.optimizer.zero_grad()
    scores = made.net(CAFFE(data.images).double())
    labels = data.masks.long()
    loss = F.cross_entropy(scores, labels, weight=weights.double(), ignore_index=255)
    loss.backward()
    assert trained == pytest.approx(loss.item(), rel=1e-12)
    assert plain == pytest.approx(F.cross_entropy(scores, labels).item(), rel=1e-12)
    for name, parameter in made.net.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-9, atol=1e-14)


def test_the_summed_loss_still_shows_the_loss_per_pixel(updater, batch):
    data = batch(2, unlabelled=True)
    trained, plain = updater({"loss.cross_entropy.reduction": "sum"}).gradients(data)
    assert trained == pytest.approx(plain * (data.masks != 255).sum().item(), rel=1e-5)


def test_a_batch_without_labels_changes_nothing_but_is_fine(updater, batch):
    made, data = updater({"optimizer.kind": "sgd", "optimizer.weight_decay": 0.0}), batch(2)
    data.masks.fill_(255)
    before = state(made.net)
    assert made.step(data) == (0.0, 0.0)
    after = state(made.net)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_steps_lower_the_loss(updater, batch, kind):
    built = updater(
        {"optimizer.kind": kind, "optimizer.lr": 1e-3, "optimizer.lr_schedule": "fixed"}
    )
    data = batch(2)
    losses = [built.step(Batch(step, data.images, data.masks, data.names))[0] for step in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_clipping_bounds_the_change(updater, batch):
    """With plain SGD the weights move by exactly rate x clip."""
    changes = {"optimizer.kind": "sgd", "optimizer.momentum": 0.0, "optimizer.weight_decay": 0.0}
    changes |= {
        "optimizer.lr": 0.5,
        "optimizer.lr_schedule": "fixed",
        "loss.cross_entropy.reduction": "sum",
    }
    built = updater(changes | {"optimizer.clip": 1e-3})
    before = state(built.net)
    built.step(batch(2))
    moved = [(t - before[name]).double().pow(2).sum() for name, t in built.net.state_dict().items()]
    assert math.sqrt(sum(moved)) == pytest.approx(0.5e-3, rel=1e-2)


def test_averaged_weights_by_hand(updater, batch):
    """m = d m + (1 - d) w with d = min(1 - 1/c, (step + 1) / (step + 10)); norms are averaged too.

    The time constant c, a share of a short run, is the least: 10 steps.
    """
    built = updater({"optimizer.ema": 0.15}, name="fcn16s-resnet18")
    expected = state(built.net)
    for step in range(4):
        built.step(batch(2, step))
        decay = min(0.9, (step + 1) / (step + 10))
        for name, current in built.net.state_dict().items():
            if current.dtype.is_floating_point:
                expected[name] = decay * expected[name] + (1 - decay) * current
            else:
                expected[name] = current.clone()
        for name, mean in built.ema_net.state_dict().items():
            torch.testing.assert_close(mean, expected[name])
    assert built.eval_net is built.ema_net
    different = [not torch.equal(expected[n], t) for n, t in built.net.state_dict().items()]
    assert sum(different) > len(different) / 2


def test_without_averages_the_net_itself_is_kept(updater):
    built = updater()
    assert built.ema_net is None
    assert built.eval_net is built.net


def test_a_loss_that_is_not_finite_names_step_and_photos_and_changes_nothing(updater, batch):
    built = updater({"optimizer.ema": 0.9})
    built.step(batch(2, 0))
    with torch.no_grad():  # scores overflow, as with a rate that is far too high
        built.net.get_parameter("score.32.weight").mul_(1e38)
        built.net.get_parameter("score.32.bias").copy_(torch.tensor([3e38, -3e38, 0.0]))
    before, averaged = state(built.net), state(built.ema_net)
    buffers = built.optimizer.state_dict()["state"]
    buffers = {n: {k: v.clone() for k, v in values.items()} for n, values in buffers.items()}
    with pytest.raises(UserError, match=r"is (nan|inf) at") as error:
        built.step(batch(2, 6))
    for part in ("step 7", "photo0, photo1", "optimizer.lr", "optimizer.clip"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert all(torch.equal(before[name], t) for name, t in built.net.state_dict().items())
    assert all(torch.equal(averaged[name], t) for name, t in built.ema_net.state_dict().items())
    for number, values in built.optimizer.state_dict()["state"].items():
        assert all(torch.equal(buffers[number][key], value) for key, value in values.items())


NETS = {
    "no norms": {"name": "fcn8s-vgg16"},
    "all computed again": {"name": "fcn8s-vgg16", "again": 99, "dropout": 0.5},
    "norms, parts computed again": {"name": "fcn8s-resnet18", "again": 3},
    "inception, all computed again": {"name": "fcn8s-googlenet", "again": 99},
    "learned upsampling, dropout": {"name": "fcn16s-caffenet", "learn": True, "dropout": 0.5},
    "loss in bands": {"name": "fcn8s-resnet18", "classes": 150, "bands": 1},
}


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_gradients_used_up_as_they_come_change_weights_to_the_same_bits(
    updater, batch, net, monkeypatch
):
    """Against all of them at once, which clipping needs; at no moment is there another one."""
    for module in (banded, photo_loss):
        monkeypatch.setattr(module, "CACHED", net.get("bands", module.CACHED))
    for name in ("FEWEST_CHANNELS", "FEWEST_FORWARD", "FEWEST_TILES"):  # by all ways of nets.conv
        monkeypatch.setattr(conv, name, 8)
    changes = {"optimizer.kind": "sgd", "optimizer.momentum": 0.9, "optimizer.lr": 1e-5}
    changes |= {"optimizer.ema": 0.9, "compute.activation_checkpointing": net.get("again", 0)}
    spec = {"name": net["name"], "classes": net.get("classes", 3)}
    spec |= {"learn_upsampling": net.get("learn", False), "dropout": net.get("dropout", 0.0)}
    one = updater(changes, **spec)
    other = updater(changes | {"optimizer.clip": 1e30}, **spec)
    assert one.updating_in_backward
    assert not other.updating_in_backward
    weights = [p for p in one.net.parameters() if p.requires_grad]
    there = []
    spec = one.net.spec
    assert banded.is_worth_it(spec, 2, (40, 48)) == ("bands" in net)
    for weight in weights:
        weight.register_post_accumulate_grad_hook(
            lambda _: there.append(sum(p.grad is not None for p in weights))
        )
    for step in range(3):
        assert one.step(batch(2, step)) == other.step(batch(2, step))
    assert there == [1] * (3 * len(weights))
    assert all(p.grad is None for p in weights)
    for first, second in ((one.net, other.net), (one.ema_net, other.ema_net)):
        expected = state(second)
        assert all(torch.equal(expected[name], t) for name, t in state(first).items())
    mine, plain = (made.optimizer.state_dict()["state"] for made in (one, other))
    assert mine.keys() == plain.keys()
    for number, buffers in mine.items():
        assert torch.equal(buffers["momentum_buffer"], plain[number]["momentum_buffer"])


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer.kind": "adamw"},
        {"optimizer.clip": 1.0},
        {"schedule.batch_size": 1, "schedule.accumulate": 2},
        {"compute.devices": 2},
    ],
)
def test_gradients_that_are_wanted_together_are_kept(updater, changes):
    assert updater({"optimizer.kind": "sgd"}).updating_in_backward
    assert updater({"optimizer.kind": "sgd"} | changes).updating_in_backward is None


def test_a_loss_that_is_not_finite_is_refused_before_the_way_back(updater, batch):
    built = updater({"optimizer.kind": "sgd"})
    with torch.no_grad():
        built.net.get_parameter("score.32.bias").copy_(torch.tensor([3e38, -3e38, 0.0]))
    before = state(built.net)
    with pytest.raises(UserError, match="the loss is inf at step 2 "):
        built.step(batch(2, 1))
    assert all(torch.equal(before[name], t) for name, t in built.net.state_dict().items())


def test_a_gradient_that_is_not_finite_is_refused_before_its_weight_changes(updater, batch):
    built = updater({"optimizer.kind": "sgd"})
    built.step(batch(2, 0))
    first, last = "backbone.conv1.weight", "score.32.weight"
    before = state(built.net)
    built.net.get_parameter(first).register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(UserError, match=r"the gradient is (nan|inf) at step 2 .*optimizer.lr"):
        built.step(batch(2, 1))
    after = state(built.net)
    assert torch.equal(before[first], after[first])
    assert not torch.equal(before[last], after[last])  # its turn was before
    assert all(torch.isfinite(t).all() for t in after.values())


@pytest.mark.parametrize("largest", [2**10, 2**30])
def test_before_a_gradient_that_is_large_what_was_freed_is_returned(
    updater, batch, monkeypatch, largest
):
    monkeypatch.setattr(update, "LARGEST_KEPT", largest)
    calls = []
    monkeypatch.setattr(update, "return_kept_memory", lambda: calls.append(1))
    updater({"optimizer.kind": "sgd"}).step(batch(2, 0))
    assert len(calls) == (largest == 2**10)


@pytest.mark.parametrize("in_bands", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_layers_compute_in_the_precision_that_is_asked_for(
    updater, batch, monkeypatch, precision, in_bands
):
    """Whichever way the loss goes; the loss itself is summed in fp32."""
    monkeypatch.setattr(update, "is_worth_it", lambda *_: in_bands)
    built = updater({"compute.precision": precision})
    computed = set()
    for layer in built.net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda *seen: computed.add(seen[-1].dtype))
    built.step(batch(2, 0))
    assert computed == {torch.bfloat16 if precision == "bf16" else torch.float32}
    assert {p.dtype for p in built.net.parameters()} == {torch.float32}


def test_losses_in_bf16_are_those_of_fp32_to_its_digits(updater, batch, monkeypatch):
    found = []
    for in_bands in (False, True):
        monkeypatch.setattr(update, "is_worth_it", lambda *_, chosen=in_bands: chosen)
        found += [updater({"compute.precision": p}).step(batch(2, 0)) for p in ("fp32", "bf16")]
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=2e-2)


def test_a_frozen_backbone_stays_to_the_bit_norms_included(updater, batch):
    made = updater(name="fcn16s-resnet18")
    freeze(made.net)
    made = type(made)(
        made.config, made.fabric, made.net, made.preprocessing, made.criterion, made.steps
    )
    before = state(made.net)
    for step in range(2):
        made.step(batch(2, step))
    after = state(made.net)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"score.{s}.{kind}" for s in (32, 16) for kind in ("weight", "bias")}


def test_a_step_depends_on_seed_and_number_alone(updater, batch):
    """Dropout included: whatever was drawn before, the step ends in the same bits."""
    changes = {"seed": 5}
    one, other, third = (updater(c, dropout=0.5) for c in (changes, changes, {"seed": 6}))
    one.step(batch(2, 3))
    torch.rand(1000)
    other.step(batch(2, 3))
    third.step(batch(2, 3))
    first, second, last = state(one.net), state(other.net), state(third.net)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], last[name]) for name in first)


def test_seeds_of_neighbours_differ():
    seeds = {
        step_seed(seed, step, rank) for seed in range(8) for step in range(64) for rank in range(4)
    }
    assert len(seeds) == 8 * 64 * 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    torch.manual_seed(step_seed(2**62, 10**9, 10**4))


def test_the_rate_follows_the_schedule(updater, batch):
    built = updater({"optimizer.lr": 1.0, "optimizer.power": 1.0, "optimizer.bias_lr": 2.0})
    assert [built.lr(step) for step in (0, 5)] == [1.0, 0.5]
    built = updater({"optimizer.lr": 1e-3, "optimizer.power": 1.0, "optimizer.bias_lr": 2.0})
    built.step(batch(2, 4))
    assert [g["lr"] for g in built.optimizer.param_groups] == pytest.approx([6e-4, 12e-4])
