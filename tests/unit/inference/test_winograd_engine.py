"""The engine by minimal filtering, opened as a user does."""

import numpy as np
import pytest
import torch

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference import Predictor
from fullconv.models import TORCH, NetSpec, build
from fullconv.models.cpu_kernels import winograd
from fullconv.models.cpu_kernels.winograd import WinogradConv


def test_it_says_what_torch_says(tmp_path, monkeypatch):
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 8)
    net = build(NetSpec("fcn8s-vgg16", 3, width=1 / 8))
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    save(tmp_path / "model.safetensors", Checkpoint(net, ClassSet(("a", "b", "c")), TORCH))
    photo = np.random.default_rng(0).integers(0, 256, (150, 131, 3), np.uint8)
    plain = Predictor(tmp_path, "cpu", engine="torch")(photo)
    predictor = Predictor(tmp_path, "cpu", engine="winograd")
    assert any(isinstance(m, WinogradConv) for m in predictor.engine.net.modules())
    found = predictor(photo)
    assert np.abs(found.scores - plain.scores).max() <= 1e-4 * np.abs(plain.scores).max()
    assert (found.mask == plain.mask).mean() > 0.999
    with pytest.raises(UserError, match="fp32 on a CPU"):
        Predictor(tmp_path, "cpu", "bf16", "winograd")
