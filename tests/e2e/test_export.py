"""``fullconv export`` as typed, and the example of its page run as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.data import open_source
from fullconv.predict import Predictor
from small_runs import small_run

ROOT = Path(__file__).resolve().parents[2]
DATA = "shapes:48x64:n=12"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with ``runs/first`` and ``photo.jpg`` in it, and the command called there."""
    classes = open_source(DATA, "val").classes
    small_run(tmp_path / "runs" / "first", classes, "fcn32s-resnet18")
    Image.fromarray(open_source(DATA, "val")[0].image).save(tmp_path / "photo.jpg", quality=100)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_export_then_predict_evaluate_and_the_example_of_the_page(inside, place):
    pytest.importorskip("onnxscript", reason="needs fullconv[export]")
    pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
    said, error = inside("export", "runs/first")
    assert not error
    assert "in:    image uint8 NxHxWx3, RGB 0 to 255" in said
    assert "out:   scores float32 Nx6xHxW" in said
    file = Path("runs", "first", "model.onnx")
    assert said.splitlines()[-1] == f"next: fullconv predict {file} PHOTO"

    inside("predict", file, "photo.jpg", "--out", "pictures")
    inside("predict", "runs/first", "photo.jpg", "--out", "torch")
    ours, theirs = (np.asarray(Image.open(f"{out}/photo.png")) for out in ("torch", "pictures"))
    assert np.array_equal(ours, theirs)
    of_run = inside("evaluate", "runs/first", DATA)[0]
    assert inside("evaluate", file, DATA, "--engine", "onnxruntime")[0] == of_run

    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    example = next(b for b in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if "ort" in b)
    exec(compile(example, "docs/export.md", "exec"), {})
    assert np.array_equal(np.asarray(Image.open("classes.png")), ours)
    assert np.array_equal(Predictor(file)("photo.jpg").mask, ours)


def test_faults_are_one_line(inside, place):
    for says, arguments in {
        "HEIGHTxWIDTH": ["runs/first", "--size", "9"],
        "ending .xml": ["runs/first", "--to", "openvino", "--out", "net.onnx"],
        "nowhere": ["nowhere"],
    }.items():
        _, error = inside("export", *arguments, code=2)
        assert error.startswith("fullconv: ")
        assert error.count("\n") == 1
        assert says in error
