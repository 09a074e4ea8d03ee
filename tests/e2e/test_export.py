"""``fullconv export`` as typed, and the example of its page run as it stands there."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from fullconv.data import open_source
from fullconv.inference import Predictor
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


@pytest.fixture
def said(inside, place, tmp_path_factory):
    """``runs/first/model.onnx`` by ``fullconv export``, and what that said.

    The command runs once in the whole session, for all processes of pytest-xdist.
    """
    pytest.importorskip("onnxscript", reason="needs fullconv[export]")
    pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
    base, file = tmp_path_factory.getbasetemp(), Path("runs", "first", "model.onnx")
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    once, text = base / "export-command.onnx", base / "export-command.txt"
    with FileLock(base / "export-command.lock"):
        if text.exists():
            shutil.copy(once, file)
        else:
            out, error = inside("export", "runs/first")
            assert not error
            shutil.copy(file, once)
            text.write_text(out)
    return text.read_text()


def test_export_then_predict_evaluate_and_the_example_of_the_page(inside, said):
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

    example = next(code for code in examples() if "as ort" in code)
    exec(compile(example, "docs/export.md", "exec"), {})
    assert np.array_equal(np.asarray(Image.open("classes.png")), ours)
    assert np.array_equal(Predictor(file)("photo.jpg").mask, ours)


def examples():
    """The Python of the page, in its order."""
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)


@pytest.mark.usefixtures("said")
def test_classes_tiles_and_a_broken_file(inside):
    """The page's tiles give the whole; classes have no scores; a wrong weight is one line."""
    onnx = pytest.importorskip("onnx")
    file = Path("runs", "first", "model.onnx")
    coarse = np.random.default_rng(0).integers(0, 256, (35, 46, 3), np.uint8)
    large = np.kron(coarse, np.ones((20, 20, 1), np.uint8))[:689, :911]
    Image.fromarray(large).save("large.png")
    example = next(code for code in examples() if "large.png" in code)
    assert len([line for line in example.splitlines() if line.strip()]) <= 30
    found = {}
    exec(compile(example, "docs/export.md", "exec"), found)
    assert len(list(found["tiles"](689))) == len(list(found["tiles"](911))) - 1 == 2
    wanted = Predictor(file)(large).mask
    assert np.array_equal(found["classes"], wanted)
    halo = 'said["graph"]["tiling"]["halo"]'
    assert halo in example
    exec(
        compile(example.replace(halo, '{"behind": 0, "before": 0}'), "docs/export.md", "exec"),
        found,
    )
    assert not np.array_equal(found["classes"], wanted)  # without a halo it would show

    model = onnx.load(file)
    first = next(each for each in model.graph.initializer if len(each.dims) == 4)
    values = onnx.numpy_helper.to_array(first)
    first.CopyFrom(onnx.numpy_helper.from_array(-values, first.name))
    onnx.save(model, "broken.onnx")
    _, error = inside("predict", "broken.onnx", "photo.jpg", code=2)
    assert error.endswith("[FC-EXPORT-009]\n")
    del model.metadata_props[1:]  # as a program writes it that drops what it does not know
    onnx.save(model, "broken.onnx")
    _, error = inside("predict", "broken.onnx", "photo.jpg")
    assert re.fullmatch(
        r"fullconv: warning: broken\.onnx in ONNX Runtime does not compute .*\n", error
    )
    assert not inside("predict", file, "photo.jpg")[1]

    said, _ = inside("export", "runs/first", "--output", "classes", "--size", "48x64")
    assert "out:   classes uint8 1x48x64" in said
    classes = file.with_name("model-classes.onnx")
    assert f"written to {classes}" in said
    _, error = inside("predict", classes, "photo.jpg", "--scores", "--out", "none", code=2)
    assert error.startswith(f"fullconv: {classes}: gives classes alone, no scores")
    assert error.count("\n") == 1
    assert not Path("none").exists()
    inside("predict", classes, "photo.jpg", "--out", "ours")
    inside("predict", "runs/first", "photo.jpg", "--out", "theirs")
    ours, theirs = (np.asarray(Image.open(f"{out}/photo.png")) for out in ("ours", "theirs"))
    assert np.array_equal(ours, theirs)
    assert inside("evaluate", classes, DATA)[0] == inside("evaluate", "runs/first", DATA)[0]


def test_int8_is_compared_written_and_run(inside, place):
    """Calibrated on photos of the mean colour it is refused, on scenes it is written."""
    for package in ("nncf", "openvino", "onnxscript"):
        pytest.importorskip(package, reason="needs fullconv[quantize]")
    photo = np.asarray(Image.open("photo.jpg"))
    Path("plain").mkdir()
    for i in range(5):
        Image.fromarray(photo if i == 4 else 0 * photo + np.uint8([124, 116, 104])).save(
            f"plain/{i}.png"
        )
    command = ("export", "runs/first", "--to", "openvino", "--size", "48x64", "--int8")
    command = (*command, "--calibrate")
    _, error = inside(*command, "plain", code=2)
    assert error.count("\n") == 1
    file = Path("runs", "first", "model-int8.xml")
    assert error.startswith(f"fullconv: {file}: not written: int8 changes the class of ")
    assert [path.name for path in file.parent.iterdir()] == ["model.safetensors"]

    said, error = inside(*command, DATA, "--accept-drop")
    assert not error
    lines = said.splitlines()
    assert re.match(r"int8:  calibrated on \d+ photos; on \d+ others \d\d\.\d\d% of", lines[4])
    assert re.match(r"       mean IU [\d.]+, in fp32 [\d.]+$", lines[5])
    assert lines[-1] == f"next: fullconv predict {file} PHOTO"
    inside("predict", file, "photo.jpg", "--out", "pictures")
    inside("predict", "runs/first", "photo.jpg", "--out", "torch")
    ours, theirs = (np.asarray(Image.open(f"{out}/photo.png")) for out in ("torch", "pictures"))
    assert (ours == theirs).mean() > 0.9  # of random weights
    assert "mean IU" in inside("evaluate", file, DATA)[0]


def test_faults_are_one_line(inside, place):
    for says, arguments in {
        "HEIGHTxWIDTH": ["runs/first", "--size", "9"],
        "ending .xml": ["runs/first", "--to", "openvino", "--out", "net.onnx"],
        "nowhere": ["nowhere"],
        "--int8 needs photos": ["runs/first", "--int8"],
        "choose one": ["runs/first", "--half", "--int8", "--calibrate", "photos"],
        "no float16": ["runs/first", "--half", "--to", "torch"],
        "are for --int8": ["runs/first", "--calibrate", "photos"],
        "no int8": ["runs/first", "--to", "torch", "--int8", "--calibrate", "photos"],
    }.items():
        _, error = inside("export", *arguments, code=2)
        assert error.startswith("fullconv: ")
        assert error.count("\n") == 1
        assert says in error
