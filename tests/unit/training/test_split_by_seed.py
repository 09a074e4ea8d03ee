"""Data without splits is split by the training, and the run keeps the names."""

import numpy as np
import pytest
from PIL import Image

from fullconv.data import open_source, write_folder
from fullconv.data.splits.subset import read_split
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.training import train

CHANGES = {
    "net.width": 0.0625, "schedule.steps": 2, "schedule.batch_size": 2, "data.workers": 0,
    "augment.crop": [32, 32], "compute.device": "cpu", "compute.precision": "fp32",
}  # fmt: skip


@pytest.fixture
def unsplit(tmp_path):
    """Ten photos of two 'videos' in images/ and masks/, without lists and folders."""
    source = open_source("shapes:48x64:n=20", "train")
    data = tmp_path / "photos"
    for index in range(10):
        sample = source[index]
        name = f"clip{index % 5}_{index:03d}.png"
        for kind, pixels in (("images", sample.image), ("masks", sample.mask)):
            (data / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(data / kind / name)
    (data / "classes.toml").write_text(source.classes.to_toml())
    return data


def test_a_training_splits_by_seed_and_says_so(unsplit, tmp_path, capsys):
    run = tmp_path / "run"
    train(unsplit, run, recipe="scratch", overrides=CHANGES)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "8 photos to train and 2 to validate on, by seed 0" in said
    lists = {
        split: (run / "split" / f"{split}.txt").read_text().split() for split in ("train", "val")
    }
    assert {name[:5] for name in lists["val"]}.isdisjoint(name[:5] for name in lists["train"])
    scores = evaluate(run, unsplit)
    assert list(scores.photos.names) == lists["val"]
    train(None, run, overrides={"schedule.steps": 3}, resume=True, quiet=True)
    (unsplit / "images" / f"{lists['val'][0]}.png").unlink()
    with pytest.raises(UserError, match=lists["val"][0]) as caught:
        evaluate(run, unsplit)
    assert caught.value.code == "FC-DATA-103"


def test_the_lists_of_a_run_keep_any_name(tmp_path):
    names = ["#1", " a", "b, c", "sub/\u00e9", "Stra\\xdfe"]
    (tmp_path / "train.txt").write_text("\n".join(names) + "\n", "utf-8")
    assert read_split(tmp_path, "train") == names
    assert read_split(tmp_path, "val") is None


def test_a_validation_split_that_is_not_there_is_refused(tmp_path):
    data = write_folder([open_source("shapes:48x64:n=10", "train")], tmp_path / "data", limit=2)
    with pytest.raises(UserError, match="'vla'; it has train") as caught:
        train(data, tmp_path / "run", recipe="scratch", overrides=CHANGES | {"data.val": "vla"})
    assert caught.value.code == "FC-DATA-102"
    assert not (tmp_path / "run").exists()


def test_a_single_class_is_refused(unsplit, tmp_path):
    for mask in (unsplit / "masks").iterdir():
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(mask)
    (unsplit / "classes.toml").write_text('[[class]]\nname = "crack"\n')
    with pytest.raises(UserError, match="'crack' is the only class") as caught:
        train(unsplit, tmp_path / "run", recipe="scratch", overrides=CHANGES)
    assert caught.value.code == "FC-CLASS-010"
    assert not (tmp_path / "run").exists()
