"""FCNs of Chainer 7.8.1's own links, saved by its serializers: read here, they score and learn so.

Scores are compared in float32: Chainer convolves by a matrix product, torch by oneDNN, so sums run
in another order, 16 layers deep; 1e-5 of the largest score is allowed. Steps of training are
compared in float64, where 1e-9 is allowed: in float32 a ReLU or a pooling near a tie decides
differently now and then, which moves single gradients by a thousandth and would hide a real error.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from fullconv.checkpoints import convert, save
from fullconv.data import Batch
from fullconv.data.synthetic.scene import scene
from fullconv.inference import Predictor
from fullconv.models import CAFFE, NetSpec
from fullconv.models.steps import Conv
from fullconv.training import make_config
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.step import Updater
from table import difference, record

HERE = Path(__file__).parent
PYTHON = os.environ.get("FULLCONV_CHAINER", str(HERE.parents[1] / ".venv-chainer/bin/python"))
SECTION = "Against Chainer"
CLASSES, STEPS = 6, 3
SINGLE, DOUBLE = 1e-5, 1e-9

pytestmark = pytest.mark.slow


def case(name, head, form, size, width=1 / 16, photos=1, mean=False, steps=STEPS, pad=100):
    """One net for chainer_script: its file's name, its form, the photos, how it is trained."""
    layers = NetSpec("fcn32s-vgg16", 2, width=width).definition.steps
    return {
        "name": name,
        "head": head,
        "form": form,
        "size": size,
        "width": width,
        "photos": photos,
        "normalize": mean,
        "rate": 1e-3 if mean else 1e-7,
        "steps": steps,
        "pad": pad,
        "classes": CLASSES,
        "channels": {s.name: s.out_channels(0) for s in layers if isinstance(s, Conv)},
        "seed": len(name),
    }


CASES = (
    case("fcn32s.npz", "fcn32s", "chain", (101, 83)),
    case("fcn16s.npz", "fcn16s", "chain in a Classifier", (64, 97)),
    case("snapshot_iter_1", "fcn8s", "trainer's snapshot", (75, 113)),
    case("snapshot_of_classifier", "fcn8s", "snapshot with a Classifier", (33, 95)),
    case("fcn8s_mean.npz", "fcn8s", "chain", (61, 90), photos=2, mean=True),
    case("fcn8s_at_once.npz", "fcn8s-atonce", "chain", (70, 71)),
    case("one_size", "fcn32s", "trainer's snapshot", (224, 224), steps=0, pad=1),
    case("fcn8s_whole.npz", "fcn8s", "chain, uncompressed", (81, 107), width=1, steps=0),
    case("chainer_fcn.weight", "fcn8s-deconv", "chain", (64, 96), photos=2, steps=0, pad=1),
    case("deconv_snapshot", "fcn8s-deconv", "trainer's snapshot", (96, 32), steps=0, pad=1),
    case("deconv_whole.npz", "fcn8s-deconv", "chain", (128, 160), width=1, steps=0, pad=1),
    case("vgg16.npz", "VGG16Layers", "chain, uncompressed", (224, 224), width=1, steps=0),
)
BY_NAME = {made["name"]: made for made in CASES}
ONE_SIZE, CLASSIFIER = BY_NAME["one_size"], BY_NAME["vgg16.npz"]
DECONV = [made for made in CASES if made["head"] == "fcn8s-deconv"]
NETS = [made for made in CASES if made not in (ONE_SIZE, CLASSIFIER, *DECONV)]
TRAINED = [made for made in CASES if made["steps"]]


def each(cases):
    return pytest.mark.parametrize("made", cases, ids=lambda made: made["name"])


