"""Graphs that are run as far as their score maps only, in the real ONNX Runtime and OpenVINO."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_nets import checkpoint

from fullconv.checkpoints import load, save
from fullconv.exporting import export
from fullconv.exporting.verify import TOLERANCE
from fullconv.inference import Predictor
from fullconv.inference.engines.graph_engine import GraphEngine
from fullconv.inference.export_metadata import Description, map_names
from fullconv.models import TORCH
from fullconv.models.registry import BACKBONES
from fullconv.models.steps import Residual

CASES = [
    ("onnx", "fcn8s-vgg16", "same", "onnxruntime", ["score_32", "score_16", "score_8"]),
    ("onnx", "fcn8s-vgg16", "same", "openvino", ["score_32", "score_16", "score_8"]),
    ("openvino", "fcn16s-caffenet", "paper", "openvino", ["score_16"]),
    pytest.param(
        "openvino", "fcn4s-resnet18", "paper", "openvino", ["score_4"], marks=pytest.mark.slow
    ),
    pytest.param(
        "onnx", "fcn16s-caffenet", "paper", "onnxruntime", ["score_16"], marks=pytest.mark.slow
    ),
]
SIZES = [(75, 101), (31, 33), (17, 130)]


def engine_of(path, name):
    pytest.importorskip(name)
    made = Predictor(path, engine=name).engine
    assert isinstance(made, GraphEngine)
    return made


@pytest.mark.parametrize(("to", "name", "padding", "engine", "names"), CASES)
def test_the_graph_ends_with_the_maps(exported, photo, to, name, padding, engine, names):
    """OpenVINO adds a bias in an operation of its own; maps before it would be off by it."""
    run, made = exported(to, name, padding, None, to == "onnx" and name == "fcn8s-vgg16")
    found = engine_of(made.paths[0], engine)
    assert found.in_blocks
    assert list(found.outputs) == names
    known = load(run)
    for size in SIZES:
        image = photo(*size)
        inputs = known.preprocessing(torch.from_numpy(image)[None])
        with torch.no_grad():
            maps = known.net.maps(inputs)
            scores = known.net.upsampled(maps, size)[0].numpy()
        batch = image[None] if made.description.preprocess else inputs.contiguous().numpy()
        for mine, wanted in zip(found.run(batch), maps.values(), strict=True):
            assert mine.shape == tuple(wanted.shape)
            limit = TOLERANCE * float(wanted.abs().max())
            assert np.abs(mine - wanted.numpy()).max() <= limit
        limit = TOLERANCE * np.abs(scores).max()
        assert np.abs(found.scores(image) - scores).max() <= limit
        assert np.array_equal(found.class_map(image), scores.argmax(0))


def test_resized_scores_are_in_the_maps(tmp_path, photo, monkeypatch):
    """Of a dilated ResNet with one block in each stage, to be exported in a third of the time."""
    pytest.importorskip("onnxscript", reason="needs fullconv[export]")
    known = BACKBONES["resnet50_dilated"]
    blocks = [s for s in known.steps if isinstance(s, Residual) and not s.name.endswith("_0")]
    steps = tuple(step for step in known.steps if step not in blocks)
    monkeypatch.setitem(
        BACKBONES, "resnet14_dilated", replace(known, name="resnet14_dilated", steps=steps)
    )
    net = checkpoint("fcn8s-resnet14_dilated", preprocessing=TORCH)
    assert net.net.spec.resizes_scores
    for layer in net.net.score_modules().values():
        torch.nn.init.normal_(layer.bias, std=100)
    save(tmp_path / "model.safetensors", net)
    engine = engine_of(export(tmp_path, "openvino").paths[0], "openvino")
    assert engine.in_blocks
    wanted = Predictor(tmp_path, "cpu").engine.scores(photo(45, 61))
    assert np.abs(engine.scores(photo(45, 61)) - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def test_what_other_programs_see_is_as_before(exported):
    onnx = pytest.importorskip("onnx")
    _, made = exported("onnx", "fcn8s-vgg16")
    graph = onnx.load(made.paths[0]).graph
    assert [each.name for each in graph.input] == ["image"]
    assert [each.name for each in graph.output] == ["scores"]


def whole_graph(made, tmp_path):
    """The same file, but for the names of the maps, as it was written before they were stored."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(made.paths[0])
    entry, _ = model.metadata_props
    del model.metadata_props[1:]  # the checksum of what is changed
    said = json.loads(entry.value)
    del said["graph"]["maps"]
    entry.value = json.dumps(said)
    onnx.save(model, tmp_path / "before.onnx")
    return tmp_path / "before.onnx"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_without_the_names_gives_the_scores_itself(exported, photo, tmp_path, engine):
    run, made = exported("onnx", "fcn8s-vgg16")
    found = engine_of(whole_graph(made, tmp_path), engine)
    assert not found.in_blocks
    image = photo(45, 61)
    wanted = Predictor(run, "cpu").engine.scores(image)
    assert np.abs(found.scores(image) - wanted).max() <= TOLERANCE * np.abs(wanted).max()
    assert np.array_equal(found.class_map(image), wanted.argmax(0))


def test_without_the_onnx_package_onnx_runtime_gives_the_scores(exported, photo, monkeypatch):
    _, made = exported("onnx", "fcn8s-vgg16")
    image = photo(45, 61)
    wanted = engine_of(made.paths[0], "onnxruntime").class_map(image)
    monkeypatch.setitem(sys.modules, "onnx", None)
    engine = engine_of(made.paths[0], "onnxruntime")
    assert not engine.in_blocks
    assert np.array_equal(engine.class_map(image), wanted)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_names_that_the_graph_has_not_got_are_left_alone(exported, photo, tmp_path, engine):
    onnx = pytest.importorskip("onnx")
    _, made = exported("onnx", "fcn8s-vgg16")
    model = onnx.load(made.paths[0])
    known = replace(made.description, maps={8: "score_8", 4: "another"})
    model.metadata_props[0].value = known.to_json()
    del model.metadata_props[1:]
    onnx.save(model, tmp_path / "renamed.onnx")
    assert not engine_of(tmp_path / "renamed.onnx", engine).in_blocks


def test_kernels_that_learn_stay_in_the_graph():
    net = checkpoint("fcn8s-vgg16", learn_upsampling=True)
    assert map_names(net.net.spec) == {}
    assert Description.of(net).maps == {}
