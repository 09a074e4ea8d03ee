"""The border once against the plain net: the same maps and scores, to rounding in double."""

import copy
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fullconv.models import FCN, NetSpec, build
from fullconv.models.analysis.cost import meta_net
from fullconv.models.paper_padding import border as framed
from fullconv.models.paper_padding.border import BorderOnce, for_prediction
from fullconv.models.paper_padding.influence import Axis

NETS = [
    "fcn32s-vgg16", "fcn8s-vgg16", "fcn8s-atonce-vgg16", "fcn4s-vgg16", "fcn4s-caffenet",
    "fcn8s-alexnet", "fcn16s-alexnet_owt", "fcn8s-googlenet", "fcn4s-googlenet_bn",
    "fcn4s-resnet18", "fcn2s-resnet18", "fcn2s-vgg16", "fcn8s-resnet50_dilated",
    "fcn8s-efficientnet_lite0",
    "fcn8s-vgg16_convs", "fcn8s-deconv-vgg16_convs",
]  # fmt: skip
ROUNDING = 1e-13  # of the largest value of a map, in double; what one wrong pixel makes is 1e-7


def fresh(name: str, **options) -> FCN:
    """A net in double whose every layer says something where it sees nothing."""
    torch.manual_seed(0)
    made = build(NetSpec(name, 4, **{"padding": "paper", "width": 1 / 16} | options))
    made = made.eval().double()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.5)
            nn.init.normal_(module.running_mean, std=0.5)  # pyright: ignore
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # pyright: ignore
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.5)
    for layer in made.score_modules().values():
        nn.init.normal_(layer.weight)
    return made


@cache
def pair(name: str) -> tuple[FCN, BorderOnce]:
    rebuilt = fresh(name)
    return rebuilt, BorderOnce(rebuilt)


def photo(height: int, width: int, channels: int = 3, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)


def off(found: Tensor, plain: Tensor) -> float:
    """The largest difference, as a part of the largest value."""
    assert found.shape == plain.shape
    return float((found - plain).abs().max() / plain.abs().max())


def check(net: FCN, once: BorderOnce, images: Tensor) -> None:
    with torch.no_grad():
        plain, found = net.maps(images), once.maps(images)
        assert list(found) == list(plain)
        for stride, values in plain.items():
            assert off(found[stride], values) <= ROUNDING
        assert off(once(images), net(images)) <= ROUNDING


sides = st.integers(1, 70) | st.sampled_from([95, 96, 97, 127, 128, 129, 191, 192, 193])


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(NETS), height=sides, width=sides)
def test_maps_and_scores_are_those_of_the_plain_net(name, height, width) -> None:
    check(*pair(name), photo(height, width))


@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fcn8s-caffenet", "fcn4s-googlenet"])
def test_wide_tall_and_large_photos(name: str) -> None:
    net = fresh(name, width=1 / 8)
    for size in [(2, 300), (301, 3), (224, 257)]:
        check(net, BorderOnce(net), photo(*size))


def test_scores_of_each_stride_too() -> None:
    """The skips reach beyond what is cropped: they are compared in whole."""
    net, once = pair("fcn4s-vgg16")
    images = photo(75, 118, batch=2)
    with torch.no_grad():
        plain = net.backbone(images)
        found = once.backbones[0](images)
    for stride, values in plain.items():
        assert off(found[stride], values) <= ROUNDING


def test_streams() -> None:
    net = fresh("fcn8s-vgg16", streams=(3, 1))
    check(net, BorderOnce(net), photo(40, 61, channels=4))


def test_learned_upsampling() -> None:
    net = fresh("fcn8s-vgg16", learn_upsampling=True)
    for parameter in net.upscore.parameters():
        nn.init.uniform_(parameter)
    check(net, BorderOnce(net), photo(40, 61))


@pytest.mark.parametrize("wrong", ["start", "near", "far"])
def test_one_pixel_less_would_be_noticed(monkeypatch, wrong: str) -> None:
    """Of what the photo reaches, or of a rim, in single maps from pool2 to pool5."""
    net, _ = pair("fcn8s-vgg16")
    images = photo(70, 67)
    right = framed.axes_of
    for number in (6, 8, 11, 13, 15):

        def less(layers, size, number=number) -> list[Axis]:
            axes = right(layers, size)
            value = getattr(axes[number], wrong)
            axes[number] = replace(axes[number], **{wrong: value + (1 if wrong == "start" else -1)})
            return axes

        monkeypatch.setattr(framed, "axes_of", less)
        with torch.no_grad():
            assert off(BorderOnce(net)(images), net(images)) > 1e-5


def test_the_border_is_computed_once_for_sizes_that_are_rounded_alike(monkeypatch) -> None:
    net = fresh("fcn8s-vgg16", width=1 / 32)
    once, other = BorderOnce(net), BorderOnce(copy.deepcopy(net))
    computed = []
    behind = framed.samples_behind
    monkeypatch.setattr(
        framed, "samples_behind", lambda *given: (computed.append(1), behind(*given))[1]
    )
    for size in [(69, 64), (69, 64), (101, 96), (133, 64)]:
        check(net, once, photo(*size))
        assert len(once.backbones[0].kept) == 1
    assert computed
    computed.clear()
    check(net, once, photo(69, 64))
    assert not computed
    check(net, once, photo(70, 64))
    assert computed
    assert not other.backbones[0].kept
    check(other.net, other, photo(69, 64))
    assert len(other.backbones[0].kept) == 1


