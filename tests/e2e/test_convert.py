"""From a caffemodel to pictures, scores and trainings, by the commands as typed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import caffe_writer
from caffe_writer import caffemodel, classifier, fcn
from fullconv.checkpoints import load
from fullconv.classes import VOC
from fullconv.data import open_source, write_folder
from fullconv.models import NetSpec

THIN = 1 / 64
NYUD_MEAN = (116.190, 97.203, 92.318)


@pytest.fixture
def source(tmp_path):
    """FCN-8s of VOC, random weights."""
    spec = NetSpec("fcn8s-vgg16", 21, padding="paper", width=THIN)
    return caffe_writer.write(tmp_path, fcn(spec))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    random = np.random.default_rng(3)
    Image.fromarray(random.integers(0, 256, (45, 61, 3), np.uint8)).save(path)
    return path


def test_a_converted_file_predicts_as_its_source_does(run, source, photo, tmp_path):
    out = tmp_path / "net.safetensors"
    said = run("convert", source, out)
    assert "VGG16 (Caffe), trained on PASCAL VOC: fcn8s-vgg16, 21 classes, padding paper" in said
    assert "36 loaded, 0 missing, 3 not needed" in said
    lines = [line.split() for line in said.splitlines()]
    assert ["backbone.conv1_1.weight", "conv1_1.weight", "8x3x3x3"] in lines
    assert ["score.8.bias", "score_pool3.bias", "21"] in lines
    assert "bilinear upsampling, which is computed here" in said
    with safe_open(out, "pt") as file:
        header = json.loads(file.metadata()["fullconv"])
    assert header["net"]["padding"] == "paper"
    assert header["classes"]["names"][15] == "person"
    origin = header["origin"]
    assert (origin["source"], origin["format"]) == ("net.caffemodel", "Caffe")
    assert len(origin["sha256"]) == 64
    for weights in (out, source):
        run("predict", weights, photo, "--out", tmp_path / weights.suffix, "--scores")
    ours, theirs = (tmp_path / each.suffix / "photo.png" for each in (out, source))
    assert ours.read_bytes() == theirs.read_bytes()
    mask = np.asarray(Image.open(ours))
    assert mask.shape == (45, 61)
    assert len(np.unique(mask)) > 2
    assert Image.open(ours).getpalette()[45:48] == [192, 128, 128]  # a person, in VOC's colours
    scores = np.load(tmp_path / out.suffix / "photo_scores.npy")
    assert np.array_equal(scores.argmax(0), mask)


def test_evaluate_takes_the_file_as_it_is(run, source, tmp_path):
    data = tmp_path / "data"
    write_folder([open_source("shapes:48x64:n=10", "val")], data, 3)
    (data / "classes.toml").write_text(VOC.to_toml())
    assert "mean IU" in run("evaluate", source, data)


def test_every_array_of_a_classifier_is_accounted_for(run, photo, tmp_path):
    spec = NetSpec("fcn32s-vgg16", 21, width=THIN)
    source = tmp_path / "VGG_ILSVRC_16_layers.caffemodel"
    source.write_bytes(caffemodel(classifier(spec), old=True))
    out = tmp_path / "vgg16.safetensors"
    said = run("convert", source, out, "--net", "fcn8s-vgg16")
    assert "30 loaded, 6 missing, 2 not needed" in said
    assert said.count("starts at zero") == 6
    assert said.count("scores ImageNet's 1000 classes") == 2
    assert f"next: fullconv train DATA --weights {out}" in said
    for weights in (source, out):
        assert "a classifier of whole photos" in run("predict", weights, photo, code=2)


def test_a_training_starts_from_a_classifier(run, tmp_path):
    layers = classifier(NetSpec("fcn32s-vgg16", 21, width=THIN))
    weights = tmp_path / "vgg16.caffemodel"
    weights.write_bytes(caffemodel(layers, old=True))
    out = tmp_path / "run"
    said = run(
        "train", "shapes:48x64:n=12", "--out", out, "--net", "fcn16s-vgg16", "--weights", weights,
        "--steps", 1, "--set", f"net.width={THIN}", "--lr", "1e-30", "--device", "cpu",
    )  # fmt: skip
    assert "30 arrays loaded" in said
    assert said.count("starts at zero") == 4
    assert "the source is a classifier" in " ".join(said.split())
    assert "unused: fc8.weight" in said
    kept = load(out).net.state_dict()["backbone.fc6.weight"]
    (fc6,) = [layer for layer in layers if layer.name == "fc6"]
    torch.testing.assert_close(kept.flatten(), torch.tensor(fc6.blobs[0]).flatten())


def test_preprocessing_of_a_training_follows_its_weights(run, tmp_path):
    spec = NetSpec("fcn16s-vgg16", 40, padding="paper", width=THIN)
    weights = caffe_writer.write(tmp_path, fcn(spec))
    out = tmp_path / "run"
    arguments = ["shapes:48x64:n=12", "--out", out, "--weights", weights, "--steps", 1]
    said = run("train", *arguments, "--net", "fcn16s-vgg16", "--set", f"net.width={THIN}")
    assert "40 classes there, 6 here" in " ".join(said.split())
    assert load(out).preprocessing.mean == NYUD_MEAN
    said = run("train", *arguments, "--net", "fcn16s-resnet18", "--overwrite", code=2)
    assert "holds a vgg16, the net is a resnet18" in said


FAULTS = {
    "it ends at byte 5000": lambda content: content[:5000],
    "no layer in it holds an array": lambda content: b"",
    "conv3_2.weight is missing": lambda content: content.replace(b"conv3_2", b"conv9_9"),
}


@pytest.mark.parametrize(
    ("command", "says"),
    [*(("convert", says) for says in FAULTS), *(("predict", says) for says in FAULTS),
     ("train", "it ends at byte 5000")],
)  # fmt: skip
def test_a_fault_is_one_line_and_leaves_nothing(run, source, photo, tmp_path, command, says):
    source.write_bytes(FAULTS[says](source.read_bytes()))
    before = sorted(tmp_path.rglob("*"))
    arguments = {
        "convert": [source, tmp_path / "out.safetensors"],
        "predict": [source, photo, "--out", tmp_path / "pictures"],
        "train": ["shapes:48x64:n=12", "--out", tmp_path / "run", "--net", "fcn8s-vgg16",
                  "--weights", source],
    }[command]  # fmt: skip
    said = run(command, *arguments, code=2)
    (line,) = [each for each in said.splitlines() if each.startswith("fullconv: ")]
    assert says in line
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_converted_is_said(run, source, tmp_path):
    out = tmp_path / "out.safetensors"
    run("convert", source, out)
    assert "checkpoint of fullconv already" in run("convert", out, tmp_path / "b", code=2)
    assert "name a new file" in run("convert", source, source, code=2)
    assert "name a new file" in run("convert", source, tmp_path, code=2)
    assert "nowhere" in run("convert", tmp_path / "nowhere", out, code=2)
    assert "fcn8s-vgg16" in run("convert", source, out, "--net", "fcn8-vgg16", code=2)
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    assert "in a known format" in run("convert", text, out, code=2)
