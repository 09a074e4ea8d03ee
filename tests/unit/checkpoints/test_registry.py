"""The registry holds only what can be right, and weights come by name from a real server."""

import hashlib
import re
import tomllib

import pytest

from fullconv.checkpoints import registry
from fullconv.checkpoints.foreign.recognize_net import lineages
from fullconv.checkpoints.registry import (
    cached_path,
    fetch,
    find_published,
    preprocessings,
    published,
    read_registry,
)
from fullconv.download import RemoteFile, RetryPolicy
from fullconv.errors import UserError
from fullconv.models import BACKBONES, CAFFE, TORCH, available
from webserver import serving

ASKED_FOR = {
    "vgg16-caffe",
    "caffenet-caffe",
    "alexnet-caffe",
    "googlenet-caffe",
    "fcn32s-voc-berkeley",
    "fcn16s-voc-berkeley",
    "fcn8s-voc-berkeley",
    "fcn8s-atonce-voc-berkeley",
    "fcn32s-alexnet-voc-berkeley",
    "vgg16-torchvision",
    "alexnet-torchvision",
    "googlenet-torchvision",
    "resnet18-torchvision",
    "resnet34-torchvision",
    "resnet50-torchvision",
    "resnet101-torchvision",
    "fcn-resnet50-voc-torchvision",
    "fcn-resnet101-voc-torchvision",
    "vgg16-keras",
    "efficientnet_lite0-imagenet",
    "efficientnet_lite1-imagenet",
    "efficientnet_lite2-imagenet",
    "vgg16-hed",
}


def test_the_names_that_the_pages_promise_are_there():
    assert set(published()) >= ASKED_FOR


@pytest.mark.parametrize("name", published())
def test_every_entry_says_what_it_is_and_where_that_is_known_from(name):
    weights = published()[name]
    for text in (weights.net, weights.source, weights.paper, weights.file.licence):
        assert text
    assert re.search(r"/|README", weights.file.origin)
    if isinstance(weights.file, RemoteFile):
        assert weights.format in weights.name.replace("berkeley", "caffe").replace(
            "torchvision", "torch"
        )
    assert set(weights.preprocessing) <= set(preprocessings())


@pytest.mark.parametrize("source", ["torchvision", "Keras"])
def test_the_reader_prepares_as_the_registry_says(source):
    """Two accounts of the same: the registry's and that of the nets each format knows."""
    entries = [weights for weights in published().values() if weights.source == source]
    assert entries
    for weights in entries:
        backbone = weights.net.rpartition("-")[2]
        (known,) = {
            known.preprocessing
            for known in lineages()
            if known.backbone == backbone and known.title.startswith(f"{source}'")
        }
        stated = preprocessings()[weights.preprocessing[0]]
        assert stated.order == known.order
        assert stated.mean == pytest.approx(known.mean)
        assert stated.std == pytest.approx(known.std)
        assert stated.scale == pytest.approx(known.scale)


def test_the_digits_in_torchvision_s_file_names_are_the_checksum():
    found = [w for w in published().values() if w.source == "torchvision"]
    assert len(found) == 9
    for weights in found:
        digits = re.fullmatch(r".+-([0-9a-f]{8})\.pth", weights.file.name)
        assert weights.file.checksum.algorithm == "sha256-prefix"
        assert weights.file.checksum.digest == digits[1]
        assert weights.file.urls[0].endswith(f"/{weights.file.name}")


def test_the_nets_are_nets_of_this_project():
    for weights in published().values():
        assert weights.net in BACKBONES or weights.net in available(), weights.name


def test_torch_and_caffe_preprocessing_are_those_of_the_nets():
    assert preprocessings()["caffe"] == CAFFE
    assert preprocessings()["torch"] == TORCH


def test_a_name_may_be_left_short_where_it_is_clear():
    assert find_published("fcn-resnet50-voc").name == "fcn-resnet50-voc-torchvision"
    with pytest.raises(UserError, match="several weights"):
        find_published("fcn8s-voc")
    with pytest.raises(UserError, match="did you mean vgg16-caffe"):
        find_published("vgg16-cafe")


