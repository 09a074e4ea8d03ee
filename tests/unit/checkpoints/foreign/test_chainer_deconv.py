"""The ports that mix the classes in deconvolutions: names, forms, and what they predict."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from typer.testing import CliRunner

from fullconv.checkpoints import convert, load, start_from
from fullconv.cli import app
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.models import CAFFE, NetSpec, build

BLOCKS = (2, 2, 3, 3, 3)
CHANNELS = (8, 8, 8, 16, 16)
CONVS = [f"conv{b}_{i}" for b, count in enumerate(BLOCKS, 1) for i in range(1, count + 1)]
SCORES = {"pool3": (8, 8), "pool4": (16, 16), "pool5": (32, 16)}
"""Stride and channels of what is scored."""
KERNELS = {"upsample4": 4, "upsample5": 8, "upsample": 16}
PADS = {"upsample4": (2, 1), "upsample5": (4, 2), "upsample": (8, 4)}
RENAMED = {
    **{f"pool{n}": f"score_pool{n}" for n in (3, 4, 5)},
    "upsample4": "upsample_pool4",
    "upsample5": "upsample_pool5",
    "upsample": "upsample_final",
}
FORMS = {
    "k3nt0w": lambda layer: f"vgg16/{layer}" if layer in CONVS else layer,
    "k3nt0w, first": lambda layer: layer,
    "seiya-kumada": lambda layer: RENAMED.get(layer, layer),
}


def layers(classes=5, seed=0):
    """W and b of each layer (model.py of k3nt0w/chainer_fcn), thin and random."""
    random, found, before = np.random.default_rng(seed), {}, 3
    for name in CONVS:
        channels = CHANNELS[int(name[4]) - 1]
        found[name] = [(channels, before, 3, 3), channels]
        before = channels
    found |= {name: [(classes, c, 1, 1), classes] for name, (_, c) in SCORES.items()}
    found |= {name: [(classes, classes, k, k), classes] for name, k in KERNELS.items()}
    return {
        name: tuple(
            random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
            for shape in (kernel, (bias,))
        )
        for name, (kernel, bias) in found.items()
    }


def by_torch(net, photo):
    """The net's forward in plain torch: RGB as it is, one photo of sides that 32 divides."""
    tensors = {name: [torch.from_numpy(a) for a in pair] for name, pair in net.items()}
    x = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    pooled = {}
    for block, count in enumerate(BLOCKS, 1):
        for index in range(1, count + 1):
            x = F.relu(F.conv2d(x, *tensors[f"conv{block}_{index}"], padding=1))
        pooled[f"pool{block}"] = x = F.max_pool2d(x, 2, 2)

    def up(name, score):
        stride, pad = PADS[name]
        return F.conv_transpose2d(score, *tensors[name], stride=stride, padding=pad)

    p3, p4, p5 = (F.conv2d(pooled[name], *tensors[name]) for name in ("pool3", "pool4", "pool5"))
    return up("upsample", p3 + up("upsample4", p4) + up("upsample5", p5))[0]


def arrays(net, form="k3nt0w", prefix=""):
    name = FORMS[form]
    return {
        f"{prefix}{name(layer)}/{kind}": array
        for layer, pair in net.items()
        for kind, array in zip("Wb", pair, strict=True)
    }


@pytest.fixture
def saved(tmp_path):
    """``saved(arrays)``: the file that chainer.serializers.save_npz would write."""

    def write(found, name="chainer_fcn.weight"):
        with (tmp_path / name).open("wb") as file:
            np.savez_compressed(file, **found)
        return tmp_path / name

    return write


def refused(path, *says, **options):
    with pytest.raises(UserError) as error:
        convert(path, **options)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in says:
        assert part in message


@pytest.mark.parametrize("prefix", ["", "predictor/", "updater/model:main/"])
@pytest.mark.parametrize("form", FORMS)
def test_every_array_has_its_place_and_the_scores_are_the_nets_own(saved, form, prefix):
    net = layers()
    path = saved(arrays(net, form, prefix))
    conversion = convert(path)
    made = conversion.checkpoint
    assert made.net.spec == NetSpec("fcn8s-deconv-vgg16_convs", 5, width=1 / 32)
    assert len(conversion.loaded) == 38
    assert not conversion.missing
    assert not conversion.not_needed
    photo = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    expected = by_torch(net, photo).numpy()
    scores = Predictor(path)(photo).scores
    assert np.abs(scores - expected).max() < 1e-5 * np.abs(expected).max()
    assert len(np.unique(expected.argmax(0))) > 2