def test_only_so_many_borders_are_kept(monkeypatch) -> None:
    monkeypatch.setattr(framed, "KEPT", 3)
    net = fresh("fcn8s-caffenet", width=1 / 32)
    once = BorderOnce(net)
    for side in (*range(1, 8), 1, 2):
        check(net, once, photo(side, side))
        assert len(once.backbones[0].kept) <= 3


@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fcn8s-googlenet_bn"])
def test_other_weights_have_another_border(name: str) -> None:
    """Changed in place, as an optimizer does; loaded; put in place of the tensors; moved."""
    net = fresh(name, width=1 / 32)
    once, images = BorderOnce(net), photo(50, 33)
    first = net.backbone.get_submodule(net.spec.definition.steps[0].name)
    inside = next(iter(first.parameters()))
    with torch.no_grad():
        check(net, once, images)
        inside.add_(0.1)
        check(net, once, images)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_var, 1, 2)  # pyright: ignore
        check(net, once, images)
        net.load_state_dict({key: 0.9 * value for key, value in net.state_dict().items()})
        check(net, once, images)
        others = {key: 0.9 * value for key, value in net.state_dict().items()}
        net.load_state_dict(others, assign=True)
        check(net, once, images)
        inside.data = inside.data + 0.1
        check(net, once, images)
        net.float()
        assert off(once(images.float()), net(images.float())) < 1e-5
        net.double()
        check(net, once, images)


def test_what_was_kept_in_inference_mode_serves_outside_of_it() -> None:
    net = fresh("fcn8s-vgg16", width=1 / 32)
    once, images = BorderOnce(net), photo(50, 33)
    with torch.inference_mode():
        check(net, once, images)
    check(net, once, images)
    found = once.maps(images)  # outside of no_grad too, without a gradient
    assert not any(values.requires_grad for values in found.values())
    with torch.inference_mode():
        rebuilt = fresh("fcn8s-vgg16", width=1 / 32)
        run = BorderOnce(rebuilt)
        check(rebuilt, run, images)
        next(rebuilt.parameters()).add_(0.1)
        check(rebuilt, run, images)


def test_a_net_that_trains_is_run_plainly() -> None:
    net = fresh("fcn8s-googlenet_bn", width=1 / 32, dropout=0.0)
    once, images = BorderOnce(net), photo(50, 33, batch=2)
    check(net, once, images)
    net.train()
    before = copy.deepcopy(net)
    assert torch.equal(once(images), before(images))  # by the batch's own statistics
    net.eval()
    check(net, once, images)  # with those that it has now
    assert once(images).requires_grad is False


def test_padding_same_has_no_border() -> None:
    net = build(NetSpec("fcn32s-vgg16", 3, width=1 / 32))
    assert for_prediction(net) is net
    with pytest.raises(ValueError, match="'same' leaves no border"):
        BorderOnce(net)


@pytest.mark.parametrize("name", ["fcn8s-vgg16", "fcn4s-caffenet", "fcn8s-googlenet_bn"])
def test_autocast_rounds_as_in_the_plain_net(name: str) -> None:
    """Sums may be taken in another order, which bf16 shows: by less than bf16 itself is off."""
    net = fresh(name)
    images = photo(70, 97)
    with torch.no_grad():
        exact = net(images)
        net.float()
        once, images = BorderOnce(net), images.float()
        assert off(once(images).double(), exact) < 1e-5
        with torch.autocast("cpu", torch.bfloat16):
            plain, found = net(images), once(images)
        assert found.dtype == plain.dtype == torch.bfloat16
        assert off(found.double(), plain.double()) < off(plain.double(), exact) < 0.1
        assert off(once(images).double(), exact) < 1e-5  # its border was kept apart


@pytest.mark.parametrize("size", [(375, 500), (480, 640)])
def test_at_most_1_2_times_the_work_of_padding_same(size: tuple[int, int]) -> None:
    """Multiply-adds of the full net, counted without computing them."""

    def work(run: FCN | BorderOnce) -> int:
        images = torch.empty(1, 3, *size, device="meta")
        with torch.no_grad():
            run(images)  # what is computed once
            with FlopCounterMode(display=False) as counted:
                run(images)
        return counted.get_total_flops()

    same, paper = (meta_net(NetSpec("fcn8s-vgg16", 21, padding=p)) for p in ("same", "paper"))
    assert work(BorderOnce(paper)) <= 1.2 * work(same) < 1.3 * work(same) < work(paper)


def test_channels_stay_last() -> None:
    net = fresh("fcn8s-vgg16").to(memory_format=torch.channels_last)  # pyright: ignore
    once = BorderOnce(net)
    images = photo(70, 97).contiguous(memory_format=torch.channels_last)
    check(net, once, images)
    features = once.backbones[0](images)
    assert all(f.is_contiguous(memory_format=torch.channels_last) for f in features.values())
