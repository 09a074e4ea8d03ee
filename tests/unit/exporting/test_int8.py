"""int8 in the real ONNX Runtime and OpenVINO, against the net in torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from fullconv.checkpoints import load
from fullconv.data import open_source
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.exporting import Int8Check, export
from fullconv.exporting.calibration_photos import find_calibration
from fullconv.exporting.onnx_graph import OnnxGraph
from fullconv.exporting.openvino_graph import OpenVinoGraph, from_onnx
from fullconv.exporting.quantize import by_nncf, quantized_graph
from fullconv.exporting.verify_int8 import MOST_DROP, UnsavedGraphEngine, check_int8, refuse
from fullconv.inference import Predictor, open_engine
from fullconv.inference.engines.openvino_engine import compiled, core_of, read_model
from fullconv.training import train

pytest.importorskip("nncf", reason="needs fullconv[quantize]")
DATA = "shapes:48x64:n=200"
MEAN = np.uint8([124, 116, 104])
FEW = "shapes:48x64:n=60"  # to calibrate on
QUICK = {
    "net.name": "fcn4s-resnet18",
    "net.width": 0.125,
    "schedule.steps": 100,
    "schedule.validate_every": 100,
    "optimizer.lr": 4e-3,
    "optimizer.warmup": 0.1,
    "optimizer.ema": None,
    "data.workers": 0,
    "compute.device": "cpu",
    "compute.precision": "fp32",
}


@pytest.fixture(scope="session")
def trained(once):
    """The ONNX file of a small net that tells a few of the shapes from the background."""
    pytest.importorskip("onnxruntime")

    def write(folder):
        run = train(DATA, folder / "run", recipe="demo", overrides=QUICK, quiet=True)
        return export(run, "onnx")

    return once("trained", write)[1]


def in_int8(made, to, calibrate, out):
    """What the ONNX export ``made`` becomes in int8, for either runtime: its file, and the check.

    As ``export`` does it, without tracing the net again.
    """
    pytest.importorskip({"onnx": "onnxruntime"}.get(to, to))
    known, content = made.description, made.paths[0].read_bytes()
    unsaved = OnnxGraph(content) if to == "onnx" else OpenVinoGraph(from_onnx(content), known)
    photos, steps = find_calibration(calibrate, known), []
    said = replace(known, precision="int8")
    int8 = quantized_graph(unsaved, photos.shown, said, lambda: steps.append(1))
    comparison = check_int8(unsaved, int8, photos, said, lambda: steps.append(2))
    assert steps == [1] * comparison.shown + [2] * comparison.photos
    return int8.write(out.with_suffix({"onnx": ".onnx"}.get(to, ".xml"))), comparison


@pytest.fixture(scope="session", params=["openvino", "onnx"])
def int8(trained, request, tmp_path_factory):
    """The files of the trained net in int8, and the check."""
    return in_int8(trained, request.param, FEW, tmp_path_factory.mktemp("int8") / "net")


def int8_weights(file):
    """How many arrays of four dimensions in an exported file are of 8 bits."""
    if file.suffix == ".onnx":
        import onnx

        arrays = onnx.load(file).graph.initializer
        return sum(
            each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 4 for each in arrays
        )
    import openvino

    nodes = core_of().read_model(file).get_ops()
    constants = [each for each in nodes if each.get_type_name() == "Constant"]
    return sum(
        each.get_element_type() == openvino.Type.i8 and len(each.shape) == 4 for each in constants
    )


def test_a_trained_net_loses_less_than_half_a_point(trained, int8):
    (file, *_), check = int8
    run = trained.paths[0].parent
    ours, theirs = (evaluate(net, DATA).mean_iu for net in (run, file))
    assert ours > 0.25  # of 6 classes; the background alone is 0.14 at most
    assert 100 * (ours - theirs) <= MOST_DROP
    ours, theirs = (evaluate(net, FEW).mean_iu for net in (run, file))
    assert check.mean_iu == pytest.approx((ours, theirs), abs=1e-4)


def test_every_convolution_of_the_backbone_but_the_first_holds_8_bits(trained, int8):
    files, check = int8
    layers = load(trained.paths[0].parent).net.backbone.modules()
    convolutions = [layer.weight.numel() for layer in layers if isinstance(layer, nn.Conv2d)][1:]
    assert int8_weights(files[0]) == len(convolutions)
    before, after = check.bytes
    assert 0 < sum(path.stat().st_size for path in files) - after < 50  # the checksum
    assert before - after > 2 * sum(convolutions)  # of the 3 bytes of each; scales are added


@pytest.mark.parametrize("size", [(75, 101), (31, 33), (17, 130), (1, 7)])
def test_any_size(trained, int8, size):
    scene = open_source("shapes:130x130:n=20", "val")[0].image[: size[0], : size[1]]
    ours, theirs = Predictor(trained.paths[0]), Predictor(int8[0][0])
    found, wanted = (net(scene).scores for net in (theirs, ours))
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < 0.1 * np.abs(wanted).mean()
    assert not np.allclose(found, wanted, rtol=1e-4)  # else nothing was rounded


def test_maps_before_depthwise_convolutions_have_one_scale_in_onnx():
    """ONNX Runtime refuses to run one for each channel, which NNCF would give them."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    rng, helper = np.random.default_rng(0), onnx.helper
    kernels = {"first": (8, 3, 3, 3), "depthwise": (8, 1, 3, 3), "last": (4, 8, 1, 1)}
    weights = [
        onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), f"{name}.weight")
        for name, shape in kernels.items()
    ]
    nodes = [
        helper.make_node("Conv", ["image", "first.weight"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "depthwise.weight"], ["c"], "depthwise", group=8),
        helper.make_node("Conv", ["c", "last.weight"], ["scores"], "last"),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, None, None])
        for name, channels in (("image", 3), ("scores", 4))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    photos = [rng.normal(size=(1, 3, 20, 24)).astype(np.float32) for _ in range(4)]
    int8 = by_nncf(model, [], photos, lambda photo: {"image": photo}, is_onnx=True)
    session = runtime.InferenceSession(int8.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"image": photos[0]})
    assert scores.shape == (1, 4, 16, 20)
    constants = {each.name: each for each in int8.graph.initializer}
    maps = [n for n in int8.graph.node if n.op_type == "QuantizeLinear"]
    assert len([n for n in maps if n.input[0] not in constants]) == 3
    assert all(len(constants[n.input[1]].dims) == 0 for n in maps if n.input[0] not in constants)


