"""Published weights by name, wherever weights are given: from a real server, then the cache."""

import hashlib
import re

import numpy as np
import pytest
from PIL import Image

import caffe_writer
from caffe_writer import fcn
from fullconv.checkpoints import load, registry
from fullconv.checkpoints.registry import read_registry
from fullconv.data import open_source, write_folder
from fullconv.models import NetSpec
from webserver import serving

ENTRY = """
[preprocessing.own]
order = "BGR"
scale = 1.0
mean = [1.0, 2.0, 3.0]
std = [1.0, 1.0, 1.0]

[thin-voc-here]
net = "fcn8s-vgg16"
format = "caffe"
classes = "voc"
preprocessing = ["own"]
file = "thin.caffemodel"
urls = ["{url}"]
sha1 = "{sha1}"
licence = "none"
source = "a test"
paper = "none"
from = "a test"
"""


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The file of an FCN-8s that a server on this machine gives out as ``thin-voc-here``."""
    spec = NetSpec("fcn8s-vgg16", 21, padding="paper", width=1 / 64)
    source = caffe_writer.write(tmp_path, fcn(spec))
    content = source.read_bytes()
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FULLCONV_OFFLINE", raising=False)
    with serving(lambda handler, _: handler.give(content)) as server:
        file = tmp_path / "registry.toml"
        sha1 = hashlib.sha1(content).hexdigest()
        file.write_text(ENTRY.format(url=server.url, sha1=sha1))
        known = read_registry(file)
        monkeypatch.setattr(registry, "_registry", lambda: known)
        monkeypatch.chdir(tmp_path)
        random = np.random.default_rng(3)
        Image.fromarray(random.integers(0, 256, (45, 61, 3), np.uint8)).save("photo.png")
        yield source, server


def test_predict_evaluate_and_train_with_nothing_but_a_name(run, served, tmp_path):
    source, server = served
    run("predict", source, "photo.png", "--out", "by-file", "--scores")
    run("predict", "--weights", "thin-voc", "photo.png", "--out", "by-name", "--scores")
    run("predict", "thin-voc-here", "photo.png", "--out", "by-run", "--scores")
    assert len(server.ranges) == 1  # the second time it came from the cache
    scores = [np.load(f"by-{how}/photo_scores.npy") for how in ("file", "name", "run")]
    assert np.array_equal(scores[1], scores[2])
    # The registry says which mean belongs to the weights; the file by itself cannot.
    assert load("thin-voc").preprocessing.mean == (1.0, 2.0, 3.0)
    assert not np.array_equal(scores[0], scores[1])

    scenes = write_folder(
        [open_source("shapes:48x64:n=4", split) for split in ("train", "val")], tmp_path / "d", 2
    )
    said = run(
        "train", scenes, "--net", "fcn8s-vgg16", "--weights", "thin-voc", "--steps", 1,
        "--batch-size", 1, "--crop", "32x32", "--workers", 0, "--device", "cpu",
        "--set", f"net.width={1 / 64}", "--out", "run",
    )  # fmt: skip
    assert re.search(r"30 arrays loaded from thin-voc", said)
    assert 'weights = "thin-voc"' in (tmp_path / "run" / "config.toml").read_text()
    assert load("run").preprocessing.mean == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("predict", "thin-vox", "photo.png"), "no such file or run folder, nor are published"),
        (("predict", "--weights", "nothing", "photo.png"), "'fullconv weights' lists them"),
        (("predict", "photo.png"), "no photos are named"),
        (("evaluate", "thin-vox", "shapes"), "no such file or run folder"),
    ],
)
def test_what_is_neither_a_file_nor_a_name(run, served, arguments, says):
    said = run(*arguments, code=2)
    assert said.startswith("fullconv: ")
    assert says in said
    assert said.count("\n") == 1
