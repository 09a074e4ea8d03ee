"""A training on shards is the training on the folder that was packed."""

import shutil

import pytest
from safetensors.numpy import load_file

from fullconv.data import available_splits, open_source, pack
from fullconv.evaluation import evaluate
from fullconv.training import train
from range_server import serving_folder


@pytest.fixture
def shards(photos, tmp_path):
    sources = {split: open_source(photos, split) for split in available_splits(photos)}
    pack(sources, tmp_path / "shards", shard_size=20_480, is_checked=True)
    return tmp_path / "shards"


def same_weights(run, other) -> bool:
    """Those of the last step, and the optimizer's state."""
    one, two = (load_file(each / "resume/state.safetensors") for each in (run, other))
    return one.keys() == two.keys() and all((one[key] == two[key]).all() for key in one)


CHANGES = {"augment.crop": "auto", "augment.scale": [0.5, 1.5], "schedule.steps": 5}


def test_shards_give_the_weights_and_scores_of_the_folder(start, shards, photos):
    folder = start("folder", CHANGES)
    packed = start("packed", CHANGES | {"data.path": str(shards), "data.workers": 1})
    assert same_weights(folder, packed)
    scores = [evaluate(folder, data, "val").confusion for data in (photos, shards)]
    assert (scores[0] == scores[1]).all()


def test_a_training_over_http_resumes_to_the_same_weights(start, shards, tmp_path, monkeypatch):
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    folder = start("folder", CHANGES | {"schedule.steps": 3})
    train(None, folder, overrides={"schedule.steps": 5}, resume=True)
    with serving_folder(tmp_path) as server:
        place = {"data.path": f"{server.url}/shards", "data.cache": str(tmp_path / "own")}
        remote = start("remote", CHANGES | place | {"schedule.steps": 3})
        assert not (tmp_path / "cache/shards").exists()
        assert any((tmp_path / "own").iterdir())
        moved = {"data.cache_size": "0", "schedule.steps": 5}
        train(None, remote, overrides=moved, resume=True)
    assert same_weights(folder, remote)


def test_photos_without_splits_are_split_alike(start, shards, photos, tmp_path):
    data = tmp_path / "unsplit"
    shutil.copytree(photos / "images/train", data / "images")
    shutil.copytree(photos / "masks/train", data / "masks")
    shutil.copy(photos / "classes.toml", data)
    pack({"all": open_source(data, "all")}, tmp_path / "all")
    folder = start("folder", CHANGES | {"data.path": str(data)})
    packed = start("packed", CHANGES | {"data.path": str(tmp_path / "all")})
    assert same_weights(folder, packed)
    names = [(run / "split/val.txt").read_text() for run in (folder, packed)]
    assert names[0] == names[1]
