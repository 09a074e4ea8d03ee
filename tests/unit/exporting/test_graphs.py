"""Exported files in the real ONNX Runtime, OpenVINO and torch, against the net.

The tolerance is that of `fullconv.exporting.verify`: 1e-4 of the largest score, for sums in another
order.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_nets import CLASSES, checkpoint

from fullconv.checkpoints import load, save
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.exporting import export
from fullconv.exporting.openvino_graph import smallest_side
from fullconv.exporting.verify import TOLERANCE
from fullconv.inference import Predictor
from fullconv.models import CAFFE, NetSpec, available

CASES = [
    ("onnx", "fcn8s-vgg16", "same", True),
    ("torch", "fcn8s-vgg16", "same", True),
    ("onnx", "fcn16s-caffenet", "paper", False),
    ("openvino", "fcn16s-caffenet", "paper", False),
    pytest.param("openvino", "fcn4s-resnet18", "paper", False, marks=pytest.mark.slow),
]
SIZES = [(75, 101), (31, 33), (64, 32), (17, 130), (129, 20)]


def assert_equal_scores(found, wanted):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= TOLERANCE * np.abs(wanted).max()


@pytest.mark.parametrize(("to", "name", "padding", "preprocess"), CASES)
def test_an_exported_file_predicts_as_the_run(exported, photo, to, name, padding, preprocess):
    run, made = exported(to, name, padding, None, preprocess)
    ours, theirs = Predictor(run, "cpu"), Predictor(made.paths[0])
    for size in SIZES:
        image = photo(*size)
        wanted, found = ours(image, scores=True), theirs(image, scores=True)
        assert_equal_scores(found.scores, wanted.scores)
        assert np.array_equal(found.mask, wanted.mask)
        assert np.array_equal(theirs(image).mask, wanted.mask)
    assert theirs.classes == ours.classes
    assert theirs.origin == {"recipe": "none", "step": 3}


@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_of_any_count(exported, photo, count):
    onnxruntime = pytest.importorskip("onnxruntime")
    run, made = exported("onnx", "fcn8s-vgg16")
    images = np.stack([photo(45, 61, seed) for seed in range(count)])
    (found,) = onnxruntime.InferenceSession(made.paths[0]).run(None, {"image": images})
    known = load(run)
    with torch.no_grad():
        wanted = known.net(known.preprocessing(torch.from_numpy(images))).numpy()
    assert_equal_scores(found, wanted)
    assert np.array_equal(found.argmax(1), wanted.argmax(1))


def test_openvino_runs_the_onnx_file_too(exported, photo):
    pytest.importorskip("openvino")
    run, made = exported("onnx", "fcn8s-vgg16")
    ours, theirs = Predictor(run, "cpu"), Predictor(made.paths[0], engine="openvino")
    for size in SIZES:
        wanted, found = ours(photo(*size)), theirs(photo(*size))
        assert_equal_scores(found.scores, wanted.scores)
        assert np.array_equal(found.mask, wanted.mask)


def test_the_scores_of_a_data_set_are_the_same(exported, photo, tmp_path):
    run, made = exported("torch", "fcn8s-vgg16")
    for kind in ("images", "masks"):
        (tmp_path / kind / "val").mkdir(parents=True)
    for seed in range(2):
        image = photo(48, 64, seed)
        Image.fromarray(image).save(tmp_path / "images" / "val" / f"{seed}.png")
        Image.fromarray(image[..., 0] % 3).save(tmp_path / "masks" / "val" / f"{seed}.png")
    (tmp_path / "classes.toml").write_text(CLASSES.to_toml())
    scores = evaluate(made.paths[0], tmp_path)
    assert scores.names == CLASSES.names
    assert np.array_equal(scores.confusion, evaluate(run, tmp_path).confusion)


def test_the_file_says_what_it_is_and_nothing_of_the_machine(exported):
    onnxruntime = pytest.importorskip("onnxruntime")
    _, made = exported("onnx", "fcn8s-vgg16")
    session = onnxruntime.InferenceSession(made.paths[0])
    said = json.loads(session.get_modelmeta().custom_metadata_map["fullconv"])
    assert said["classes"]["names"] == ["sky", "road", "car"]
    assert said["classes"]["colors"][1] == [90, 0, 0]
    assert said["preprocessing"]["order"] == "BGR"
    assert said["graph"]["shape"] == ["N", "H", "W", 3]
    assert session.get_inputs()[0].shape == ["N", "H", "W", 3]
    assert session.get_outputs()[0].shape == ["N", 3, "H", "W"]
    content = made.paths[0].read_bytes()
    assert b".py" not in content
    assert str(Path(torch.__file__).parent).encode() not in content


def test_one_fixed_size(exported, photo):
    onnxruntime = pytest.importorskip("onnxruntime")
    run, made = exported("onnx", "fcn32s-vgg16", "same", (45, 70), False)
    session = onnxruntime.InferenceSession(made.paths[0])
    assert session.get_inputs()[0].shape == [1, 3, 45, 70]
    assert session.get_outputs()[0].shape == [1, 3, 45, 70]
    predictor, image = Predictor(made.paths[0]), photo(45, 70)
    assert_equal_scores(predictor(image).scores, Predictor(run, "cpu")(image).scores)
    with pytest.raises(UserError, match="70 x 45 only, this one is 71 x 45"):
        predictor(photo(45, 71))


def test_several_inputs_and_outputs(tmp_path):
    pytest.importorskip("onnxruntime")
    classes = ClassSet.joint({"kinds": ClassSet(("a", "b")), "slope": ClassSet(("c", "d", "e"))})
    seen = CAFFE.of_inputs(("color", "depth"))
    net = checkpoint("fcn32s-caffenet", "same", classes, seen, streams=(3, 1))
    save(tmp_path / "model.safetensors", net)
    exported = export(tmp_path, "onnx")
    assert exported.description.dtype == "float32"
    assert exported.description.shape == ("N", "H", "W", 4)
    rng = np.random.default_rng(0)
    image = np.dstack([rng.integers(0, 256, (41, 53, 3)), rng.normal(7.8, 0.5, (41, 53, 1))])
    image = image.astype(np.float32)
    wanted, found = Predictor(tmp_path, "cpu")(image), Predictor(exported.paths[0])(image)
    assert np.array_equal(found.mask, wanted.mask)
    assert np.array_equal(found.other_outputs["slope"].mask, wanted.other_outputs["slope"].mask)
    assert_equal_scores(found.other_outputs["slope"].scores, wanted.other_outputs["slope"].scores)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["same", "paper"])
@pytest.mark.parametrize("name", [n for n in available() if "101" not in n and "34" not in n])
@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_every_net_in_every_runtime(to, name, padding, tmp_path):
    save(tmp_path / "model.safetensors", checkpoint(name, padding))
    assert min(each.same for each in export(tmp_path, to).checks) > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["same", "paper"])
def test_learned_upsampling_in_every_runtime(padding, tmp_path):
    saved = checkpoint("fcn8s-vgg16", padding, learn_upsampling=True)
    save(tmp_path / "model.safetensors", saved)
    for to in ("onnx", "openvino", "torch"):
        assert export(tmp_path, to).paths[0].is_file()


def test_smallest_photo_of_openvino():
    assert smallest_side(NetSpec("fcn8s-vgg16", 3)) == 17  # four poolings of 2: 16 pixels and one
    assert smallest_side(NetSpec("fcn8s-vgg16", 3, padding="paper")) == 1
    assert smallest_side(NetSpec("fcn8s-resnet18", 3)) == 1
