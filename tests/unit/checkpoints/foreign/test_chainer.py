"""Chainer's files: the net is found in each of their forms, and every array is accounted for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fullconv.checkpoints import convert, load
from fullconv.checkpoints.foreign.chainer import read
from fullconv.cli import app
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.models import CAFFE, NetSpec
from fullconv.models.analysis.cost import meta_net

STORED = Path(__file__).parent / "chainer"
SCORES = {"32": "score_fr", "16": "score_pool4", "8": "score_pool3"}
UPSCORES = {
    "fcn32s": {"upscore": 64},
    "fcn16s": {"upscore2": 4, "upscore16": 32},
    "fcn8s": {"upscore2": 4, "upscore_pool4": 4, "upscore8": 16},
}
TRAINER = {
    "updater/iteration": np.array(100),
    "updater/optimizer:main/t": np.array(100),
    "updater/optimizer:main/conv1_1/W/v": np.zeros((8, 3, 3, 3), np.float32),
    "extensions/LogReport/_log": np.array("[]"),
    "_snapshot_elapsed_time": np.array(3.5),
}
FORMS = {
    "chain": ("", {}),
    "Classifier": ("predictor/", {}),
    "snapshot": ("updater/model:main/", TRAINER),
    "snapshot of a Classifier": ("updater/model:main/predictor/", TRAINER),
}


def bilinear(size):
    """One axis of the kernel as Chainer's examples and Caffe's filler have it."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    return 1 - np.abs(np.arange(size) - centre) / factor


def tent(classes, size):
    kernel = np.zeros((classes, classes, size, size), np.float32)
    kernel[range(classes), range(classes)] = np.outer(bilinear(size), bilinear(size))
    return kernel


def chain(head="fcn32s", classes=3, seed=0):
    """The arrays of a net of wkentaro/fcn, as thin as can be, with random weights."""
    random = np.random.default_rng(seed)
    shapes = meta_net(NetSpec(f"{head}-vgg16", classes, width=1 / 64)).state_dict()
    arrays = {}
    for ours, tensor in shapes.items():
        _, layer, kind = ours.split(".")
        name = f"{SCORES.get(layer, layer)}/{'W' if kind == 'weight' else 'b'}"
        arrays[name] = random.normal(0, 0.1, tensor.shape).astype(np.float32)
    kernels = {f"{layer}/W": tent(classes, k) for layer, k in UPSCORES[head].items()}
    return arrays | kernels


@pytest.fixture
def saved(tmp_path):
    """``saved(arrays, form)`` is the path of the .npz that Chainer would write."""

    def write(arrays, form="chain", name="snapshot_iter_100"):
        prefix, beside = FORMS[form]
        with (tmp_path / name).open("wb") as file:
            np.savez_compressed(file, **beside, **{prefix + n: a for n, a in arrays.items()})
        return tmp_path / name

    return write


def refused(path, *says, **options):
    """The one line that the conversion of ``path`` is refused with."""
    with pytest.raises(UserError) as error:
        convert(path, **options)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in says:
        assert part in message


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("head", UPSCORES)
def test_the_net_is_found_in_every_form_and_every_array_accounted_for(saved, head, form):
    arrays = chain(head)
    conversion = convert(saved(arrays, form))
    state = conversion.checkpoint.net.state_dict()
    assert conversion.checkpoint.net.spec == NetSpec(
        f"{head}-vgg16", 3, padding="paper", width=1 / 64
    )
    assert conversion.checkpoint.preprocessing == CAFFE
    assert sorted(row.ours for row in conversion.loaded) == sorted(state)
    assert not conversion.missing
    for row in conversion.loaded:
        assert np.array_equal(state[row.ours].numpy(), arrays[row.theirs])
    left = {row.theirs: row.note for row in conversion.not_needed}
    assert {row.theirs for row in conversion.loaded} | set(left) == set(arrays) | set(
        FORMS[form][1]
    )
    for layer in UPSCORES[head]:
        assert left[f"{layer}/W"] == "bilinear upsampling, which is computed here"
    if "snapshot" in form:
        assert left["updater/optimizer:main/conv1_1/W/v"] == "the optimizer's state"
        assert left["_snapshot_elapsed_time"] == "the trainer's state"


def test_a_snapshot_of_chainers_own_trainer_scores_as_chainer_does():
    """Files and scores by Chainer 7.8.1: tests/parity/store_chainer_snapshot.py."""
    expected = np.load(STORED / "expected.npz")
    conversion = convert(STORED / "snapshot_iter_1")
    assert conversion.checkpoint.net.spec.name == "fcn16s-vgg16"
    scores = Predictor(STORED / "snapshot_iter_1")(expected["photo"]).scores
    assert np.abs(scores - expected["scores"]).max() < 1e-5 * np.abs(expected["scores"]).max()


