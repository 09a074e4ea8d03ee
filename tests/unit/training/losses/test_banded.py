"""The loss in bands against the loss of all pixels at once."""

import copy
import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fullconv.models import NetSpec, build
from fullconv.models.cpu_kernels.banded_upsampling import Fusion, rows_of
from fullconv.training import make_config
from fullconv.training.losses import banded, photo_loss
from fullconv.training.losses.banded import banded_loss, can_be_banded, is_worth_it
from fullconv.training.losses.criterion import make_criterion

CPU = torch.device("cpu")
HEADS = ["fcn32s-vgg16", "fcn8s-vgg16", "fcn2s-resnet18", "fcn8s-caffenet", "fcn16s-googlenet"]
RESIZES_SCORES = "fcn8s-resnet50_dilated"


@functools.cache
def a_net(name, padding, classes):
    torch.manual_seed(0)
    net = build(NetSpec(name, classes, padding=padding, width=1 / 32)).double().eval()
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight, std=0.1)
    return net


def criterion(outputs=None, weights=None, **changes):
    jaccard = changes.pop("jaccard", 0)
    changes = {f"loss.cross_entropy.{k}": v for k, v in changes.items()}
    changes |= {"loss.jaccard.weight": jaccard} if jaccard else {}
    config = make_config("scratch", changes).loss
    weights = None if weights is None else torch.tensor(weights)
    return make_criterion(config, weights, 255, CPU, outputs)


def labels(classes, *size):
    """Masks N,H,W of the classes given, a fifth of the pixels ignored, of the last photo all."""
    masks = torch.tensor(classes)[torch.randint(0, len(classes), size)].to(torch.uint8)
    masks[torch.rand(size) < 0.2] = 255
    masks[-1] = 255
    return masks


def both_ways(net, made, images, masks):
    """Losses and gradients of the maps, in bands and at once, each output with its own factor."""
    size, found = images.shape[-2:], []
    with torch.no_grad():
        made_once = net.maps(images)
    for way in (
        lambda maps: banded_loss(net, made, maps, masks),
        lambda maps: made(net.upsampled(maps, size), masks),
    ):
        maps = {s: m.detach().requires_grad_() for s, m in made_once.items()}
        loss, plain = way(maps)
        factors = torch.arange(1, len(loss) + 1, dtype=loss.dtype) / 7
        grads = torch.autograd.grad((loss * factors).sum(), list(maps.values()))
        found.append((loss.detach(), plain, *grads))
    return found


def assert_equal(net, made, images, masks):
    ours, theirs = both_ways(net, made, images, masks)
    for mine, reference in zip(ours, theirs, strict=True):
        assert torch.allclose(mine.double(), reference.double(), rtol=1e-10, atol=1e-10)


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(HEADS),
    st.sampled_from(["same", "paper"]),
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.7]),
)
def test_bands_add_up_to_the_loss_at_once(name, padding, height, width, rows, jaccard):
    net = a_net(name, padding, 4)
    torch.manual_seed(height * 100 + width)
    images = torch.randn(2, 3, height, width, dtype=torch.float64)
    computed = criterion(weights=[1.0, 2.0, 0.5, 3.0], jaccard=jaccard)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo_loss, "CACHED", rows * 4 * width * 4)
        assert_equal(net, computed, images, labels([0, 1, 3], 2, height, width))


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (24, 40), (33, 9)])
def test_a_net_that_resizes_its_scores(size, monkeypatch):
    monkeypatch.setattr(photo_loss, "CACHED", 3 * 4 * size[1] * 4)  # three rows
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    net = a_net(RESIZES_SCORES, "same", 4)
    assert_equal(net, criterion(jaccard=0.5), images, labels([0, 1, 3], 2, *size))


@pytest.mark.parametrize("jaccard", [0.0, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    ("weights", "by"),
    [
        (None, "factor"),
        ([1.0, 0.0, 3.0, 0.5, 2.0], "factor"),
        ([1.0, 0.0, 3.0, 0.5, 2.0], "sampling"),
    ],
)
def test_each_output_has_its_own_factor(jaccard, reduction, weights, by, monkeypatch):
    monkeypatch.setattr(photo_loss, "CACHED", 3 * 50 * 4 * 7)  # seven rows of three classes
    net = a_net("fcn8s-resnet18", "same", 5)
    images = torch.randn(3, 3, 40, 50, dtype=torch.float64)
    masks = torch.stack([labels([0, 1, 2], 3, 40, 50), labels([3, 4], 3, 40, 50)], -1)
    named = "none" if weights is None else "softened"
    changes = {"jaccard": jaccard, "reduction": reduction, "weigh_by": by, "class_weights": named}
    computed = criterion((slice(0, 3), slice(3, 5)), weights, keep=0.8, **changes)
    assert_equal(net, computed, images, computed.sampled(masks))


def test_the_softmax_of_large_scores_is_finite():
    net = copy.deepcopy(a_net("fcn8s-resnet18", "same", 4))
    net.score["8"].bias.data = torch.tensor([2000.0, -2000.0, 0.0, 2000.0], dtype=torch.float64)
    images = torch.randn(2, 3, 20, 30, dtype=torch.float64)
    assert_equal(net, criterion(jaccard=1.0), images, labels([0, 1, 2, 3], 2, 20, 30))


def test_a_band_has_the_rows_that_fit():
    assert rows_of(150, (512, 512)) == 16 * 2**20 // (150 * 512 * 4)
    assert rows_of(150, (512, 512), 4 * 2**20) == 4 * 2**20 // (150 * 512 * 4)
    assert rows_of(2, (30, 40)) == 30
    assert rows_of(1000, (3000, 4000)) == 1


def test_bands_cover_the_photo(monkeypatch):
    monkeypatch.setattr(photo_loss, "CACHED", 5 * 20 * 4 * 4)  # four rows of five classes
    maps, pixels = [torch.zeros(5, 2, 3)], torch.zeros(10, 20)
    bands = photo_loss.Photo(Fusion([]), maps, maps, pixels.long(), pixels).bands()
    assert [range(10)[rows] for rows in bands] == [range(4), range(4, 8), range(8, 10)]


def test_where_bands_would_not_be_exact():
    assert can_be_banded(NetSpec("fcn8s-vgg16", 3))
    assert not can_be_banded(NetSpec("fcn8s-vgg16", 3, learn_upsampling=True))
    assert can_be_banded(NetSpec(RESIZES_SCORES, 3))


def test_small_scores_are_taken_at_once():
    assert not is_worth_it(NetSpec("fcn8s-vgg16", 6), 4, (160, 208))
    assert is_worth_it(NetSpec("fcn8s-vgg16", 21), 1, (375, 500))


@pytest.mark.parametrize("jaccard", [0.0, 1.0])
def test_an_update_is_the_same_either_way(jaccard, updater, batch, monkeypatch):
    """The gradients of an update with scores large enough for bands, and with all at once."""
    found = []
    for size in (1, 2**40):
        monkeypatch.setattr(banded, "CACHED", size)
        monkeypatch.setattr(photo_loss, "CACHED", size)
        built = updater(
            {"schedule.batch_size": 2} | ({"loss.jaccard.weight": jaccard} if jaccard else {}),
            double=True,
        )
        losses = built.gradients(batch(4, unlabelled=True))
        found.append((losses, [p.grad.clone() for p in built.net.parameters()]))
    (one, mine), (other, theirs) = found
    assert one == pytest.approx(other, rel=1e-12)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
