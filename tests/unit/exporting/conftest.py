import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from small_nets import checkpoint

from fullconv.checkpoints import save
from fullconv.exporting import Exported, export
from fullconv.exporting.openvino_graph import OpenVinoGraph, from_onnx, smallest_side
from fullconv.inference.export_metadata import Description


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """``once(name, make)``: a folder and the export that ``make(folder)`` wrote into it.

    It is made once in the whole session: the processes of pytest-xdist share the files.
    """
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exports"
    base.mkdir(exist_ok=True)

    def call(name, make):
        folder, done = base / name, base / f"{name}.json"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                folder.mkdir(exist_ok=True)
                exported = make(folder)
                paths = [str(path) for path in exported.paths]
                done.write_text(json.dumps([paths, exported.description.to_json()]))
        paths, text = json.loads(done.read_text())
        return folder, Exported([Path(p) for p in paths], Description.from_json(done, text), [])

    return call


@pytest.fixture(scope="session")
def exported(once):
    """``exported(form, name, ...)``: the run's folder and what ``export`` gave, without its checks.

    The score layers have biases of a size that shows beside the scores. OpenVINO's file is made
    of the ONNX model, as ``export`` makes it, without tracing the net again.
    """

    @cache
    def make(to, name, padding, size, preprocess):
        pytest.importorskip("onnxscript", reason="needs fullconv[export]")
        pytest.importorskip({"onnx": "onnxruntime", "openvino": "openvino"}.get(to, "torch"))

        sizes = "x".join(map(str, size or ()))
        files = f"{to}-{name}-{padding}{sizes}{'' if preprocess else '-prepared'}"
        if to == "openvino":
            run, onnx = make("onnx", name, padding, size, preprocess)
            return run, once(files, lambda folder: in_openvino(onnx, folder))[1]

        def write(run):
            net = checkpoint(name, padding)
            for layer in net.net.score_modules().values():
                torch.nn.init.normal_(layer.bias, std=10)
            save(run / "model.safetensors", net)
            return export(run, to, size=size, preprocess=preprocess)

        return once(files, write)

    def call(to, name, padding="same", size=None, preprocess=True):
        return make(to, name, padding, size, preprocess)

    return call


def in_openvino(onnx, folder):
    known = replace(onnx.description, smallest=smallest_side(onnx.description.spec))
    graph = OpenVinoGraph(from_onnx(onnx.paths[0].read_bytes()), known)
    return Exported(graph.write(folder / "model.xml"), known, [])


@pytest.fixture(scope="session")
def photo():
    """Blocks of colour, uint8 (height, width, 3)."""

    def make(height, width, seed=0):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        return coarse[np.arange(height) * 6 // height][:, np.arange(width) * 8 // width]

    return make
