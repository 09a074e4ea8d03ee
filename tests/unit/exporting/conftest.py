from functools import cache

import numpy as np
import pytest
from small_nets import checkpoint

from fullconv.checkpoints import save
from fullconv.exporting import export


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """``exported(form, name, ...)``: the run's folder and what ``export`` gave, made once each."""

    @cache
    def make(to, name, padding, size, preprocess):
        pytest.importorskip("onnxscript", reason="needs fullconv[export]")
        pytest.importorskip({"onnx": "onnxruntime", "openvino": "openvino"}.get(to, "torch"))
        run = tmp_path_factory.mktemp(name)
        save(run / "model.safetensors", checkpoint(name, padding))
        return run, export(run, to, size=size, preprocess=preprocess)

    def call(to, name, padding="same", size=None, preprocess=True):
        return make(to, name, padding, size, preprocess)

    return call


@pytest.fixture(scope="session")
def photo():
    """Blocks of colour, uint8 (height, width, 3)."""

    def make(height, width, seed=0):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        return coarse[np.arange(height) * 6 // height][:, np.arange(width) * 8 // width]

    return make
