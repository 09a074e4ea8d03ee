import numpy as np
import pytest
import torch
from torch import nn

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import ClassSet
from fullconv.inference import Predictor
from fullconv.models import TORCH, NetSpec, build

CLASSES = ClassSet(("sky", "road", "car", "tree"), ((1, 2, 3), (90, 0, 0), (0, 90, 0), (0, 0, 90)))


@pytest.fixture(scope="session")
def predictor(tmp_path_factory):
    """``predictor(net, padding)`` is that of a narrow net whose every layer says something."""
    made = {}

    def make(name="fcn8s-resnet18", padding="same", classes=CLASSES, **options):
        key = name, padding, classes, str(options)
        if key not in made:
            torch.manual_seed(0)
            spec = NetSpec(name, len(classes), padding=padding, width=1 / 8, **options)
            folder = tmp_path_factory.mktemp("runs")
            save(folder / "model.safetensors", Checkpoint(lively(build(spec)), classes, TORCH))
            made[key] = Predictor(folder, "cpu", engine="torch")
        return made[key]

    return make


def lively(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    for layer in net.score_modules().values():
        nn.init.normal_(layer.weight)
    return net


@pytest.fixture
def scene():
    """``scene(height, width)`` is a photo of coarse and fine noise, uint8 (H, W, 3)."""

    def make(height, width, seed=0):
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 200, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
        whole = coarse.repeat(16, 0).repeat(16, 1)[:height, :width]
        return whole + random.integers(0, 56, whole.shape, np.uint8)

    return make


@pytest.fixture
def agrees():
    """Assert that each class is the best of the whole photo's scores, but for their rounding."""

    def check(engine, photo, found, valid=None):
        scores = engine.scores(photo)
        where = np.ones(found.shape, bool) if valid is None else valid
        reached = np.take_along_axis(scores, np.where(where, found, 0)[None].astype(int), 0)[0]
        rounding = 1e-4 * np.abs(scores).max()
        assert found.shape == photo.shape[:2]
        assert (scores.max(0) - reached)[where].max() <= rounding
        assert np.mean(found[where] == scores.argmax(0)[where]) > 0.999

    return check