def test_the_photos_are_taken_as_they_are_and_that_is_said(saved):
    path = saved(arrays(layers()))
    conversion = convert(path)
    photo = torch.tensor([[[[255, 0, 10]]]], dtype=torch.uint8)
    assert conversion.checkpoint.preprocessing(photo).flatten().tolist() == [255, 0, 10]
    assert "RGB in 0..255 without a mean" in conversion.warning
    assert load(path).origin["warning"] == conversion.warning
    other = convert(saved(arrays(layers(), "seiya-kumada")))
    assert "does not say how its photos were prepared" in other.warning


def test_it_converts_and_predicts_by_commands(saved, tmp_path):
    path, net = saved(arrays(layers())), tmp_path / "net.safetensors"
    photo = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    said = []
    commands = [
        ["convert", path, net],
        ["predict", net, tmp_path / "photo.png", "--out", tmp_path / "pictures"],
    ]
    for command in commands:
        done = CliRunner().invoke(app, [str(part) for part in command])
        assert done.exit_code == 0, done.output
        said.append(done.output)
    assert "38 loaded, 0 missing, 0 not needed" in said[0]
    assert "warning: its photos are taken as RGB" in said[0]
    picture = np.array(Image.open(tmp_path / "pictures" / "photo.png"))
    assert (picture == by_torch(layers(), photo).argmax(0).numpy()).mean() > 0.999


def test_a_training_goes_on_from_it(saved):
    """Whole with the same classes, by its convolutions alone with others or another head."""
    path = saved(arrays(layers()))
    names = load(path).classes
    assert not start_from(build(load(path).net.spec), path, names).fresh
    report = start_from(build(NetSpec("fcn8s-vgg16", 5, width=1 / 32)), path, names)
    assert len(report.loaded) == 26
    assert {n.split(".")[1] for n in report.fresh} == {"fc6", "fc7", "32", "16", "8"}


def test_what_is_not_whole_or_another_net_is_refused(saved):
    whole = arrays(layers())
    for lost in ("vgg16/conv3_2/b", "pool4/W", "upsample/W", "upsample5/b"):
        left = {name: array for name, array in whole.items() if name != lost}
        refused(saved(left), f"{lost} is missing")
    flat = arrays(layers(), "k3nt0w, first")
    refused(saved({n: a for n, a in flat.items() if n != "upsample/W"}), "upsample/W is missing")
    odd = whole | {"upsample4/W": np.ones((5, 5, 6, 6), np.float32)}
    refused(saved(odd), "upsample4/W is (5, 5, 6, 6) there, (5, 5, 4, 4) here")
    refused(saved(flat | {"norm3/gamma": np.ones(8, np.float32)}), "batch norms behind")
    refused(saved(whole), "mix the classes", net="fcn8s-vgg16_convs")
    body = {n.replace("vgg16/", "base/"): array for n, array in whole.items()}
    refused(saved(body), "pool3/W lies outside base/")


def test_the_convolutions_alone_start_a_training(saved):
    """vgg16.model of k3nt0w/chainer_fcn, which create_chainer_model.py copies from Caffe."""
    net = {name: pair for name, pair in layers().items() if name in CONVS}
    path = saved(arrays(net, "k3nt0w, first"), "vgg16.model")
    conversion = convert(path)
    assert conversion.is_classifier
    assert conversion.checkpoint.preprocessing == CAFFE
    assert conversion.checkpoint.net.spec == NetSpec("fcn32s-vgg16_convs", 21, width=1 / 32)
    assert (len(conversion.loaded), len(conversion.not_needed)) == (26, 0)
    for name in ("fcn8s-vgg16_convs", "fcn8s-deconv-vgg16_convs", "fcn8s-vgg16"):
        made = build(NetSpec(name, 3, width=1 / 32))
        assert len(start_from(made, path).loaded) == 26
        kernel = made.backbone.conv4_1.weight.detach().numpy()
        assert np.array_equal(kernel, net["conv4_1"][0])
    refused(path, "only a part of vgg16", net="fcn8s-vgg16")
    refused(path, "no deconvolutions that mix", net="fcn8s-deconv-vgg16_convs")
    more = arrays(net, "k3nt0w, first") | {"fc6/W": np.ones((8, 8), np.float32)}
    refused(saved(more), "do not fit")
