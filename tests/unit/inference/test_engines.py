"""The registry of engines: one place for every name, and the rule of ``--engine auto``."""

import subprocess
import sys
from pathlib import Path

import pytest

from fullconv.cli import completion
from fullconv.errors import UserError
from fullconv.inference import Predictor, TorchEngine
from fullconv.inference.engines import ENGINES, EngineEntry, engine_names, find_engine, registry
from fullconv.inference.engines.registry import engine_for, function_at

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("file", "engine"),
    [
        ("runs/first", "torch"),
        ("model.safetensors", "torch"),
        ("fcn8s.caffemodel", "torch"),
        ("model.pt2", "torch"),
        ("fcn-resnet50-voc", "torch"),
        ("model.onnx", "onnxruntime"),
        ("model-int8.ONNX", "onnxruntime"),
        ("model-int8.xml", "openvino"),
    ],
)
def test_auto_goes_by_the_file_alone(file, engine):
    assert engine_for(Path(file)).name == engine


def test_a_folder_is_a_run_whatever_it_is_called(tmp_path):
    (tmp_path / "odd.onnx").mkdir()
    assert engine_for(tmp_path / "odd.onnx").name == "torch"


@pytest.mark.parametrize(("file", "engine"), [("model.xml", "onnxruntime"), ("m.onnx", "torch")])
def test_an_engine_that_does_not_run_a_file_is_refused(file, engine):
    with pytest.raises(UserError, match=rf"^{file}: runs with --engine .*, not {engine}$"):
        engine_for(Path(file), engine)


def test_every_list_of_names_is_the_registry_s():
    assert engine_names() == ("auto", *(each.name for each in ENGINES))
    assert len(set(engine_names())) == len(engine_names())
    assert completion.engines("") == list(engine_names())
    with pytest.raises(UserError) as refused:
        find_engine("tensorrt")
    assert str(refused.value) == f"engine 'tensorrt' is unknown: use {', '.join(engine_names())}"
    page = (ROOT / "docs" / "predict.md").read_text("utf-8")
    for name in engine_names():
        assert f"\n| `{name}` | " in page


def test_every_engine_can_be_opened():
    for each in ENGINES:
        assert callable(function_at(each.opens))
    assert callable(function_at(registry.EXPORTER))


def test_a_further_engine_is_a_line(run, picture, monkeypatch):
    """What `docs/architecture.md` promises: nothing else is touched."""
    line = EngineEntry("abacus", "beads", "fullconv.inference.engines.torch_engine:open_torch")
    monkeypatch.setattr(registry, "ENGINES", (*ENGINES, line))
    assert engine_names()[-1] == "abacus"
    assert completion.engines("ab") == ["abacus"]
    predictor = Predictor(run, "cpu", engine="abacus")
    assert predictor.engine_name == "abacus"
    assert predictor(picture()).mask.shape == (37, 53)


def test_a_run_goes_by_torch(run):
    predictor = Predictor(run, "cpu")
    assert isinstance(predictor.engine, TorchEngine)
    assert predictor.engine_name == "torch"


def test_the_names_are_known_without_torch():
    code = (
        "import sys\nfrom fullconv.inference.engines import engine_names as names\n"
        "print(names()[0])\n"
        "print(sorted({'torch', 'numpy', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "auto\n[]\n", done.stderr
