"""Graphs in the cache: made once, whole or not at all, and made anew when damaged."""

import os
import shutil
import sys

import numpy as np
import pytest
import torch

from fullconv.errors import UserError
from fullconv.predict import Predictor, prepared
from fullconv.predict.prepared import export_apart, graph_folder


def state(folder):
    """Every file below, with what changes when it is written."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (s.st_ino, s.st_mtime_ns, s.st_size) for path, s in found.items()}


@pytest.mark.parametrize(
    ("engine", "form"),
    [("openvino", "openvino"), pytest.param("onnxruntime", "onnx", marks=pytest.mark.slow)],
)
def test_a_run_in_another_runtime(vgg, exports, picture, tmp_path, engine, form):
    ours = Predictor(vgg, "cpu")
    theirs = Predictor(vgg, "cpu", engine=engine)
    assert type(theirs.engine).__name__.lower() == f"{engine}engine"
    assert exports == [form]
    before = state(tmp_path / "cache")
    again = Predictor(vgg / "model.safetensors", engine=engine)
    assert exports == [form]
    assert state(tmp_path / "cache") == before
    for size in ((37, 53), (75, 101)):
        wanted = ours(picture(*size))
        assert np.array_equal(theirs(picture(*size)).mask, wanted.mask)
        assert np.allclose(again(picture(*size)).scores, wanted.scores, rtol=1e-4, atol=1e-4)
    assert (again.classes, again.origin) == (ours.classes, ours.origin)


def test_the_content_decides(vgg, run, exports, tmp_path):
    shutil.copytree(vgg, tmp_path / "copy")
    first, copy = (prepared.prepared(each, "openvino") for each in (vgg, tmp_path / "copy"))
    assert first == copy
    assert exports == ["openvino"]
    assert prepared.prepared(run, "openvino") != first
    assert exports == ["openvino"] * 2


@pytest.mark.parametrize("damage", ["cut", "changed", "lost", "no sums", "emptied"])
def test_what_was_damaged_is_made_anew(vgg, exports, picture, damage):
    file = prepared.prepared(vgg, "openvino")
    weights, sums = file.with_suffix(".bin"), file.with_name("SHA256SUMS")
    content = weights.read_bytes()
    match damage:
        case "cut":
            os.truncate(weights, 1000)
        case "changed":
            weights.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
        case "lost":
            file.unlink()
        case "no sums":
            sums.unlink()
        case "emptied":
            sums.write_text("")
    predictor = Predictor(vgg, engine="openvino")
    assert exports == ["openvino"] * 2
    assert weights.read_bytes() == content
    assert np.array_equal(predictor(picture()).mask, Predictor(vgg, "cpu")(picture()).mask)
    assert sorted(path.name for path in file.parent.parent.iterdir()) == [file.parent.name]


def test_a_failed_export_leaves_nothing(vgg, exports, monkeypatch):
    def fails(checkpoint, form, out):
        out.write_text("a part")
        raise UserError("the graph differs")

    monkeypatch.setattr(prepared, "export_apart", fails)
    with pytest.raises(UserError, match="the graph differs"):
        prepared.prepared(vgg, "openvino")
    assert not list(graph_folder(vgg / "model.safetensors").iterdir())


def test_a_cache_that_cannot_be_written(vgg, exports, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot be written .*FULLCONV_CACHE.*--engine torch"):
        Predictor(vgg, engine="openvino")
    assert not exports


def test_a_runtime_that_is_not_installed(vgg, exports, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"openvino is not installed: pip install"):
        Predictor(vgg, engine="openvino")
    with pytest.raises(UserError, match="engine 'tensorrt' is unknown"):
        Predictor(vgg, engine="tensorrt")  # pyright: ignore
    assert not exports


def test_the_exporter_says_in_one_line_what_is_wrong(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "-strange.pth")
    with pytest.raises(UserError) as fault:
        export_apart(tmp_path / "-strange.pth", "onnx", tmp_path / "model.onnx")
    assert str(fault.value).startswith(str(tmp_path / "-strange.pth"))
    assert "\n" not in str(fault.value)
