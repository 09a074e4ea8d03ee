"""Checkpoints of nets with a backbone of timm, and timm's own weights."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fullconv.checkpoints import start_from
from fullconv.checkpoints.checkpoint import Checkpoint, load, save
from fullconv.checkpoints.initialize import PUBLISHED_BY_TIMM
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.models import NetSpec, build

NAME = "fcn8s-timm.test_resnet"

WITHOUT_TIMM = """
import sys
sys.modules["timm"] = None  # an import of it fails
from fullconv.errors import UserError
from fullconv.checkpoints.checkpoint import load
try:
    load(sys.argv[1])
except UserError as error:
    print(error)
"""


@pytest.fixture
def saved(timm, tmp_path: Path):
    net = build(NetSpec(NAME, 2)).eval()
    torch.nn.init.normal_(net.score["8"].weight)
    path = tmp_path / "model.safetensors"
    classes = ClassSet.from_dict({"names": ["a", "b"]})
    save(path, Checkpoint(net, classes, net.spec.definition.preprocessing))
    return net, path


def test_a_checkpoint_comes_back_with_its_scores(saved) -> None:
    net, path = saved
    loaded = load(path)
    image = torch.randn(1, 3, 50, 70)
    with torch.no_grad():
        assert torch.equal(loaded.net(image), net(image))
    assert loaded.preprocessing == net.spec.definition.preprocessing


def test_a_checkpoint_without_timm_says_what_to_install(saved) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TIMM, str(saved[1])], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "pip install 'fullconv[timm]'" in done.stdout and "damaged" not in done.stdout


def test_a_training_starts_from_a_checkpoint_of_the_same_backbone(saved) -> None:
    net, path = saved
    new = build(NetSpec("fpn4s-timm.test_resnet", 3))
    report = start_from(new, path)
    assert report.loaded and all(name.startswith("backbone.net.") for name in report.loaded)
    theirs, ours = net.state_dict(), new.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in report.loaded)


def test_weights_of_timm_are_taken_whole(timm, tmp_path: Path, monkeypatch) -> None:
    """From a file where timm looks for it: what a download leaves."""
    reference = timm.create_model("test_resnet", pretrained=False, num_classes=1000)
    file = tmp_path / "weights.pth"
    torch.save(reference.state_dict(), file)
    config = timm.models.get_pretrained_cfg("test_resnet")
    monkeypatch.setattr(config, "file", str(file))
    registry = timm.models._registry._model_pretrained_cfgs
    key = next(k for k in registry if k.split(".")[0] == "test_resnet")
    monkeypatch.setitem(registry, key, config)
    net = build(NetSpec(NAME, 2))
    report = start_from(net, PUBLISHED_BY_TIMM)
    expected = reference.state_dict()
    assert len(report.loaded) == sum(n.startswith("backbone.") for n in net.state_dict())
    for name in report.loaded:
        assert torch.equal(net.state_dict()[name], expected[name.removeprefix("backbone.net.")])
    assert report.preprocessing == net.spec.definition.preprocessing


def test_weights_of_timm_that_cannot_be_had_are_one_line(timm, monkeypatch) -> None:
    if importlib.util.find_spec("huggingface_hub"):  # no test asks the network
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as refused:
        start_from(build(NetSpec(NAME, 2)), PUBLISHED_BY_TIMM)
    assert "weights of timm.test_resnet cannot be had" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_weights_of_timm_are_for_its_nets_only() -> None:
    with pytest.raises(UserError, match="fcn32s-resnet18 is none"):
        start_from(build(NetSpec("fcn32s-resnet18", 2, width=1 / 16)), PUBLISHED_BY_TIMM)
