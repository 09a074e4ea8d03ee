"""What differs from the net is not written; what is no file of ours is not run."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from small_nets import checkpoint

from fullconv.checkpoints import load, save
from fullconv.errors import UserError
from fullconv.exporting import export
from fullconv.exporting.verify import check
from fullconv.inference import Predictor
from fullconv.inference.engines.graph_engine import GraphEngine
from fullconv.inference.export_metadata import Description
from fullconv.models import FCN


@pytest.fixture
def run(tmp_path):
    save(tmp_path / "run" / "model.safetensors", checkpoint("fcn32s-caffenet"))
    return tmp_path / "run"


def test_a_graph_that_computes_something_else_is_not_written(run, monkeypatch):
    """While it is traced, the net adds a hundredth to its scores, and not when it is run."""
    forward = FCN.forward

    def differs(self, images):
        scores = forward(self, images)
        return scores * 1.01 if torch.compiler.is_exporting() else scores

    monkeypatch.setattr(FCN, "forward", differs)
    with pytest.raises(UserError, match=r"not written: the graph differs from the net by \d") as f:
        export(run, "torch", size=(75, 101))
    assert str(run / "model.pt2") in str(f.value)
    assert [path.name for path in run.iterdir()] == ["model.safetensors"]


def test_a_graph_with_a_size_baked_in_is_not_written(run, monkeypatch):
    """Not the photo's size is cut out of the enlarged scores but that of the traced photo."""
    forward = FCN.forward

    def baked(self, images):
        scores = forward(self, images)
        return scores[..., :75, :101] if torch.compiler.is_exporting() else scores

    monkeypatch.setattr(FCN, "forward", baked)
    with pytest.raises(UserError, match=r"not written: .* at 130x225"):
        export(run, "torch")
    assert [path.name for path in run.iterdir()] == ["model.safetensors"]


def test_one_changed_weight_is_noticed(exported):
    onnx = pytest.importorskip("onnx")
    from fullconv.exporting.onnx_graph import OnnxGraph

    run, made = exported("onnx", "fcn8s-vgg16")
    model = onnx.load(made.paths[0])
    weight = next(each for each in model.graph.initializer if len(each.dims) == 4)
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] += 0.1
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    with pytest.raises(UserError, match="differs from the net by"):
        check(OnnxGraph(model.SerializeToString()), load(run).net, made.description)


class Unread:
    """A graph that is not run."""

    bytes = 0

    def run(self, batch):
        raise AssertionError("the graph was run")

    def write(self, path):
        raise AssertionError("the graph was written")


def test_scores_that_are_no_numbers_are_refused_before_the_long_work(run, monkeypatch):
    def never(*args, **options):
        pytest.fail("the net was traced")

    broken = load(run)
    broken.net.score_modules()["score.32"].bias.data[0] = float("nan")  # pyright: ignore
    save(run / "model.safetensors", broken)
    with pytest.raises(UserError, match="no numbers") as error:
        check(Unread(), broken.net, Description.of(broken))
    assert error.value.code == "FC-EXPORT-010"
    monkeypatch.setattr(torch.export, "export", never)
    with pytest.raises(UserError, match=r"not written: .*no numbers"):
        export(run, "torch")


def test_choices_that_do_not_fit(run, exported, photo):
    _, made = exported("onnx", "fcn8s-vgg16")
    file = made.paths[0]
    for says, call in {
        "ending .onnx": lambda: export(run, "onnx", run / "net.pt"),
        "no form": lambda: export(run, "caffe"),  # pyright: ignore
        "begin at 1": lambda: export(run, "onnx", size=(0, 9)),
        "not torch": lambda: Predictor(file, engine="torch"),
        "in fp32": lambda: Predictor(file, precision="bf16"),
        "does not have it": lambda: Predictor(file, "tpu"),
        "name the run": lambda: load(file),
        "no such file": lambda: Predictor(run / "none.onnx"),
        "arrays are \\(H, W, 3\\)": lambda: Predictor(file)(np.zeros((4, 4, 2), np.uint8)),
    }.items():
        with pytest.raises(UserError, match=says):
            call()


def test_a_photo_below_the_smallest_never_meets_the_graph(photo):
    class Never(GraphEngine):
        def run(self, batch):
            raise AssertionError("the graph was run")

    description = Description.of(checkpoint("fcn8s-vgg16"), smallest=17)
    with pytest.raises(UserError, match=r"net\.xml: .* from 17 x 17 on, this one is 30 x 16"):
        Never(Path("net.xml"), description).scores(photo(16, 30))


def test_damaged_files_are_one_line(exported, tmp_path):
    _, made = exported("onnx", "fcn8s-vgg16")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(made.paths[0].read_bytes()[:-1000])
    with pytest.raises(UserError, match="cannot load it"):
        Predictor(cut)
    alone = tmp_path / "alone.xml"
    alone.write_text("<net/>")
    with pytest.raises(UserError, match=r"alone\.bin: is missing"):
        Predictor(alone)
    alone.with_suffix(".bin").touch()
    with pytest.raises(UserError, match=r"alone\.xml: OpenVINO cannot read it"):
        Predictor(alone)
    _, made = exported("torch", "fcn8s-vgg16")
    program = tmp_path / "cut.pt2"
    program.write_bytes(made.paths[0].read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"cut\.pt2"):
        Predictor(program)


def test_a_foreign_onnx_file_says_that_it_has_no_description(exported, tmp_path):
    onnx = pytest.importorskip("onnx")
    _, made = exported("onnx", "fcn8s-vgg16")
    model = onnx.load(made.paths[0])
    model.ClearField("metadata_props")
    onnx.save(model, tmp_path / "foreign.onnx")
    for engine in ("onnxruntime", "openvino"):
        pytest.importorskip(engine)
        with pytest.raises(UserError, match="no file of 'fullconv export'"):
            Predictor(tmp_path / "foreign.onnx", engine=engine)


@pytest.mark.parametrize("package", ["onnxruntime", "openvino"])
def test_a_missing_package_is_named_with_its_extra(exported, monkeypatch, package):
    _, made = exported("onnx", "fcn8s-vgg16")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package} is not installed: .*fullconv\[export\]"):
        Predictor(made.paths[0], engine=package)


def test_reading_a_program_runs_nothing_of_it(exported, tmp_path):
    """The arrays and the description suffice: the program itself and its pickle can be gone."""
    run, made = exported("torch", "fcn8s-vgg16")
    bare = tmp_path / "bare.pt2"
    with zipfile.ZipFile(made.paths[0]) as old, zipfile.ZipFile(bare, "w") as new:
        for name in old.namelist():
            if "/models/" not in name and "/sample_inputs/" not in name:
                new.writestr(name, old.read(name))
    ours, theirs = load(run).net.state_dict(), load(bare).net.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


OLD_ONNXSCRIPT = """
import sys
from importlib.abc import MetaPathFinder
from fullconv.cli.main import main

class Old(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("onnxscript._framework_apis.torch"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Old())
sys.argv = ["fullconv", "export", sys.argv[1], "--to", "onnx"]
main()
"""


def test_an_onnxscript_that_does_not_know_this_torch_is_one_line(run):
    done = subprocess.run(
        [sys.executable, "-c", OLD_ONNXSCRIPT, run], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "FC-EXPORT-003" in done.stderr
    assert "pip install --upgrade onnxscript" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in run.iterdir()] == ["model.safetensors"]