@pytest.mark.slow
def test_onnx_runtime_computes_a_net_of_depthwise_convolutions(tmp_path):
    import onnx

    depthwise = {"net.name": "fpn4s-efficientnet_lite0", "net.weights": "none", "net.width": 0.25}
    quick = {**QUICK, **depthwise, "schedule.steps": 1, "schedule.validate_every": 1}
    run = train("shapes:48x64:n=12", tmp_path / "run", recipe="demo", overrides=quick, quiet=True)
    (file, *_), check = in_int8(export(run, "onnx"), "onnx", "shapes:48x64:n=12", tmp_path / "net")
    assert check.photos > 0  # were predicted by the file's runtime
    graph = onnx.load(file).graph
    constants = {each.name: each for each in graph.initializer}
    maps = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] not in constants]
    assert len(maps) > 20
    assert all(len(constants[node.input[1]].dims) == 0 for node in maps)


def test_its_engine_cuts_the_graph_off_at_the_score_maps(int8):
    opened = open_engine(int8[0][0])
    engine, scene = opened.engine, open_source(DATA, "val")[0].image
    assert engine.in_blocks
    whole = UnsavedGraphEngine(Whole(int8[0][0]), engine.description)
    assert (whole.class_map(scene) == engine.class_map(scene)).mean() > 0.999
    assert np.allclose(whole.scores(scene), engine.scores(scene), rtol=1e-3, atol=1e-3)


class Whole:
    """A file run to its last tensor, the scores, by its runtime itself."""

    def __init__(self, file):
        self.file = str(file)

    def run(self, batch):
        if self.file.endswith(".onnx"):
            from onnxruntime import InferenceSession

            return InferenceSession(self.file).run(["scores"], {"image": batch})[0]
        core = core_of()
        return compiled(core, read_model(core, Path(self.file)))({"image": batch})["scores"]


