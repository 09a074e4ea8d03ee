"""The loss in bands against the loss of all pixels at once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.nets import NetSpec, build, enlargement
from fullconv.nets.enlargement import rows_of
from fullconv.train import banded, make_config
from fullconv.train.banded import banded_loss, can_be_banded, is_worth_it
from fullconv.train.loss import make_criterion

CPU = torch.device("cpu")
HEADS = [
    "fcn32s-vgg16", "fcn8s-vgg16", "fcn4s-resnet18", "fcn8s-caffenet", "fcn16s-googlenet",
    "fcn8s-resnet50_dilated",
]  # fmt: skip


def a_net(name, padding, classes):
    torch.manual_seed(0)
    net = build(NetSpec(name, classes, padding=padding, width=1 / 32)).double().eval()
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight, std=0.1)
    return net


def criterion(outputs=None, weights=None, **changes):
    config = make_config("default", {f"loss.{k}": v for k, v in changes.items()}).loss
    return make_criterion(config, weights, 255, CPU, outputs)


def both_ways(net, made, images, masks):
    """Losses and gradients of the maps, in bands and at once, each output with its own factor."""
    size = images.shape[-2:]
    found = []
    for way in (
        lambda maps: banded_loss(net, made, maps, masks),
        lambda maps: made(net.enlarged(maps, size), masks),
    ):
        maps = {s: m.detach().requires_grad_() for s, m in net.maps(images).items()}
        loss, plain = way(maps)
        factors = torch.arange(1, len(loss) + 1, dtype=loss.dtype) / 7
        grads = torch.autograd.grad((loss * factors).sum(), list(maps.values()))
        found.append((loss.detach(), plain, *grads))
    return found


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(HEADS),
    st.sampled_from(["same", "paper"]),
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 40),
)
def test_bands_add_up_to_the_loss_at_once(name, padding, height, width, rows):
    net = a_net(name, padding, 4)
    generator = torch.Generator().manual_seed(height * 100 + width)
    images = torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)
    masks = torch.randint(0, 5, (2, height, width), generator=generator, dtype=torch.uint8)
    masks[masks == 4] = 255
    made = criterion(weights=torch.tensor([1.0, 2.0, 0.5, 3.0]))
    before, enlargement.BAND = enlargement.BAND, rows * 4 * width * 4
    try:
        ours, theirs = both_ways(net, made, images, masks)
    finally:
        enlargement.BAND = before
    for mine, reference in zip(ours, theirs, strict=True):
        assert torch.allclose(mine.double(), reference.double(), rtol=1e-10, atol=1e-10)


def test_each_output_has_its_own_factor(monkeypatch):
    monkeypatch.setattr(enlargement, "BAND", 5 * 50 * 4 * 7)  # seven rows
    net = a_net("fcn8s-resnet18", "same", 5)
    images = torch.randn(2, 3, 40, 50, dtype=torch.float64)
    masks = torch.stack(
        [torch.randint(0, 3, (2, 40, 50)), torch.randint(3, 5, (2, 40, 50))], -1
    ).to(torch.uint8)
    made = criterion((slice(0, 3), slice(3, 5)), reduction="sum")
    for mine, reference in zip(*both_ways(net, made, images, masks), strict=True):
        assert torch.allclose(mine.double(), reference.double(), rtol=1e-10, atol=1e-10)


def test_a_band_has_the_rows_that_fit():
    assert rows_of(150, (512, 512)) == 16 * 2**20 // (150 * 512 * 4)
    assert rows_of(2, (30, 40)) == 30
    assert rows_of(1000, (3000, 4000)) == 1


def test_where_bands_would_not_be_exact():
    assert can_be_banded(NetSpec("fcn8s-vgg16", 3), 0.0)
    assert not can_be_banded(NetSpec("fcn8s-vgg16", 3), 0.5)
    assert not can_be_banded(NetSpec("fcn8s-vgg16", 3, learn_upsampling=True), 0.0)
    assert can_be_banded(NetSpec("fcn8s-resnet50_dilated", 3), 0.0)


def test_small_scores_are_taken_at_once():
    assert not is_worth_it(NetSpec("fcn8s-vgg16", 6), 4, (160, 208))
    assert is_worth_it(NetSpec("fcn8s-vgg16", 150), 1, (512, 512))


def test_an_update_is_the_same_either_way(updater, batch, monkeypatch):
    """The gradients of an update with scores large enough for bands, and with all at once."""
    found = []
    for size in (1, 2**40):
        monkeypatch.setattr(banded, "BAND", size)
        made = updater({"length.batch": 2}, double=True)
        losses = made.gradients(batch(4, unlabelled=True))
        found.append((losses, [p.grad.clone() for p in made.net.parameters()]))
    (one, mine), (other, theirs) = found
    assert one == pytest.approx(other, rel=1e-12)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
