"""``--engine`` on a run folder as typed: exported by a real process, once, then from the cache."""

import re

import numpy as np
import pytest
import torch
from fullconv.predict.prepared import graph_folder
from fullconv.predict.trial import Choice, Memory, Trial
from PIL import Image

from fullconv.data import open_source
from fullconv.nets import TORCH, NetSpec, build
from fullconv.weights import Checkpoint, save

DATA = "shapes:48x64:n=12"


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
    assert error.startswith("fullconv: note: the net is made ready for onnxruntime, once")
    assert error.count("\n") == 1
    assert all(map(np.array_equal, masks(place / "torch"), masks(place / "other")))
    before = [(path, path.stat().st_mtime_ns) for path in (place / "cache").rglob("*")]
    _, error = inside("predict", "run", "photos", "--engine", "onnxruntime", "--out", "again")
    assert not error
    assert [(path, path.stat().st_mtime_ns) for path in (place / "cache").rglob("*")] == before

    remembered = Trial("torch", "fp32", 3.0, 1.0), Trial("onnxruntime", "fp32", 2.0, 1.0)
    folder = graph_folder(place / "run" / "model.safetensors")
    memory = Memory(folder, precision="fp32", pixels="about 2**12")
    memory.keep(Choice(remembered, ("fp32",)))
    by_torch, error = inside("evaluate", "run", DATA, "--engine", "torch")
    assert not error
    by_choice, error = inside("evaluate", "run", DATA)
    assert error == "fullconv: engine: onnxruntime fp32 (1.5 times torch; 100.0% equal)\n"
    assert by_choice == by_torch
    _, error = inside("predict", "run", "photos", "--device", "cpu")
    assert error == "fullconv: engine: onnxruntime fp32 (1.5 times torch; 100.0% equal)\n"
    assert all(map(np.array_equal, masks(place / "torch"), masks(place / "pictures")))


def test_a_cache_that_cannot_be_written_is_one_line(inside, place):
    pytest.importorskip("openvino", reason="needs fullconv[export]")
    (place / "cache").write_text("a file where the folder should be")
    _, error = inside("predict", "run", "photos", "--engine", "openvino", code=2)
    assert error.count("\n") == 1
    assert "FULLCONV_CACHE" in error
    assert not (place / "pictures").exists()