@pytest.fixture
def chainer(tmp_path):
    """``chainer(case)``: Chainer in its own Python makes the net, saves and computes it.

    Returns the file, the photos uint8 N,H,W,3, the masks N,H,W and what Chainer computed.
    """
    if not Path(PYTHON).exists():
        pytest.fail(f"{PYTHON} is missing: `make parity` builds it (or set FULLCONV_CHAINER)")

    def run(made):
        random = np.random.default_rng(made["seed"])
        pairs = [scene(*made["size"], random)[:2] for _ in range(made["photos"])]
        photos, masks = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        np.save(tmp_path / f"{made['name']}.photos.npy", photos)
        np.save(tmp_path / f"{made['name']}.masks.npy", masks)
        (tmp_path / "job.json").write_text(json.dumps([made]))
        script = [PYTHON, "-W", "ignore", HERE / "chainer_script.py", tmp_path / "job.json"]
        done = subprocess.run(script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        result = np.load(tmp_path / f"{made['name']}.result.npz")
        return tmp_path / made["name"], photos, masks, result

    return run


def converted(path, made):
    """The file's net, by the way that `fullconv convert` goes; no array of it may be left over."""
    name = f"{made['head']}-vgg16" if "atonce" in made["head"] else None
    conversion = convert(path, name)
    net = conversion.checkpoint.net
    assert net.spec.width == made["width"]
    strange = [
        row for row in conversion.not_needed if row.note == "no layer here has such an array"
    ]
    assert not strange
    return conversion, net


def title(made):
    width = "full width" if made["width"] == 1 else f"width 1/{1 / made['width']:.0f}"
    backbone = "vgg16_convs" if made in DECONV else "vgg16"
    return f"`{made['head']}-{backbone}`, {width}, {made['form']}"


@each(NETS)
@torch.no_grad()
def test_scores_are_those_of_chainer(chainer, made):
    path, photos, _, expected = chainer(made)
    found, net = converted(path, made)
    assert net.spec.name == f"{made['head']}-vgg16"
    assert net.spec.padding == "paper"
    assert not found.missing
    assert len(np.unique(expected["scores"].argmax(1))) > 2  # else agreement is cheap
    scores = net(found.checkpoint.preprocessing(torch.from_numpy(photos)))
    apart = difference(scores.transpose(0, 1), expected["scores"].swapaxes(0, 1))
    record(SECTION, title(made), "scores, {}x{}".format(*made["size"]), apart)
    assert apart.relative < SINGLE
    assert apart.argmax is not None
    assert apart.argmax > 0.9999


@each(DECONV)
@torch.no_grad()
def test_scores_of_deconvolutions_that_mix_the_classes(chainer, made):
    """Random kernels, nothing like bilinear; photos of sides that Chainer's sums need."""
    path, photos, _, expected = chainer(made)
    found, net = converted(path, made)
    assert net.spec.name == "fcn8s-deconv-vgg16_convs"
    assert not found.missing
    assert len(np.unique(expected["scores"].argmax(1))) > 2
    scores = net(found.checkpoint.preprocessing(torch.from_numpy(photos)))
    apart = difference(scores.transpose(0, 1), expected["scores"].swapaxes(0, 1))
    record(SECTION, title(made), "scores, {}x{}".format(*made["size"]), apart)
    assert apart.relative < SINGLE
    assert apart.argmax is not None
    assert apart.argmax > 0.9999


@each(TRAINED)
def test_steps_of_training_are_those_of_chainer(chainer, made):
    """SGD with momentum, biases at twice the rate without decay, upsampling fixed, 255 ignored."""
    path, photos, masks, expected = chainer(made)
    assert (masks == 255).any()
    found, net = converted(path, made)
    net.double()
    theirs = {row.ours: row.theirs for row in found.loaded}
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    updater = updater_of(net, made)
    batch = (torch.from_numpy(photos), torch.from_numpy(masks), ["photo"] * len(photos))
    gradients = {}  # a step uses them up
    for name, p in net.named_parameters():
        p.register_hook(lambda gradient, name=name: gradients.update({name: gradient.clone()}))
    apart = {"loss": [], "gradients": [], "updates": []}
    for step in range(STEPS):
        hooks = [same_dropout(net, layer, expected, step) for layer in ("fc6", "fc7")]
        loss, _ = updater.step(Batch(step, *batch))
        for hook in hooks:
            hook.remove()
        apart["loss"].append(difference(loss, expected[f"loss/{step}"], classes=False))
        for name, p in net.named_parameters():
            gradient = expected[f"gradient/{step}/{theirs[name]}"]
            apart["gradients"].append(difference(gradients[name], gradient, classes=False))
            moved = expected[f"weights/{step}/{theirs[name]}"] - before[name].numpy()
            apart["updates"].append(difference(p.detach() - before[name], moved, classes=False))
    for what, rows in apart.items():
        worst = max(rows, key=lambda row: row.relative)
        form = "mean" if made["normalize"] else "sum"
        record(SECTION, title(made), f"{what} of {STEPS} steps, loss as {form}", worst)
        assert worst.relative < DOUBLE, what


def in_double(images):
    return CAFFE(images).double()


def updater_of(net, made):
    overrides = {
        "optimizer.kind": "sgd",
        "optimizer.lr": made["rate"],
        "optimizer.momentum": 0.9,
        "optimizer.weight_decay": 5e-4,
        "optimizer.bias_lr": 2.0,
        "optimizer.lr_schedule": "fixed",
        "optimizer.warmup": 0,
        "optimizer.clip": None,
        "optimizer.ema": None,
        "loss.cross_entropy.reduction": "mean" if made["normalize"] else "sum",
        "schedule.batch_size": made["photos"],
        "compute.device": "cpu",
        "compute.precision": "fp32",
    }
    config = make_config("scratch", overrides)
    fabric = Fabric(accelerator="cpu", devices=1)
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    return Updater(config, fabric, net, in_double, criterion, STEPS)


def same_dropout(net, layer, expected, step):
    """Chainer's draw, element by element, in place of this net's, which must be of that kind."""
    mask = torch.from_numpy(expected[f"mask/{layer}/{step}"])
    assert mask.unique().tolist() == [0, 2]

    def drop(module, args, output):
        assert output.shape == mask.shape
        own = output[args[0] != 0] / args[0][args[0] != 0]
        assert own.unique().tolist() == [0, 2]
        return args[0] * mask

    return net.backbone.get_submodule(layer.replace("fc", "drop")).register_forward_hook(drop)


@torch.no_grad()
def test_a_net_of_one_size_becomes_one_of_any(chainer):
    """A 224x224 deconvolution is left out by name; the score that it enlarged is the centre's."""
    path, photos, _, expected = chainer(ONE_SIZE)
    found, net = converted(path, ONE_SIZE)
    assert net.spec.padding == "same"
    left_out = {row.theirs: row.note for row in found.not_needed}["updater/model:main/upscore/W"]
    assert left_out.startswith("a 224x224 deconvolution, which makes pictures of one size only")
    coarse = net.scores(CAFFE(torch.from_numpy(photos)))[32]
    assert coarse.shape[-2:] == (7, 7)
    apart = difference(coarse[0, :, 3, 3], expected["coarse"][0, :, 0, 0])
    record(SECTION, title(ONE_SIZE), "the one score before the 224x224 deconvolution", apart)
    assert apart.relative < SINGLE


@torch.no_grad()
def test_features_of_chainers_classifier(chainer):
    """fc7 of a 224x224 photo, behind the order in which fc6's matrix was flattened."""
    path, photos, _, expected = chainer(CLASSIFIER)
    found, net = converted(path, CLASSIFIER)
    assert found.is_classifier
    features = net.backbone(CAFFE(torch.from_numpy(photos)))[32]
    apart = difference(features[0, :, 3, 3], expected["fc7"][0], classes=False)
    record(SECTION, "`chainer.links.VGG16Layers`", "fc7, 224x224", apart)
    assert apart.relative < SINGLE


def test_a_snapshot_becomes_the_picture_that_chainer_predicts(chainer, tmp_path):
    """By a checkpoint, and by the snapshot itself."""
    path, photos, _, expected = chainer(BY_NAME["snapshot_of_classifier"])
    save(tmp_path / "model.safetensors", convert(path).checkpoint)
    for source in (tmp_path / "model.safetensors", path):
        mask = Predictor(source)(photos[0]).mask
        assert (mask == expected["scores"][0].argmax(0)).mean() > 0.9999
