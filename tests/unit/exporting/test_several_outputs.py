"""Graphs that give classes and graphs in float16, in the real runtimes against the net in torch."""

import copy
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_nets import checkpoint

from fullconv.checkpoints import load, save
from fullconv.classes import ClassSet
from fullconv.data import open_source
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.exporting import export
from fullconv.exporting.verify import TOLERANCE_FP16, check
from fullconv.inference import DisagreementWarning, Predictor, open_engine
from fullconv.inference.export_metadata import CLASSES, Description
from fullconv.models import TORCH
from fullconv.models.fcn import tile_geometry

pytest.importorskip("onnxscript", reason="needs fullconv[export]")
pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}
SIZES = [(75, 101), (31, 33), (17, 130)]
DATA = "shapes:48x64:n=20"
SCENES = open_source(DATA, "val")
JOINT = ClassSet.joint({"kinds": ClassSet(("a", "b")), "slope": ClassSet(("c", "d", "e"))})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    known = checkpoint("fcn8s-resnet18", classes=SCENES.classes, preprocessing=TORCH)
    save(folder / "model.safetensors", known)
    return folder


@pytest.fixture(scope="module", params=["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def classes(run, once, request):
    """The run's export of classes."""
    pytest.importorskip(ENGINES[request.param])
    name = f"model-classes.{'onnx' if request.param == 'onnx' else 'xml'}"

    def write(folder):
        return export(run, request.param, folder / name, output="classes")

    return once(f"{request.param}-classes", write)[1]


@pytest.fixture(
    scope="module",
    params=[
        ("openvino", (75, 101)),
        pytest.param(("openvino", None), marks=pytest.mark.slow),
        pytest.param(("onnx", None), marks=pytest.mark.slow),
    ],
)
def half(run, request):
    """The run's export in float16, for one size or for any."""
    to, size = request.param
    pytest.importorskip(ENGINES[to])
    return export(run, to, half=True, size=size)


@pytest.fixture(autouse=True)
def _no_disagreement():
    """All of these compute the net."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DisagreementWarning)
        yield


def test_the_classes_are_those_of_the_run(run, classes, photo):
    file = classes.paths[0]
    assert file.name in ("model-classes.onnx", "model-classes.xml")
    ours, theirs = Predictor(run, "cpu"), Predictor(file)
    assert not theirs.has_scores
    for size in SIZES:
        found = theirs(photo(*size)).mask
        assert found.dtype == np.uint8
        assert np.array_equal(found, ours(photo(*size)).mask)


def test_its_scores_are_one_line(classes, photo):
    predictor = Predictor(classes.paths[0], tile=512)
    for ask in (
        lambda: predictor(photo(9, 9), scores=True),
        lambda: predictor(photo(9, 9)).scores,
        lambda: open_engine(classes.paths[0]).engine.scores(photo(9, 9)),
    ):
        with pytest.raises(UserError, match="gives classes alone, no scores or probabilities"):
            ask()


def test_the_scores_of_a_data_set_are_the_same(run, classes):
    ours, theirs = (evaluate(net, DATA).confusion for net in (run, classes.paths[0]))
    assert np.array_equal(ours, theirs)


def test_one_fixed_size_with_a_picture_of_that_size(run, photo):
    onnxruntime = pytest.importorskip("onnxruntime")
    exported = export(run, output="classes", size=(45, 61), preprocess=False)
    (value,) = onnxruntime.InferenceSession(exported.paths[0]).get_outputs()
    assert (value.name, value.type, value.shape) == ("classes", "tensor(uint8)", [1, 45, 61])
    assert exported.description.golden.size == (45, 61)
    engine = open_engine(exported.paths[0]).engine
    assert engine.proof is not None
    engine.class_map(photo(45, 61))
    assert engine.proof is None


def test_torch_s_program_has_several_outputs_in_the_last_axis(tmp_path, photo):
    save(tmp_path / "model.safetensors", checkpoint("fcn32s-caffenet", "same", JOINT))
    exported = export(tmp_path, "torch", output="classes")
    assert exported.description.shape_out == ("N", "H", "W", 2)
    program = torch.export.load(exported.paths[0]).module()
    exported = program(torch.from_numpy(photo(41, 53)[None]))
    assert exported.dtype == torch.uint8
    assert np.array_equal(
        exported[0].numpy(), Predictor(tmp_path, "cpu").engine.class_map(photo(41, 53))
    )


def test_more_than_255_classes_are_refused(tmp_path):
    many = ClassSet(tuple(map(str, range(256))), ignore=65535)
    save(tmp_path / "model.safetensors", checkpoint("fcn32s-resnet18", classes=many))
    with pytest.raises(UserError, match=r"has 256 classes, and .* 255 at most"):
        export(tmp_path, output="classes")


class Wrong:
    """A graph that gives each pixel the class of another, but for the first ``rows``."""

    def __init__(self, net, known, rows):
        self.net, self.known, self.rows = net, known, rows

    def run(self, batch):
        with torch.no_grad():
            found = self.net(self.known.preprocessing(torch.from_numpy(batch))).argmax(1)
        found[:, self.rows :] = (found[:, self.rows :] + 1) % 6
        return found.to(torch.uint8).numpy()


def test_wrong_classes_are_noticed_and_right_ones_are_not(run):
    known = load(run)
    description = Description.of(known, output=CLASSES)
    check(Wrong(known.net, known, 1000), known.net, description)
    with pytest.raises(UserError, match="differs from the net by"):
        check(Wrong(known.net, known, 30), known.net, description)


def test_a_near_tie_may_fall_either_way(run):
    """Two classes whose scores are equal to rounding: the graph may choose the other."""
    known = copy.deepcopy(load(run))
    score = known.net.score_modules()
    for layer in score.values():
        layer.weight.data[1] = layer.weight.data[0]  # pyright: ignore
    score["score.8"].bias.data[:2] += torch.tensor([30, 30.001])  # pyright: ignore

    class Other(Wrong):
        def run(self, batch):
            found = super().run(batch)
            return np.where(found == 1, np.uint8(0), found)

    description = Description.of(known, output=CLASSES)
    found = check(Other(known.net, known, 1000), known.net, description)
    assert min(each.same for each in found) < 0.9


def test_float16_is_half_the_size_and_near_the_net(run, half, photo):
    weights = sum(p.numel() for p in load(run).net.parameters() if p.ndim == 4)
    arrays = half.paths[-1].stat().st_size  # of OpenVINO the .bin
    assert 2 * weights <= arrays < 3 * weights + 20_000  # an ONNX file names its nodes too
    assert half.description.precision == "fp16"
    ours, theirs = Predictor(run, "cpu"), Predictor(half.paths[0])
    wanted, found = ours(photo(75, 101), scores=True), theirs(photo(75, 101), scores=True)
    assert found.scores.dtype == np.float32
    limit = TOLERANCE_FP16 * np.abs(wanted.scores).max()
    assert 0 < np.abs(found.scores - wanted.scores).max() <= limit
    assert (found.mask == wanted.mask).mean() > 0.98


def test_every_convolution_of_the_backbone_computes_in_float16(run, half):
    onnx = pytest.importorskip("onnx")
    if half.paths[0].name != "model-half.onnx":
        pytest.skip("of ONNX only: OpenVINO computes in what the device is good at")
    graph = onnx.load(half.paths[0]).graph
    types = {each.name: each.data_type for each in graph.initializer}
    kernels = [types[n.input[1]] for n in graph.node if n.op_type == "Conv"]
    layers = [m for m in load(run).net.backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    assert kernels.count(onnx.TensorProto.FLOAT16) == len(layers)
    assert kernels.count(onnx.TensorProto.FLOAT) == 3  # the score layers


def test_a_net_that_float16_does_not_hold_is_refused(run, tmp_path):
    known = load(run)
    first = next(m for m in known.net.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))
    first.weight.data *= 1e6
    save(tmp_path / "model.safetensors", known)
    with pytest.raises(UserError, match=r"not written: (the graph differs|float16 changes)"):
        export(tmp_path, half=True, size=(75, 101))
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_choices_that_do_not_fit(run):
    for says, choice in {
        "choose one": {"half": True, "calibrate": "shapes:48x64:n=20"},
        "no float16": {"half": True, "to": "torch"},
        "unknown": {"output": "pictures"},
    }.items():
        with pytest.raises(UserError, match=says):
            export(run, **choice)


def test_the_file_says_how_to_cut_a_picture_into_tiles(run, classes):
    said = json.loads(classes.description.to_json())
    geometry = tile_geometry(load(run).net.spec)
    behind, before = geometry.halo
    assert said["graph"]["tiling"] == {
        "grid": 32,
        "halo": {"behind": behind, "before": before},
        "exact": True,
        "receptive_field": geometry.field,
        "whole_multiples": False,
    }
    assert said["graph"]["output"] == "classes"
    assert said["graph"]["dtype_out"] == "uint8"


def test_a_runtime_that_computes_wrongly_is_noticed(run, classes, photo, monkeypatch):
    """The same file, but its picture was made by a net with other weights."""
    other = load(run)
    other.net.score_modules()["score.8"].weight.data.neg_()  # pyright: ignore
    other = replace(other, golden=None)
    wrong = Description.of(other).golden
    engine = open_engine(classes.paths[0]).engine
    engine.proof = replace(engine.proof, golden=wrong)
    with pytest.warns(DisagreementWarning, match=r"model-classes\.\w+ in (ONNX Runtime|OpenVINO)"):
        engine.class_map(photo(20, 30))