def test_a_snapshot_becomes_a_picture_in_one_command(saved, tmp_path):
    snapshot = saved(chain(), "snapshot")
    photo = np.random.default_rng(1).integers(0, 256, (45, 60, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    command = ["predict", snapshot, tmp_path / "photo.png", "--out", tmp_path / "pictures"]
    done = CliRunner().invoke(app, [str(part) for part in command])
    assert done.exit_code == 0, done.output
    picture = np.array(Image.open(tmp_path / "pictures" / "photo.png"))
    with torch.no_grad():
        scores = load(snapshot).net(CAFFE(torch.from_numpy(photo)[None]))
    assert np.array_equal(picture, scores[0].argmax(0).numpy())


@pytest.mark.parametrize("size", [65, 224])
@pytest.mark.parametrize("layer", ["upscore", "deconv"])
def test_a_deconvolution_of_one_picture_size_is_left_out_and_named(saved, layer, size):
    """Such a net was trained without a pad of 100, so it is read without."""
    arrays = chain()
    del arrays["upscore/W"]
    arrays[f"{layer}/W"] = np.ones((3, 3, size, size), np.float32)
    conversion = convert(saved(arrays, "snapshot"))
    left = {row.theirs: row.note for row in conversion.not_needed}
    note = left[f"updater/model:main/{layer}/W"]
    assert note.startswith(f"a {size}x{size} deconvolution, which makes pictures of one size only")
    assert conversion.checkpoint.net.spec.padding == "same"
    assert convert(saved(arrays), padding="paper").checkpoint.net.spec.padding == "paper"


def test_upsampling_that_differs_is_said(saved):
    arrays = chain("fcn16s")
    arrays["upscore2/W"] = np.ones((3, 3, 4, 4), np.float32)
    arrays["upscore16/W"] = tent(3, 30)
    arrays["upscore16/b"] = np.array([0, 0.5, -2], np.float32)
    arrays["upscore2/b"] = np.zeros(3, np.float32)
    conversion = convert(saved(arrays))
    left = {row.theirs: row.note for row in conversion.not_needed}
    assert left["upscore2/W"].startswith("a 4x4 deconvolution that is not bilinear")
    assert left["upscore16/W"].startswith("a 30x30 deconvolution, not 32x32; upsampling here")
    assert left["upscore16/b"].startswith("a deconvolution's bias (up to 2), which upsampling")
    assert left["upscore2/b"] == "a deconvolution's bias, all zero"
    assert conversion.checkpoint.net.spec.padding == "paper"


def test_the_at_once_net_is_taken_by_its_name(saved):
    """Its file has the very names of the 8s net; its constants stand in the code."""
    path = saved(chain("fcn8s"))
    assert convert(path).checkpoint.net.spec.scales[8] == 1
    assert convert(path, "fcn8s-atonce-vgg16").checkpoint.net.spec.scales[8] == 0.0001


def test_a_classifiers_matrix_runs_over_channels_then_rows_then_columns(saved):
    """Chainer's Linear flattens N,C,H,W as it lies."""
    arrays = {n: a for n, a in chain().items() if n.startswith(("conv", "fc"))}
    matrix = arrays["fc6/W"] = arrays["fc6/W"].reshape(64, -1)
    arrays["fc7/W"] = arrays["fc7/W"].reshape(64, 64)
    arrays |= {"fc8/W": np.ones((10, 64), np.float32), "fc8/b": np.ones(10, np.float32)}
    conversion = convert(saved(arrays))
    assert conversion.is_classifier
    assert {row.theirs for row in conversion.not_needed} == {"fc8/W", "fc8/b"}
    assert {row.ours for row in conversion.missing} == {"score.32.weight", "score.32.bias"}
    features = np.random.default_rng(2).normal(size=(1, 8, 7, 7)).astype(np.float32)
    fc6 = conversion.checkpoint.net.backbone.fc6
    with torch.no_grad():
        here = fc6(torch.from_numpy(features))[0, :, 3, 3].numpy()  # pad 3: its window is all
    there = np.maximum(matrix @ features.reshape(-1) + arrays["fc6/b"], 0)
    assert np.allclose(here, there, atol=1e-5)


def test_layers_that_were_never_used_are_left_out(saved):
    """Chainer writes None for them, as an object array, which is not opened."""
    arrays = chain() | {"spare/W": np.asarray(None)}
    conversion = convert(saved(arrays))
    left = {row.theirs: row.note for row in conversion.not_needed}
    assert left["spare/W"] == "a Python object (None: never initialised), which is not opened"
    arrays["conv3_1/W"] = np.asarray(None)
    refused(saved(arrays), "conv3_1/W was never initialised (None) in Chainer")


@pytest.mark.parametrize("kind", ["<f8", ">f4", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_types_and_orders_are_read(saved, kind, order):
    arrays = chain()
    file = read(saved({n: np.asarray(a, kind, order=order) for n, a in arrays.items()}))
    for name, array in arrays.items():
        assert file.arrays[name].dtype == np.float32
        assert np.array_equal(file.arrays[name], array.astype(kind).astype(np.float32))


def test_nets_that_would_be_misread_are_refused(saved):
    one, other = chain(seed=1), {f"old/{name}": array for name, array in chain(seed=2).items()}
    refused(saved(one | other), "holds 2 nets (the chain, old/)")
    body = {f"vgg/{name}": array for name, array in one.items()}
    refused(saved(body | {"score_fr/W": one["score_fr/W"]}), "score_fr/W lies outside vgg/")
    refused(saved(one | {"conv3_4/W": one["conv3_3/W"]}), "holds a VGG19")
    refused(saved({"l1/W": one["fc7/W"]}), "an .npz without a net that is known", "l1/W")
    del one["score_fr/b"]
    refused(saved(one), "score_fr/b is missing")


def test_what_the_file_cannot_tell_is_said(saved):
    path = saved(chain("fcn8s"))
    conversion = convert(path)
    assert conversion.checkpoint.net.spec.name == "fcn8s-vgg16"
    assert "--net fcn8s-atonce-vgg16" in conversion.warning
    assert load(path).origin["warning"] == conversion.warning  # predict and evaluate say it
    assert convert(path, "fcn8s-atonce-vgg16").warning == ""
    assert convert(STORED / "snapshot_iter_1").warning == ""
