import shutil
from functools import cache

import numpy as np
import pytest

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import ClassSet
from fullconv.exporting import export, graph_cache
from fullconv.models import TORCH
from small_runs import small_net, small_run

CLASSES = ClassSet(("sky", "road", "car", "tree"), ((1, 2, 3), (90, 0, 0), (0, 90, 0), (0, 0, 90)))


@pytest.fixture(scope="session")
def checkpoint():
    """A small net whose scores differ from pixel to pixel."""
    return Checkpoint(small_net(len(CLASSES)), CLASSES, TORCH)


@pytest.fixture(scope="session")
def run(checkpoint, tmp_path_factory):
    """A run folder with that net in it."""
    folder = tmp_path_factory.mktemp("run")
    save(folder / "model.safetensors", checkpoint)
    return folder


@pytest.fixture
def picture():
    def make(height=37, width=53, seed=0):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        rows, columns = np.arange(height) * 6 // height, np.arange(width) * 8 // width
        return coarse[rows][:, columns]

    return make


@pytest.fixture(scope="session")
def vgg(tmp_path_factory):
    """A run of a net that OpenVINO runs from 17 pixels on."""
    return small_run(tmp_path_factory.mktemp("vgg"), CLASSES, "fcn32s-vgg16", width=1 / 32)


@pytest.fixture(scope="session")
def exported(vgg, tmp_path_factory):
    """``exported(form)``: the folder of the run's export, made once each."""

    @cache
    def make(form):
        pytest.importorskip("onnxscript", reason="needs fullconv[export]")
        pytest.importorskip({"onnx": "onnxruntime"}.get(form, form))
        folder = tmp_path_factory.mktemp(form)
        name = {"onnx": "model.onnx", "openvino": "model.xml"}[form]
        export(vgg / "model.safetensors", form, folder / name)
        return folder

    return make


@pytest.fixture
def exports(exported, tmp_path, monkeypatch):
    """An empty cache, and the forms that were exported into it since.

    The export is spared: what it would write was made by `exported`.
    """
    made = []

    def copied(checkpoint, form, out):
        made.append(form)
        for file in exported(form).iterdir():
            shutil.copy(file, out.parent / file.name)

    monkeypatch.setattr(graph_cache, "_export", copied)
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    return made