GOOD = """
[preprocessing.caffe]
order = "BGR"
scale = 1.0
mean = [1.0, 2.0, 3.0]
std = [1.0, 1.0, 1.0]

[tiny]
net = "vgg16"
format = "caffe"
classes = "voc"
preprocessing = ["caffe"]
file = "tiny.caffemodel"
urls = ["URL"]
sha1 = "SHA1"
licence = "none"
source = "a test"
paper = "none"
from = "a/test"
"""
SHA1 = hashlib.sha1(b"weights").hexdigest()


@pytest.fixture
def write(tmp_path):
    def write(old="", new=""):
        text = GOOD.replace(old, new) if old else GOOD
        path = tmp_path / "registry.toml"
        path.write_text(text.replace("URL", "http://a.example/tiny").replace("SHA1", SHA1))
        return path

    return write


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('net = "vgg16"', "", "net = None"),
        ('net = "vgg16"', 'nett = "vgg16"', "unknown key 'nett'"),
        ('"caffe"\nclasses', '"matlab"\nclasses', "format = 'matlab' is none of"),
        ('classes = "voc"', 'classes = "cats"', "classes = 'cats' is none of"),
        ('["caffe"]', '["torch"]', "preprocessing"),
        ('"tiny.caffemodel"', '"../tiny"', "no plain file name"),
        ('["URL"]', "[]", "no address"),
        ('["URL"]', '["file:///tmp/x"]', "no http or https address"),
        ('"SHA1"', '"abc"', "'abc' is no sha1"),
        ('sha1 = "SHA1"', f'sha1 = "SHA1"\nmd5 = "{"0" * 32}"', "more than one checksum"),
        ('sha1 = "SHA1"', "size = 0", "0 bytes"),
        ('sha1 = "SHA1"', 'size = "big"', "no whole number"),
        ('licence = "none"', "", "licence = None"),
        ('from = "a/test"', "", "from = None"),
        ("order", "ordr", "preprocessing"),
        ("[tiny]", "[tiny", "cannot be read"),
    ],
)
def test_a_registry_with_a_fault_names_it(write, old, new, says):
    with pytest.raises(UserError) as error:
        read_registry(write(old, new))
    assert says in str(error.value)
    assert "registry.toml" in str(error.value)


def test_a_file_name_that_stands_twice_is_refused(write):
    path = write()
    again = GOOD[GOOD.index("[tiny]") :].replace("[tiny]", "[other]")
    path.write_text(
        path.read_text() + again.replace("URL", "http://b.example").replace("SHA1", SHA1)
    )
    with pytest.raises(UserError, match=r"tiny.caffemodel stands twice"):
        read_registry(path)


def test_fetch_brings_weights_into_the_cache_once(write, tmp_path, monkeypatch):
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FULLCONV_OFFLINE", raising=False)
    with serving(lambda handler, _: handler.give(b"weights")) as server:
        path = write()
        path.write_text(path.read_text().replace("http://a.example/tiny", server.url))
        known = read_registry(path)
        monkeypatch.setattr(registry, "_registry", lambda: known)
        retry = RetryPolicy(attempts=1)
        got = fetch("tiny", retry=retry)
        assert (
            got
            == tmp_path / "cache" / "weights" / "tiny.caffemodel"
            == cached_path(known[0]["tiny"])
        )
        assert got.read_bytes() == b"weights"
        fetch("tiny", retry=retry)
        assert len(server.ranges) == 1
        got.unlink()
        with pytest.raises(UserError, match=re.escape(str(got))):
            fetch("tiny", offline=True)


def test_no_number_stands_twice_under_different_names():
    """A checksum copied to the wrong entry would refuse the right file."""
    sums = [w.file.checksum.digest for w in published().values() if w.file.checksum]
    assert len(sums) == len(set(sums))
    assert tomllib.loads(registry.FILE.read_text("utf-8"))
