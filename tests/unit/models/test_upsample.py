"""Deconvolutions that mix the classes: against torch's own at the pads of the published nets."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fullconv.checkpoints import Checkpoint, load, save, start_from
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.inference.export_metadata import map_names
from fullconv.models import CAFFE, FCN, NetSpec, build, summarize
from fullconv.models.analysis.explain import crops, explain
from fullconv.training import make_config
from fullconv.training.losses.banded import can_be_banded

NAME = "fcn8s-deconv-vgg16_convs"
CLASSES = ClassSet(("sky", "road", "car"))
KERNELS = {"32": (8, 4, 2), "16": (4, 2, 1), "8": (16, 8, 4)}
"""Kernel, stride and pad (k3nt0w/chainer_fcn, model.py)."""


def shaken(classes: int = 3, **options) -> FCN:
    """The net in double with every parameter at random."""
    torch.manual_seed(0)
    net = build(NetSpec(NAME, classes, width=1 / 32, **options)).double().eval()
    for module in (*net.score.values(), *net.upscore.values()):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
    return net


def by_torch(net: FCN, images: Tensor) -> Tensor:
    """Each coarser score to pool3's grid, the sum, then to the photo: N,K,H,W."""
    scores = net.scores(images)
    made = {}
    for stride, (kernel, step, pad) in KERNELS.items():
        layer = net.upscore[stride]
        assert layer.weight.shape == (3, 3, kernel, kernel)
        made[int(stride)] = lambda x, w=layer.weight, b=layer.bias, s=step, p=pad: (
            F.conv_transpose2d(x, w, b, stride=s, padding=p)
        )
    fused = scores[8] + made[16](scores[16]) + made[32](scores[32])
    return made[8](fused)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (160, 32)])
@torch.no_grad()
def test_scores_are_those_of_dense_deconvolutions_with_their_pads(size):
    net = shaken()
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(net(images), by_torch(net, images))


@torch.no_grad()
def test_the_start_is_bilinear_and_keeps_the_classes_apart():
    """Away from the border, where nothing lies beyond a deconvolution's map."""
    learned = build(NetSpec(NAME, 3, width=1 / 32)).eval().double()
    score = torch.randn(1, 3, 9, 11, dtype=torch.float64)
    found = learned.upscore["8"](score, (72, 88))
    expected = F.interpolate(score, scale_factor=8, mode="bilinear")
    torch.testing.assert_close(found[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8])


def test_kernels_and_pads_are_computed_and_told():
    """The crops of the algebra are the pads of the published nets."""
    computed = crops(NetSpec(NAME, 21))
    told = [(c.deconv.kernel, c.deconv.stride, c.pixels, c.cropped) for c in computed]
    assert told == [(8, 4, 2, "score_pool3"), (4, 2, 1, "score_pool3"), (16, 8, 4, "score")]
    assert len(explain(NetSpec(NAME, 21, padding="paper"), (375, 500)).crops) == 3
    assert crops(NetSpec(NAME, 21, padding="paper"))[-1].pixels == 103  # 4, and 99 of pad 100


def test_parameters_and_multiplications_are_counted():
    """By hand: three dense kernels and biases more than the net without."""
    plain, dense = (summarize(NetSpec(n, 21), (64, 64)) for n in ("fcn8s-vgg16_convs", NAME))
    assert dense.parameters - plain.parameters == 21 * 21 * (64 + 16 + 256) + 3 * 21
    mixed = 21 * 21 * (2 * 2 * 8**2 + 4 * 4 * 4**2 + 8 * 8 * 16**2)  # pixels times kernel
    assert dense.multiply_adds - plain.multiply_adds == mixed
    assert dense.conv_layers == plain.conv_layers + 2


def test_a_checkpoint_says_it_itself_and_predicts_the_same(tmp_path):
    """Also in bands of classes."""
    net = shaken().float()
    save(tmp_path / "model.safetensors", Checkpoint(net, CLASSES, CAFFE))
    assert load(tmp_path / "model.safetensors").net.spec.is_deconv
    photo = np.random.default_rng(0).integers(0, 256, (200, 130, 3), np.uint8)
    with torch.no_grad():
        scores = net(CAFFE(torch.from_numpy(photo)[None]))[0]
    whole = Predictor(tmp_path / "model.safetensors")(photo).mask
    assert (whole == scores.argmax(0).numpy()).mean() > 0.9999
    assert len(np.unique(whole)) == 3


def test_what_takes_fixed_kernels_leaves_these_alone():
    """The loss in bands, and exports that are cut before the enlargement."""
    assert not can_be_banded(NetSpec(NAME, 3))
    assert map_names(NetSpec(NAME, 3)) == {}
    with pytest.raises(UserError, match="for all strides together and has no stages"):
        make_config("scratch", {"net.name": NAME, "stages": (32, 16, 8)})


def test_other_backbones_have_no_such_head():
    with pytest.raises(UserError, match="no net is called 'fcn8s-deconv-resnet18'"):
        NetSpec("fcn8s-deconv-resnet18", 3)


def test_kernels_load_with_the_scores_and_start_anew_without(tmp_path):
    net = shaken()
    save(tmp_path / "model.safetensors", Checkpoint(net, CLASSES, CAFFE))
    again = build(net.spec)
    assert not start_from(again, tmp_path, CLASSES).fresh
    other = build(net.spec)
    report = start_from(other, tmp_path, ClassSet(("road", "sky", "car")))
    kernels = {n: why for n, why in report.fresh.items() if n.startswith("upscore")}
    assert len(kernels) == 6
    assert kernels["upscore.8.weight"] == "starts bilinear: the classes have other names"
    assert kernels["upscore.8.bias"].startswith("starts at zero")
    apart = build(NetSpec("fcn8s-vgg16_convs", 3, width=1 / 32))
    why = start_from(apart, tmp_path, CLASSES).fresh["score.8.weight"]
    assert why == "starts at zero: upsampling mixes the classes there, not here"
