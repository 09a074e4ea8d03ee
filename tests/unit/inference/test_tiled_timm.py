"""Backbones of timm piece by piece: exact where a field is finite, else said and measured."""

import numpy as np
import pytest
import torch
from torch import nn

from fullconv.inference import TorchEngine, tiled_prediction, with_tiles
from fullconv.models import NetSpec, build
from fullconv.models.fcn import tile_geometry

pytestmark = pytest.mark.usefixtures("timm")

ROUNDING = 1e-12  # of the largest score, in double


class Doubled(TorchEngine):
    """The engine in double precision."""

    def __init__(self, net):
        super().__init__((net.double(), None), "cpu")  # pyright: ignore
        self.preprocessing = lambda pixels: pixels.permute(0, 3, 1, 2).double() / 64 - 2


def fresh(name: str):
    """A net whose scores are not zero."""
    torch.manual_seed(0)
    net = build(NetSpec(name, 4)).eval()
    for layer in net.score_modules().values():
        nn.init.normal_(layer.weight)
    return net


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    "name",
    [
        "fcn8s-timm.test_resnet",
        "fpn4s-timm.test_convnext",
        pytest.param("fcn8s-timm.resnet18", marks=pytest.mark.slow),
        pytest.param("fcn8s-timm.tf_efficientnet_lite0", marks=pytest.mark.slow),
        pytest.param("fpn4s-timm.convnext_atto", marks=pytest.mark.slow),
        pytest.param("fcn4s-timm.hrnet_w18_small", marks=pytest.mark.slow),
        pytest.param("fcn8s-timm.inception_v3", marks=pytest.mark.slow),
    ],
)
def test_pieces_give_the_scores_of_the_whole(name: str) -> None:
    net = fresh(name)
    geometry = tile_geometry(net.spec)
    assert not geometry.has_global_field
    image = noise(2 * geometry.least + geometry.grid + 5, 45)
    whole = Doubled(net)
    pieces = with_tiles(whole, net.spec, geometry.least + 2 * geometry.grid)
    assert len(geometry.spans(len(image), geometry.least + 2 * geometry.grid)) > 2
    expected = whole.scores(image)
    worst = np.abs(pieces.scores(image) - expected).max()
    assert worst <= ROUNDING * np.abs(expected).max()
    assert pieces.warning is None or "depends" not in pieces.warning


def test_what_sees_everything_is_said_and_measured_once() -> None:
    said: list[str] = []
    net = fresh("fcn16s-timm.test_vit")
    whole = TorchEngine((net, net.spec.definition.preprocessing), "cpu")  # pyright: ignore
    pieces = with_tiles(whole, net.spec, 192, say=said.append)
    assert pieces.warning is not None and "depends on the whole photo" in pieces.warning
    image = noise(300, 200)
    found = pieces.class_map(image)
    differs = float((found != whole.class_map(image)).mean())
    assert said == [
        f"by tiles {differs:.2%} of this photo's pixels differ from the photo in one tile"
    ]
    pieces.class_map(image)
    assert len(said) == 1


def test_a_photo_too_large_for_the_whole_is_measured_where_pieces_overlap(monkeypatch) -> None:
    monkeypatch.setattr(tiled_prediction, "COMPARED", 256)
    said: list[str] = []
    net = fresh("fcn16s-timm.test_vit")
    whole = TorchEngine((net, net.spec.definition.preprocessing), "cpu")  # pyright: ignore
    pieces = with_tiles(whole, net.spec, 192, say=said.append)
    pieces.class_map(noise(300, 100))
    pieces_wide = with_tiles(whole, net.spec, 192, say=said.append)
    pieces_wide.class_map(noise(100, 300))
    assert [line.startswith("where the first two tiles overlap, ") for line in said] == [True] * 2


def test_a_photo_that_is_not_cut_has_nothing_to_be_measured() -> None:
    said: list[str] = []
    net = fresh("fcn16s-timm.test_vit")
    whole = TorchEngine((net, net.spec.definition.preprocessing), "cpu")  # pyright: ignore
    with_tiles(whole, net.spec, 192, say=said.append).class_map(noise(150, 192))
    assert said == []
