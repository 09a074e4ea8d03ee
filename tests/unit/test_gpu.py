"""What a GPU computes, against the CPU: one step, a training, a prediction, a limit of memory.

FULLCONV_TEST_DEVICE=cpu runs the same tests on a CPU, to see that they themselves are right.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from fullconv.data import Batch, open_source, write_folder
from fullconv.inference import TorchEngine
from fullconv.models import TORCH, NetSpec, build
from fullconv.models.registry import BACKBONES
from fullconv.training import make_config, train
from fullconv.training.losses.criterion import make_criterion
from fullconv.training.memory import memory_budget as budget
from fullconv.training.step import Updater

DEVICE = os.environ.get("FULLCONV_TEST_DEVICE", "cuda")
pytestmark = pytest.mark.skipif(
    DEVICE == "cuda" and not torch.cuda.is_available(), reason="torch finds no GPU here"
)
NETS = ["fcn8s-vgg16", "fcn4s-resnet18", "fpn4s-resnet18", "fcn8s-resnet50_dilated"]


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    """No TF32, so that a GPU's products are as a CPU's to rounding."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def updater(device, name="fcn8s-vgg16", precision="fp32", classes=60, **changes):
    overrides = {"net.name": name, "optimizer.ema": None, "compute.precision": precision}
    config = make_config("scratch", overrides | {"optimizer.warmup": 0} | changes)
    torch.manual_seed(0)
    net = build(NetSpec(name, classes, width=1 / 16, dropout=0.0))
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight, std=0.02)
    mixed = "bf16-mixed" if precision == "bf16" else "32-true"
    fabric = Fabric(accelerator=device, devices=1, precision=mixed)
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    preprocessing = BACKBONES[net.spec.backbone].preprocessing
    return Updater(config, fabric, net, preprocessing, criterion, steps=10)


def noise(count=2, size=(96, 128), classes=60):
    """Photos with so many classes that the loss goes in bands."""
    random = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, *size, 3), generator=random, dtype=torch.uint8)
    masks = torch.randint(0, classes, (count, *size), generator=random, dtype=torch.uint8)
    masks[:, :9] = 255
    return Batch(0, images, masks, ["noise"] * count)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("name", NETS)
def test_a_step_is_that_of_a_cpu(name, kind):
    """In losses, and in weights for SGD: what AdamW does to gradients near zero is chance."""
    found = []
    for device in (DEVICE, "cpu"):
        built = updater(device, name, **{"optimizer.kind": kind, "optimizer.lr": 1e-3})
        losses = built.step(noise())
        found.append((losses, {k: v.detach().cpu() for k, v in built.net.state_dict().items()}))
    (here, weights), (there, expected) = found
    assert here == pytest.approx(there, rel=1e-4)
    if kind == "sgd":
        torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-4)


def test_bf16_reaches_every_layer_and_keeps_the_loss():
    exact = updater(DEVICE).step(noise())
    built = updater(DEVICE, precision="bf16")
    computed = set()
    for layer in built.net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda *seen: computed.add(seen[-1].dtype))
    assert built.step(noise()) == pytest.approx(exact, rel=2e-2)
    assert computed == {torch.bfloat16}


def test_a_compiled_backbone_gives_the_same_losses():
    plain, made = updater(DEVICE), updater(DEVICE)
    made.net.backbone.compile(dynamic=False)
    assert made.step(noise()) == pytest.approx(plain.step(noise()), rel=1e-4)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("size", [(120, 160), (97, 131)])
def test_classes_are_those_of_a_cpu(name, size):
    torch.manual_seed(0)
    net = build(NetSpec(name, 21, width=1 / 8)).eval()
    for layer in net.score_modules().values():
        torch.nn.init.normal_(layer.weight)
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    maps = [TorchEngine((net, TORCH), device).class_map(photo) for device in ("cpu", DEVICE)]
    assert (maps[0] == maps[1]).mean() > 0.999
    assert len(np.unique(maps[0])) > 1


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    splits = [open_source("shapes:48x64:n=30", split) for split in ("train", "val")]
    return write_folder(splits, tmp_path_factory.mktemp("data") / "photos", limit=6)


QUICK = {
    "net.width": 0.125,
    "schedule.batch_size": 2,
    "schedule.steps": 6,
    "compute.device": DEVICE,
}


def losses(run):
    rows = (run / "log.csv").read_text("utf-8").splitlines()
    column = rows[0].split(",").index("loss")
    return [float(row.split(",")[column]) for row in rows[1:]]


def test_a_training_goes_on_where_it_ended(photos, tmp_path):
    """To rounding: on a GPU sums may be taken in another order each time."""
    overrides = {
        "data.path": str(photos),
        "schedule.log_every": 1,
        "optimizer.lr_schedule": "fixed",
    }
    overrides |= QUICK
    whole = train(None, tmp_path / "whole", overrides=overrides, quiet=True)
    train(None, tmp_path / "cut", overrides=overrides | {"schedule.steps": 3}, quiet=True)
    more = {"schedule.steps": QUICK["schedule.steps"]}
    cut = train(None, tmp_path / "cut", resume=True, overrides=more, quiet=True)
    assert losses(cut) == pytest.approx(losses(whole), rel=1e-3)
    assert len(losses(cut)) == 6


def test_a_limit_is_set_and_kept(photos, tmp_path):
    """As a program of its own, for a limit holds for the process."""
    command = [sys.executable, "-m", "fullconv", "train", str(photos), "--out", str(tmp_path / "r")]
    command += ["--memory", "2GB", "--steps", "3", "--device", DEVICE, "--set", "net.width=0.25"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2.0 GiB allowed" in done.stdout + done.stderr
    rows = (tmp_path / "r" / "timing.csv").read_text("utf-8").splitlines()
    used = [int(row.split(",")[rows[0].split(",").index("memory_mib")]) for row in rows[1:]]
    assert 0 < max(used) <= 2048


def test_the_limit_of_a_device_without_a_number():
    """Of the next allocations none may go beyond it."""
    config = make_config("scratch", {"compute.memory": "1GB", "compute.device": DEVICE})
    try:
        budget.enforce(config)
        if DEVICE == "cuda":
            with pytest.raises(torch.OutOfMemoryError):
                torch.empty(2**31, device=DEVICE)
    finally:
        if DEVICE == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)
