"""A run for others: the folder with its card, and the upload to a server on 127.0.0.1."""

import json
import tomllib
from importlib.metadata import version

import numpy as np
import pytest
import torch
from PIL import Image

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.metrics import Scores
from fullconv.models import TORCH
from fullconv.publishing import model_folder, push
from hubserver import hub
from small_runs import small_net

pytest.importorskip("huggingface_hub")
CLASSES = ClassSet(("sky", "road: wet"))
LITE = {"name": "efficientnet_lite0-imagenet", "from": "the package x", "licence": "Apache-2.0"}
CONFIG = """
[data]
path = "/home/jane/secret/street"
[net]
name = "fcn8s-resnet18"
weights = "/home/jane/secret/first"
"""


@pytest.fixture
def run(tmp_path):
    """A run folder: 8 of 10 pixels right, class IUs 6/8 and 2/4, so 62.5 in the mean."""
    folder = tmp_path / "run"
    origin = {"data": "/home/jane/secret/street", "photos": {"train": 40, "val": 9}, "step": 70}
    origin |= {"weights": [{"name": "first", "weights": [LITE]}]}
    save(folder / "model.safetensors", Checkpoint(small_net(2), CLASSES, TORCH, origin))
    scores = Scores.from_confusion(np.array([[6, 1], [1, 2]]), list(CLASSES.names))
    (folder / "scores.json").write_text(json.dumps({"step": 70, **scores.to_dict()}))
    (folder / "config.toml").write_text(CONFIG)
    (folder / "samples").mkdir()
    for step in (7, 70):
        Image.new("RGB", (8, 8), (step, 0, 0)).save(folder / "samples" / f"{step:07d}.jpg")
    return folder


def test_the_card_says_what_the_run_s_files_say(run, tmp_path):
    out = model_folder(run, "jane/wet-streets", tmp_path / "out", licence="mit")
    card = (out / "README.md").read_text("utf-8")
    yaml = pytest.importorskip("yaml")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == "mit" and head["library_name"] == "fullconv"
    assert "image-segmentation" in head["tags"]
    (result,) = head["model-index"][0]["results"]
    measured = {each["type"]: each["value"] for each in result["metrics"]}
    assert measured["accuracy"] == 0.8 and measured["mean_iou"] == 0.625
    assert result["dataset"]["name"] == "street"
    for text in (
        "| mean IU | 62.5 |",
        "| sky | 75.0 | 85.7 |",
        "| road: wet | 50.0 | 66.7 |",
        "street: 40 photos in train, 9 photos in val. Classes: sky, road: wet.",
        "- first\n  - efficientnet_lite0-imagenet, from the package x; licence: Apache-2.0",
        "fullconv predict --weights hf:jane/wet-streets photo.jpg",
    ):
        assert text in card


def test_no_path_and_no_photo_of_this_machine_leaves_it(run, tmp_path):
    out = model_folder(run, "jane/wet-streets", tmp_path / "out")
    found = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(found) == {"README.md", "model.safetensors", "config.toml", "scores.json"}
    assert not any(b"secret" in content for content in found.values())
    assert tomllib.loads(found["config.toml"].decode())["net"]["weights"] == "first"
    assert "has stated no licence" in found["README.md"].decode()
    before, after = load(run), load(out)
    assert (after.classes, after.preprocessing) == (before.classes, before.preprocessing)
    tensors = after.net.state_dict()
    assert all(torch.equal(t, tensors[name]) for name, t in before.net.state_dict().items())


def test_photos_go_along_where_they_are_asked_for(run, tmp_path):
    out = model_folder(run, "jane/net", tmp_path / "out", samples=True)
    assert (out / "sample.jpg").read_bytes() == (run / "samples" / "0000070.jpg").read_bytes()
    assert "(sample.jpg)" in (out / "README.md").read_text("utf-8")


def test_what_cannot_be_published_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="is not OWNER/REPO"):
        model_folder(run, "jane", tmp_path / "out")
    with pytest.raises(UserError, match="not a run folder"):
        model_folder(tmp_path, "jane/net", tmp_path / "out")
    with pytest.raises(UserError, match="is there already"):
        model_folder(run, "jane/net", run)
    (run / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        model_folder(run, "jane/net", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.delenv("FULLCONV_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with hub({}) as running:
        running.token = "Bearer hf_abc"
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.mark.skipif(
    int(version("huggingface_hub").split(".")[0]) < 1,
    reason="knows no address but the Hub's own: huggingface_hub before 1.0",
)
def test_what_was_pushed_is_loaded_by_its_name(run, server):
    assert push(run, "jane/net", private=True, licence="mit") == f"{server.url}/jane/net"
    assert server.private == {"jane/net": True}
    assert set(server.repos["jane/net"]) >= {"README.md", "model.safetensors", "scores.json"}
    assert 'license: "mit"' in server.cards[0]
    again = load("hf:jane/net").net.state_dict()
    for name, tensor in load(run).net.state_dict().items():
        assert torch.equal(tensor, again[name])
    push(run, "jane/net")  # a second time replaces the files


def test_an_upload_that_the_server_refuses_is_one_line(run, server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UserError, match="wants a login that may write") as error:
        push(run, "jane/net")
    assert "\n" not in str(error.value)
    monkeypatch.setenv("FULLCONV_OFFLINE", "1")
    with pytest.raises(UserError, match="nothing is uploaded"):
        push(run, "jane/net")
