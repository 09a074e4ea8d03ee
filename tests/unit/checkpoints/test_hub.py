"""Weights from the Hub by name, by huggingface_hub itself, from a real server on 127.0.0.1."""

import io

import numpy as np
import pytest
import torch
from safetensors.torch import save as as_safetensors

import fullconv
from fullconv.checkpoints import Checkpoint, load, save, start_from
from fullconv.checkpoints.hub import fetch_from_hub, hub_file, pinned
from fullconv.checkpoints.pretrained import resolve_weights
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.exporting.export import default_path
from fullconv.models import TORCH, NetSpec, build
from hubserver import COMMIT, hub

pytest.importorskip("huggingface_hub")
SPEC = NetSpec("fcn32s-resnet18", 3, width=0.125)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A net of fullconv's, and a foreign classifier in two formats."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("net") / "model.safetensors"
    net = build(SPEC)
    torch.nn.init.normal_(net.score["32"].weight)
    save(path, Checkpoint(net, ClassSet(("sky", "road", "tree")), TORCH, {"weights": []}))
    foreign = {  # torchvision's names for the same layers
        _torchvision(name): tensor.clone()
        for name, tensor in net.backbone.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    pickled = io.BytesIO()
    torch.save(foreign, pickled)
    return {
        "model.safetensors": path.read_bytes(),
        "timm/model.safetensors": as_safetensors(foreign),
        "resnet.pth": pickled.getvalue(),
    }


def _torchvision(name):
    name = name.replace(".conv.", ".").replace("conv1.norm", "bn1")
    if not name.startswith("layer"):
        return name
    layer, rest = name.split(".", 1)
    layer = layer.replace("_", ".")
    if rest.startswith("shortcut"):
        kind = "1" if ".norm" in rest else "0"
        return f"{layer}.downsample.{kind}.{rest.rpartition('.')[2]}"
    _, place_, *more = rest.split(".")
    kind = "bn" if "norm" in more else "conv"
    return f"{layer}.{kind}{int(place_) + 1}.{more[-1]}"


@pytest.fixture
def server(files, tmp_path, monkeypatch):
    monkeypatch.delenv("FULLCONV_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with hub({"jane/net": files, "jane/gated": {}}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def asked(server):
    return [path for method, path, _ in server.asked if method == "GET" and "resolve" in path]


def test_a_net_on_the_hub_predicts_by_its_name(server):
    loaded = load("hf:jane/net")
    assert loaded.net.spec == SPEC
    assert asked(server) == ["/jane/net/resolve/main/model.safetensors"]
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    prediction = fullconv.Predictor("hf:jane/net", device="cpu")(photo)
    assert prediction.mask.shape == (40, 50)
    assert len(asked(server)) == 1  # the second time it came from the cache


def test_a_training_starts_from_it_and_keeps_the_commit(server):
    exact, line = resolve_weights("hf:jane/net", SPEC)
    assert exact == f"hf:jane/net@{COMMIT}"
    assert f"{server.url}/jane/net" in line
    report = start_from(build(SPEC), exact)
    assert report.origins == [{"name": exact, "from": f"{server.url}/jane/net"}]
    assert report.fresh == {}
    file = fetch_from_hub("hf:jane/net/resnet.pth@v1")
    assert pinned("hf:jane/net/resnet.pth@v1", file) == f"hf:jane/net/resnet.pth@{COMMIT}"


@pytest.mark.parametrize("name", ["timm/model.safetensors", "resnet.pth"])
def test_foreign_files_there_are_read_as_foreign_files(server, files, name):
    net = build(SPEC)
    report = start_from(net, f"hf:jane/net/{name}")
    assert len(report.loaded) == 100  # 20 convolutions, and four arrays of each norm
    ours = load("hf:jane/net").net.backbone.state_dict()
    for key in ("conv1.conv.weight", "layer4_1.convs.1.norm.running_var"):
        assert torch.equal(net.backbone.state_dict()[key], ours[key])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf:jane/gated", "wants an agreement first"),
        ("hf:jane/none", "no such repository"),
        ("hf:jane/net/other.pth", r"has no file other.pth"),
        ("hf:jane/net@v2", "no revision 'v2'"),
        ("hf:jane", "is not hf:OWNER/REPO"),
        ("hf:jane/net/../../etc", "is not hf:OWNER/REPO"),
        ("hf:jane/net@", "is not hf:OWNER/REPO"),
    ],
)
def test_what_cannot_be_had_is_one_line(server, name, says):
    with pytest.raises(UserError, match=says) as error:
        load(name)
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


def test_the_offline_switch_leaves_what_is_in_the_cache(server, monkeypatch):
    load("hf:jane/net")
    server.asked.clear()
    monkeypatch.setenv("FULLCONV_OFFLINE", "1")
    assert load("hf:jane/net").net.spec == SPEC
    with pytest.raises(UserError, match="downloads are switched off"):
        load("hf:jane/net/resnet.pth")
    assert server.asked == []


def test_a_token_goes_with_the_request(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    fetch_from_hub("hf:jane/net")
    assert {token for _, path, token in server.asked if "resolve" in path} == {"Bearer hf_abc"}


def test_the_name_is_taken_apart():
    assert str(hub_file("hf:a/b")) == "hf:a/b"
    assert hub_file("hf:a/b.c/d/e.pth@refs/pr/1").file == "d/e.pth"
    assert hub_file("hf:a/b.c/d/e.pth@refs/pr/1").revision == "refs/pr/1"
    assert str(default_path("hf:jane/net", "onnx")) == "net.onnx"
