"""Engines as typed: a run exported once, then from the cache; all of them measured."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from fullconv.checkpoints import Checkpoint, save
from fullconv.data import open_source
from fullconv.inference.engines import engine_names
from fullconv.models import TORCH, NetSpec, build

DATA = "shapes:48x64:n=12"
ENGINES = engine_names()[1:]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with ``run`` and ``photos`` in it, a cache, and the command called there."""
    classes = open_source(DATA, "val").classes
    torch.manual_seed(0)
    net = build(NetSpec("fcn32s-caffenet", len(classes), width=1 / 16))
    torch.nn.init.normal_(net.score_modules()["score.32"].weight)
    save(tmp_path / "run" / "model.safetensors", Checkpoint(net, classes, TORCH))
    (tmp_path / "photos").mkdir()
    for index in range(3):
        photo = Image.fromarray(open_source(DATA, "train")[index].image)
        photo.save(tmp_path / "photos" / f"{index}.png")
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def masks(folder):
    return [np.asarray(Image.open(folder / f"{index}.png")) for index in range(3)]


@pytest.mark.slow
def test_another_engine_on_a_run(inside, place):
    pytest.importorskip("onnxscript", reason="needs fullconv[export]")
    pytest.importorskip("onnxruntime", reason="needs fullconv[export]")
    said, error = inside("predict", "run", "photos", "--engine", "torch", "--out", "torch")
    assert re.fullmatch(
        r"3 of 3 photos predicted in [\d.]+ s \([\d.]+/s, net \d+%\), results in torch\n", said
    )
    assert not error
    _, error = inside("predict", "run", "photos", "--engine", "onnxruntime", "--out", "other")
    assert error.startswith("fullconv: note: the net is exported for onnxruntime, once")
    assert error.count("\n") == 1
    assert all(map(np.array_equal, masks(place / "torch"), masks(place / "other")))
    before = [(path, path.stat().st_mtime_ns) for path in (place / "cache").rglob("*")]
    _, error = inside("predict", "run", "photos", "--engine", "onnxruntime", "--out", "again")
    assert not error
    assert [(path, path.stat().st_mtime_ns) for path in (place / "cache").rglob("*")] == before

    by_torch, error = inside("evaluate", "run", DATA)
    assert not error
    by_graph, error = inside("evaluate", "run", DATA, "--engine", "onnxruntime")
    assert not error
    assert by_graph == by_torch

    said, error = inside("benchmark", "run", "photos/0.png", "--rounds", "1")
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.startswith(ENGINES)}
    assert {"torch", "winograd", "onnxruntime"} <= set(rows)
    assert rows["torch"][-1] == "100%"
    command = re.search(r"^fastest .*: fullconv (predict run PHOTO --engine \w+)$", said, re.M)
    typed = command[1].replace("PHOTO", "photos").split()
    inside(*typed, "--out", "fastest")
    assert np.array_equal(masks(place / "torch")[0], masks(place / "fastest")[0])


def test_an_unknown_engine_is_one_line_with_all_names(inside, place):
    _, error = inside("predict", "run", "photos", "--engine", "tensorrt", code=2)
    known = ", ".join(engine_names())
    assert error == f"fullconv: engine 'tensorrt' is unknown: use {known} [FC-PREDICT-009]\n"
    said, _ = inside("predict", "--help")
    assert all(name in said for name in engine_names())


def test_a_cache_that_cannot_be_written_is_one_line(inside, place):
    pytest.importorskip("openvino", reason="needs fullconv[export]")
    (place / "cache").write_text("a file where the folder should be")
    _, error = inside("predict", "run", "photos", "--engine", "openvino", code=2)
    assert error.count("\n") == 1
    assert "FULLCONV_CACHE" in error
    assert not (place / "pictures").exists()
