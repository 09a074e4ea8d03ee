"""A resume on data that has changed: other photos would come in another order."""

import shutil

import pytest

from fullconv.errors import UserError
from fullconv.training import train


@pytest.fixture
def run_on(photos, start, tmp_path):
    """A run of 4 steps on a copy of the photos, and the copy."""
    data = shutil.copytree(photos, tmp_path / "data")
    return start("run", {"data.path": str(data)}, quiet=True), data


def more(run, data=None):
    overrides = {"schedule.steps": 6} | ({} if data is None else {"data.path": str(data)})
    return train(None, run, resume=True, overrides=overrides, quiet=True)


def copied(data, split, name):
    for kind in ("images", "masks"):
        (file, *_) = sorted((data / kind / split).iterdir())
        shutil.copy(file, file.with_name(f"{name}{file.suffix}"))


def removed(data, split):
    for kind in ("images", "masks"):
        (file, *_) = sorted((data / kind / split).iterdir())
        file.unlink()


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("change", ["added", "removed", "exchanged"])
def test_other_photos_are_refused_and_nothing_is_changed(run_on, split, change):
    run, data = run_on
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    if change != "removed":
        copied(data, split, "zzz")
    if change != "added":
        removed(data, split)
    with pytest.raises(UserError, match="trained on 6 and 3 photos") as caught:
        more(run)
    assert caught.value.code == "FC-TRAIN-018"
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert after == before


def test_the_same_photos_elsewhere_are_taken(run_on, tmp_path):
    run, data = run_on
    moved = data.rename(tmp_path / "moved")
    assert more(run, moved) == run
    assert "photos = [\n    6,\n    3,\n]" in (run / "config.toml").read_text()
    copied(moved, "train", "zzz")
    with pytest.raises(UserError, match="has 7 and 3"):
        train(None, run, resume=True, overrides={"schedule.steps": 8}, quiet=True)


def test_the_config_of_a_run_starts_another_on_other_photos(run_on, start, photos, tmp_path):
    run, data = run_on
    removed(data, "train")
    recipe = shutil.copy(run / "config.toml", tmp_path / "recipe.toml")
    other = start("other", {"data.path": str(data)}, recipe=str(recipe), quiet=True)
    assert "photos = [\n    5,\n    3,\n]" in (other / "config.toml").read_text()
