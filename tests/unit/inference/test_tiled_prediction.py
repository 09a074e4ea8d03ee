"""Tiling against the whole: the same scores to rounding, in double, and the same classes."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference import PhotoEngine, Predictor, TorchEngine, tiled_prediction, with_tiles
from fullconv.inference.tiled_prediction import Tiling
from fullconv.models import NetSpec, build
from fullconv.models.analysis.cost import prediction_bytes

SAME = [
    "fcn32s-vgg16", "fcn8s-vgg16", "fcn4s-vgg16", "fcn8s-caffenet", "fcn16s-alexnet_owt",
    "fcn8s-googlenet", "fcn8s-googlenet_bn", "fcn8s-resnet18", "fcn4s-resnet50", "fcn2s-resnet18",
    "fcn8s-efficientnet_lite0", "fpn4s-efficientnet_lite1",
    "fpn2s-efficientnet_lite0",
    "fcn8s-vgg16_convs", "fcn8s-deconv-vgg16_convs",
]  # fmt: skip
PAPER = ["fcn32s-caffenet", "fcn8s-alexnet", "fcn16s-alexnet_owt"]
NETS = [(name, "same") for name in SAME] + [(name, "paper") for name in PAPER]
OTHERS = [("fcn8s-vgg16", "paper"), ("fcn4s-resnet18", "paper"), ("fcn8s-resnet50_dilated", "same")]
ROUNDING = 1e-13  # of the largest score, in double; a halo that is wrong makes 5e-12 and more


class Doubled(TorchEngine):
    """The engine in double precision."""

    def __init__(self, net, classes=None):
        super().__init__((net.double(), None), "cpu", classes=classes)  # pyright: ignore
        self.preprocessing = lambda pixels: pixels.permute(0, 3, 1, 2).double() / 64 - 2


def fresh(name: str, padding: str = "same", **options):
    """A net whose every layer says something, batch norms included."""
    torch.manual_seed(0)
    net = build(NetSpec(name, options.pop("classes", 4), padding=padding, width=1 / 16, **options))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)  # pyright: ignore
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # pyright: ignore
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.05)
    for layer in net.score_modules().values():
        nn.init.normal_(layer.weight)
    return net


@cache
def engine(name: str, padding: str) -> Doubled:
    return Doubled(fresh(name, padding))


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def check(found: Doubled, image: np.ndarray, tile: int) -> None:
    pieces = with_tiles(found, found.net.spec, tile)
    whole = found.scores(image)
    assert np.abs(pieces.scores(image) - whole).max() <= ROUNDING * np.abs(whole).max()
    assert np.array_equal(pieces.class_map(image), found.class_map(image))


@settings(max_examples=60, deadline=None)
@given(
    net=st.sampled_from(NETS),
    beyond=st.integers(-20, 60) | st.sampled_from([-1, 1, 31, 32, 33, 63, 64, 65, 250]),
    more=st.integers(0, 100),
    across=st.integers(1, 12),
    lies=st.booleans(),
)
def test_pieces_equal_the_whole(net, beyond, more, across, lies) -> None:
    tiled = engine(*net)
    tile = Tiling(tiled.net.spec, 4000).geometry.least + more
    size = (tile + beyond, across)
    check(tiled, noise(*(reversed(size) if lies else size)), tile)


@pytest.mark.parametrize("net", OTHERS)
def test_pieces_equal_the_whole_where_that_is_slow(net) -> None:
    tiled = engine(*net)
    least = Tiling(tiled.net.spec, 4000).geometry.least
    odd = 0 if tiled.net.spec.resizes_scores else 13
    check(tiled, noise(least + 64 + odd, 9), least + 8)


def test_rows_and_columns_at_once() -> None:
    check(engine("fcn8s-caffenet", "same"), noise(511, 482), 450)


@pytest.mark.parametrize("side", ["behind a cut", "before a cut"])
@pytest.mark.parametrize("net", [net for net in [*NETS, *OTHERS] if net[0] != "fcn8s-googlenet"])
def test_a_halo_one_stride_smaller_is_wrong(net, side) -> None:
    """Not for GoogLeNet, where what lies so far away counts 1e-13; test_tiling has it with NaN."""
    tiled = engine(*net)
    pieces = Tiling(tiled.net.spec, 4000)
    (behind, before), grid = pieces.geometry.halo, pieces.geometry.grid
    pieces.tile = pieces.geometry.least
    image = noise(pieces.geometry.least + 64, 9)
    whole = tiled.scores(image)
    wrong = (behind - grid, before) if side == "behind a cut" else (behind, before - grid)
    vars(pieces.geometry)["halo"] = wrong
    cut = PhotoEngine(tiled, pieces).scores(image)
    assert np.abs(cut - whole).max() > 10 * ROUNDING * np.abs(whole).max()


def test_several_inputs_and_outputs() -> None:
    """Two streams of five channels in float32, two label maps."""
    classes = ClassSet.joint({"what": ClassSet(("a", "b", "c")), "where": ClassSet(("d", "e"))})
    net = fresh("fcn8s-resnet18", streams=(3, 2), classes=5)
    found = Doubled(net, classes)
    image = noise(530, 40, 5).astype(np.float32)
    check(found, image, 500)
    assert with_tiles(found, net.spec, 500).class_map(image).shape == (530, 40, 2)


def test_the_predictor_in_single_precision(run, picture) -> None:
    image = picture(600, 90)
    whole, pieces = Predictor(run, "cpu"), Predictor(run, "cpu", tile=512)
    assert isinstance(pieces.engine, PhotoEngine)
    assert np.allclose(pieces(image).scores, whole(image).scores, rtol=1e-4, atol=1e-4)
    assert np.mean(pieces(image).mask == whole(image).mask) > 0.9999
    assert np.array_equal(pieces(image, scores=True).mask, pieces(image).mask)


class Watched:
    """An engine that notes the sizes it is asked for, and has no scores."""

    channels, in_blocks = 4, False

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def class_map(self, image):
        self.sizes.append(image.shape[:2])
        return np.zeros(image.shape[:2], np.uint8)

    def scores(self, image):
        raise AssertionError("scores of the whole photo would not fit into memory")


def test_auto_keeps_to_the_budget(monkeypatch) -> None:
    spec = NetSpec("fcn8s-vgg16", 4)
    monkeypatch.setattr(tiled_prediction, "BUDGET", 2**29)
    watched = Watched()
    pieces = with_tiles(watched, spec, "auto")
    side = pieces.tiling.length
    assert side % 32 == 0
    assert (
        prediction_bytes(spec, side, side, True)
        <= 2**29
        < prediction_bytes(spec, side + 32, side + 32, True)
    )
    pieces.class_map(noise(side // 2, 2 * side))
    assert watched.sizes == [(side // 2, 2 * side)]  # no more pixels than a piece may have
    assert pieces.class_map(noise(side + 1, side + 40)).shape == (side + 1, side + 40)
    assert len(watched.sizes) == 5
    assert max(max(size) for size in watched.sizes[1:]) <= side
    monkeypatch.setattr(tiled_prediction, "BUDGET", 0)
    assert Tiling(spec).length == pieces.tiling.geometry.least


def test_classes_alone_are_taken_in_larger_pieces_than_scores() -> None:
    """Of 150 classes, whose scores at the photo weigh more than any layer."""
    spec = NetSpec("fcn8s-vgg16", 150)
    whole = with_tiles(Watched(), spec, "auto").tiling
    watched = Watched()
    watched.in_blocks = True
    tiled = with_tiles(watched, spec, "auto")
    assert tiled.in_blocks
    pieces = tiled.tiling
    assert pieces.length == Tiling(NetSpec("fcn8s-vgg16", 4), in_blocks=True).length
    assert whole.length == whole.length_for_scores == pieces.length_for_scores < pieces.length
    tiled.class_map(noise(pieces.length, 40))
    assert watched.sizes == [(pieces.length, 40)]


def test_small_pieces_are_refused_or_doubted() -> None:
    spec = NetSpec("fcn8s-vgg16", 4)
    with pytest.raises(UserError, match="at least 448"):
        with_tiles(Watched(), spec, 256)
    assert with_tiles(Watched(), spec, 448).warning == (
        "tile 448 keeps 32 pixels a side, 208 + 208 are overlap: each pixel is computed 196 times; "
        "a larger tile is faster, and needs more memory"
    )
    assert with_tiles(Watched(), spec, 1440).warning is None


def test_what_resizes_its_scores_is_refused_by_name_where_it_cannot_be_cut() -> None:
    pieces = with_tiles(Watched(), NetSpec("fcn8s-resnet50_dilated", 4), 500)
    with pytest.raises(UserError, match=r"fcn8s-resnet50_dilated resizes .* multiple of 8"):
        pieces.class_map(noise(1001, 10))
    assert pieces.class_map(noise(1000, 11)).shape == (1000, 11)


def test_what_is_no_image_is_refused() -> None:
    pieces = with_tiles(Watched(), NetSpec("fcn8s-vgg16", 4), 500)
    with pytest.raises(UserError, match="uint8 array"):
        pieces.class_map(np.zeros((5, 5), np.uint8))
