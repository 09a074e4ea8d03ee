"""Graphs in the cache: made once, whole or not at all, and made anew when damaged."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from fullconv.errors import UserError
from fullconv.exporting import graph_cache
from fullconv.exporting.graph_cache import graph_folder, graph_for
from fullconv.inference import Predictor
from fullconv.inference.engines import find

pytest.importorskip("openvino", reason="needs fullconv[export]")


def openvino_graph(run):
    return graph_for(run, find("openvino"), print)


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
    first, copy = (openvino_graph(each) for each in (vgg, tmp_path / "copy"))
    assert first == copy
    assert exports == ["openvino"]
    assert openvino_graph(run) != first
    assert exports == ["openvino"] * 2


@pytest.mark.parametrize("damage", ["cut", "changed", "lost", "no sums", "emptied"])
def test_what_was_damaged_is_made_anew(vgg, exports, picture, damage):
    file = openvino_graph(vgg)
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

    monkeypatch.setattr(graph_cache, "_export", fails)
    with pytest.raises(UserError, match="the graph differs"):
        openvino_graph(vgg)
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


def test_a_graph_is_exported_in_this_process_and_said_once(vgg, tmp_path, monkeypatch, picture):
    pytest.importorskip("openvino", reason="needs fullconv[export]")
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    for start in ("Popen", "run"):
        monkeypatch.setattr(subprocess, start, None)  # no program is called
    said = []
    predictor = Predictor(vgg, "cpu", engine="openvino", say=said.append)
    assert said == ["note: the net is exported for openvino, once; this takes up to a minute"]
    assert np.array_equal(predictor(picture()).mask, Predictor(vgg, "cpu")(picture()).mask)
    Predictor(vgg, "cpu", engine="openvino", say=said.append)
    assert len(said) == 1


def test_what_cannot_be_exported_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    torch.save(torch.zeros(3), tmp_path / "-strange.pth")
    with pytest.raises(UserError) as error:
        Predictor(tmp_path / "-strange.pth", engine="onnxruntime")
    assert "-strange.pth" in str(error.value)
    assert "\n" not in str(error.value)
