import numpy as np
import pytest

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import ClassSet
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
