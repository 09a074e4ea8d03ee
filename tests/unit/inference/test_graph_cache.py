"""Graphs in the cache: made once, whole or not at all, and made anew when damaged."""

import os
import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch

from fullconv.errors import UserError
from fullconv.exporting import graph_cache
from fullconv.exporting.graph_cache import graph_folder, graph_for
from fullconv.inference import Predictor
from fullconv.inference.engines import find_engine

pytest.importorskip("openvino", reason="needs fullconv[export]")
EXPORT = graph_cache._export


def openvino_graph(run):
    return graph_for(run, find_engine("openvino"), print)


@pytest.fixture(scope="module")
def first_uses(vgg, tmp_path_factory):
    """``first_uses(engine)``: an empty cache after the run's first use in it, and what that said.

    Made once each, and without calling any program.
    """

    @cache
    def use(engine):
        pytest.importorskip("onnxscript", reason="needs fullconv[export]")
        pytest.importorskip(engine)
        folder, said = tmp_path_factory.mktemp(engine), []
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FULLCONV_CACHE", str(folder))
            patch.setattr(graph_cache, "_export", EXPORT)
            for start in ("Popen", "run"):
                patch.setattr(subprocess, start, None)
            Predictor(vgg, "cpu", engine=engine, say=said.append)
        return folder, said

    return use


@pytest.fixture
def exports(first_uses, tmp_path, monkeypatch):
    """An empty cache, and the forms that were exported into it since.

    The export is spared: what it would write was made by `first_uses`.
    """
    forms = []

    def copied(checkpoint, form, out):
        forms.append(form)
        folder, _ = first_uses({"onnx": "onnxruntime"}.get(form, form))
        for file in folder.glob("graphs/*/*/model.*"):
            shutil.copy(file, out.parent / file.name)

    monkeypatch.setattr(graph_cache, "_export", copied)
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    return forms


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


def test_a_graph_is_exported_in_this_process_and_said_once(vgg, first_uses, monkeypatch, picture):
    folder, said = first_uses("openvino")
    assert said == ["note: the net is exported for openvino, once; this takes up to a minute"]
    monkeypatch.setenv("FULLCONV_CACHE", str(folder))
    before, said = state(folder), []
    predictor = Predictor(vgg, "cpu", engine="openvino", say=said.append)
    assert not said
    assert state(folder) == before
    assert np.array_equal(predictor(picture()).mask, Predictor(vgg, "cpu")(picture()).mask)


def test_what_cannot_be_exported_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    torch.save(torch.zeros(3), tmp_path / "-strange.pth")
    with pytest.raises(UserError) as error:
        Predictor(tmp_path / "-strange.pth", engine="onnxruntime")
    assert "-strange.pth" in str(error.value)
    assert "\n" not in str(error.value)
