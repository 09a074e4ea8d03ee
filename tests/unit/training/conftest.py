"""A tiny data set on disk and quick settings: a training of seconds."""

import pytest
import torch
from lightning_fabric import Fabric

from fullconv.data import Batch, open_source, write_folder
from fullconv.models import CAFFE, NetSpec, build
from fullconv.training import make_config, train
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.step import Updater

QUICK = {
    "net.name": "fcn8s-resnet18",
    "net.width": 0.125,
    "schedule.steps": 4,
    "schedule.batch_size": 2,
    "optimizer.warmup": 0,
    "optimizer.ema": None,
    "augment.crop": None,
    "augment.scale": [1.0, 1.0],
    "data.workers": 0,
    "compute.device": "cpu",
    "compute.precision": "fp32",
}


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Six training and three validation scenes of 48x64, as a folder data set."""
    splits = [open_source("shapes:48x64:n=30", split) for split in ("train", "val")]
    return write_folder(splits, tmp_path_factory.mktemp("data") / "photos", limit=6)


@pytest.fixture
def start(photos, tmp_path):
    """``start(name, changes, **options)`` trains quickly on ``photos`` into ``tmp_path / name``."""

    def run(name="run", changes=None, **options):
        overrides = {"data.path": str(photos)} | QUICK | (changes or {})
        return train(
            None, tmp_path / name, **{"recipe": "scratch", "overrides": overrides} | options
        )

    return run


def in_double(images):
    """Preprocessing for a net in float64."""
    return CAFFE(images).double()


@pytest.fixture
def updater():
    """``updater(changes, name, ...)``: the update of a small net, by default one without norms."""

    def make(changes=None, name="fcn16s-caffenet", classes=3, weights=None, double=False, **spec):
        overrides = QUICK | {"net.name": name, "optimizer.clip": None} | (changes or {})
        config = make_config("scratch", overrides)
        torch.manual_seed(0)
        net = build(NetSpec(name, classes, width=0.125, **{"dropout": 0.0} | spec))
        for layer in net.score_modules().values():
            torch.nn.init.normal_(layer.weight, std=0.02)
        precision = "bf16-mixed" if config.compute.precision == "bf16" else "32-true"
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
        criterion = make_criterion(config.loss, weights, 255, fabric.device)
        if double:
            return Updater(config, fabric, net.double(), in_double, criterion, steps=10)
        return Updater(config, fabric, net, CAFFE, criterion, steps=10)

    return make


@pytest.fixture
def batch():
    """``batch(count, step, unlabelled)``: random photos; photo i has a share i/count ignored."""

    def make(count=2, step=0, size=(40, 48), unlabelled=False):
        random = torch.Generator().manual_seed(100 + step)
        images = torch.randint(0, 256, (count, *size, 3), generator=random, dtype=torch.uint8)
        masks = torch.randint(0, 3, (count, *size), generator=random, dtype=torch.uint8)
        if unlabelled:
            for number in range(count):
                masks[number, : size[0] * number // count] = 255
        return Batch(step, images, masks, [f"photo{number}" for number in range(count)])

    return make
