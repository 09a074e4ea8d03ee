"""timm's EfficientNet-Lite: its state dicts are read, and compute here what they compute there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fullconv.checkpoints.foreign.recognize_net import lineages
from fullconv.checkpoints.hub import hub_file
from fullconv.checkpoints.open_weights import open_weights
from fullconv.errors import UserError
from fullconv.models import BACKBONES
from fullconv.models.preprocessing import HALVES

# torchvision's wheel here is built for CUDA; its compiled part is missing, which timm does not use.
SCRIPT = """
import sys, torch
if sys.argv[1] == "declare":
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import numpy as np, timm
from timm.models import get_pretrained_cfg
from safetensors.torch import save_file
torch.manual_seed(0)
for name in ("tf_efficientnet_lite0", "tf_efficientnet_lite2"):
    net = timm.create_model(name).eval()
    for module in net.modules():  # norms that do something
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    save_file(net.state_dict(), f"{name}.safetensors")
    with torch.no_grad():
        x = torch.randn(1, 3, 64, 96)
        maps = net.blocks(net.bn1(net.conv_stem(x)))
    np.savez(f"{name}.npz", x=x.numpy(), maps=maps.numpy())
    print(get_pretrained_cfg(name).hf_hub_id, net.pretrained_cfg["mean"], net.pretrained_cfg["std"])
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two nets of timm's with random weights, and their last maps; a skip where timm is not."""
    folder = tmp_path_factory.mktemp("timm")
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = str(Path(sys.prefix) / "timm")  # where make puts it
    for how in ("declare", "plain"):  # the first is refused where torchvision is whole
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, how],
            cwd=folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode == 0:
            return folder, done.stdout.splitlines()
    pytest.skip(f"timm does not run here: {done.stderr.strip().splitlines()[-1]}")


@pytest.mark.parametrize("place", [0, 1])
def test_against_timm(made, place):
    folder, said = made
    name = ("tf_efficientnet_lite0", "tf_efficientnet_lite2")[place]
    checkpoint = open_weights(folder / f"{name}.safetensors")
    assert checkpoint.is_classifier
    net = checkpoint.checkpoint.net
    assert net.spec.backbone == name.removeprefix("tf_")
    assert checkpoint.checkpoint.preprocessing == HALVES
    assert said[place].split(" ", 1) == [f"timm/{name}.in1k", "(0.5, 0.5, 0.5) (0.5, 0.5, 0.5)"]
    saved = np.load(folder / f"{name}.npz")
    with torch.no_grad():
        maps = net.backbone(torch.from_numpy(saved["x"]))[32]
    # float32 through 50 layers, in another order of sums
    assert maps.numpy() == pytest.approx(
        saved["maps"], rel=1e-4, abs=1e-4 * float(saved["maps"].std())
    )
    needless = {
        n.split(".")[0] for n in checkpoint.not_needed if not n.endswith("num_batches_tracked")
    }
    assert needless == {"conv_head", "bn2", "classifier"}


def test_every_size_of_lite_has_timm_s_names():
    there = {each.backbone for each in lineages() if each.title.startswith("timm's")}
    assert there == {name for name in BACKBONES if name.startswith("efficientnet_lite")}


def test_a_name_that_timm_does_not_have_is_one_line():
    with pytest.raises(UserError, match=r"^timm:no_such_net: ") as error:
        hub_file("timm:no_such_net")
    assert "\n" not in str(error.value)