def test_openvino_runs_the_int8_file_of_onnx(int8):
    file = int8[0][0]
    if file.suffix != ".onnx":
        pytest.skip("of ONNX only")
    pytest.importorskip("openvino")
    engines = [Predictor(file, engine=name) for name in ("onnxruntime", "openvino")]
    scenes = open_source(DATA, "val")
    for i in range(3):
        ours, theirs = (engine(scenes[i].image).mask for engine in engines)
        assert (ours == theirs).mean() > 0.97  # they round at other places


@pytest.fixture
def folder(tmp_path, photo):
    """Photos of several sizes."""
    (tmp_path / "photos").mkdir()
    for i, (height, width) in enumerate([(45, 70), (60, 80), (45, 71), (48, 90)]):
        Image.fromarray(photo(height, width, i)).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("to", "case"),
    [
        ("openvino", ("fcn16s-caffenet", "paper", None, False)),
        pytest.param("openvino", ("fcn8s-vgg16", "same", None, True), marks=pytest.mark.slow),
        ("onnx", ("fcn32s-vgg16", "same", (45, 70), False)),
    ],
)
def test_nets_paddings_and_a_fixed_size(exported, tmp_path, folder, photo, to, case):
    _, made = exported("onnx", *case)
    (file, *_), check = in_int8(made, to, folder, tmp_path / "net")
    ours, theirs = (Predictor(net)(photo(45, 70, 9)).scores for net in (made.paths[0], file))
    assert np.abs(ours - theirs).mean() < 0.1 * np.abs(ours).mean()
    assert check.mean_iu is None


def test_photos_unlike_those_it_will_see_are_noticed(trained, tmp_path):
    """Four photos are of the mean colour, the fifth, which is held out, is as others will be."""
    scenes = open_source(DATA, "val")
    scene = scenes[max(range(len(scenes)), key=lambda i: (scenes.mask(i) > 0).sum())].image
    for i in range(5):
        Image.fromarray(scene if i == 4 else 0 * scene + MEAN).save(tmp_path / f"{i}.png")
    _, check = in_int8(trained, "onnx", tmp_path, tmp_path / "net")
    assert (check.shown, check.photos, check.mean_iu) == (4, 1, None)
    with pytest.raises(
        UserError, match=r"^int8 changes the class of .*: on 1 held-out photos, after 4"
    ):
        refuse(check)


def test_what_is_too_far():
    def found(same, mean_iu=None):
        return Int8Check(100, 20, same, mean_iu, (1.0, 0.5), (4, 1))

    assert not found(0.951).error
    assert found(0.94).error == "changes the class of 6.0% of the pixels, 5% may"
    assert not found(0.94, (0.600, 0.596)).error  # masks decide where there are any
    assert found(0.99, (0.600, 0.594)).drop == pytest.approx(0.6)
    assert found(0.99, (0.600, 0.594)).error.startswith("costs 0.60 points of mean IU")
    assert found(0.99, (0.6, float("nan"))).error
    assert found(float("nan")).error


def test_choices_that_do_not_fit(trained, monkeypatch):
    run = trained.paths[0].parent
    for says, arguments in {
        "torch runs no int8": {"to": "torch"},
        "no form": {"to": "caffe"},
        "no such file": {"calibrate": "nowhere"},
    }.items():
        with pytest.raises(UserError, match=says):
            export(run, **{"calibrate": DATA} | arguments)
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UserError, match=r"nncf is not installed: .*fullconv\[quantize\]"):
        export(run, calibrate=DATA)


def test_nncf_reports_nothing_to_its_makers():
    """In a process without pytest, where it keeps still by itself."""
    says = (
        "from fullconv.exporting.quantize import silent_nncf\n"
        "with silent_nncf(): pass\n"
        "from nncf.telemetry.wrapper import telemetry\n"
        "print(type(telemetry).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert done.stdout == "MagicMock\n"
