import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fullconv.data import available_splits, count_classes, open_source
from fullconv.errors import UserError


def test_a_scene_depends_on_seed_split_and_index_only():
    train, again = open_source("shapes", "train"), open_source("shapes", "train")
    assert (train[3].image == again[3].image).all()
    assert (train[3].mask == again[3].mask).all()
    others = [train[4], open_source("shapes", "val")[3], open_source("shapes:seed=1", "train")[3]]
    assert all((train[3].image != other.image).any() for other in others)
    # a longer set begins with the same scenes
    assert (open_source("shapes:n=5000", "train")[3].image == train[3].image).all()


def test_options_and_splits():
    source = open_source("shapes:240x320:n=400:seed=7", "val")
    assert available_splits("shapes:n=10") == ["train", "val", "test"]
    assert len(source) == 40
    assert source[0].image.shape == (240, 320, 3)
    assert source[0].mask.shape == (240, 320)
    assert source.files(0) == (None, None)
    assert len(open_source("shapes:n=400", "train")) == 400


@pytest.mark.parametrize("data", ["shapes:", "shapes:3", "shapes:n=0", "shapes:4x4", "shapes:m=2"])
def test_options_that_are_not_understood(data):
    with pytest.raises(UserError, match="shapes"):
        open_source(data, "train")


def test_unknown_split():
    with pytest.raises(UserError, match="train, val, test"):
        open_source("shapes", "trian")


@settings(deadline=None, max_examples=25)
@given(st.integers(32, 200), st.integers(32, 200), st.integers(0, 10**9))
def test_every_size_and_seed(height, width, seed):
    sample = open_source(f"shapes:{height}x{width}:seed={seed}", "train")[0]
    assert sample.image.shape == (height, width, 3)
    assert sample.image.dtype == sample.mask.dtype == np.uint8
    assert set(np.unique(sample.mask)) <= {0, 1, 2, 3, 4, 5, 255}


def test_objects_are_bordered_as_in_voc():
    for index in range(5):
        mask = open_source("shapes", "train")[index].mask.astype(int)
        for left, right in ((mask[:, :-1], mask[:, 1:]), (mask[:-1], mask[1:])):
            touching = (left != right) & (left != 255) & (right != 255)
            assert not touching.any()


def test_classes_are_balanced_and_none_is_missing():
    pixels = count_classes(open_source("shapes", "train"), most=60).pixels
    share = pixels / pixels.sum()
    assert 0.4 < share[0] < 0.85
    assert (share[1:] > 0.015).all()


def test_colour_alone_does_not_tell_the_kind():
    """A classifier that sees single pixels stays below the 0.80 that a net must reach."""
    from sklearn.neighbors import KNeighborsClassifier

    train, val = open_source("shapes", "train"), open_source("shapes", "val")
    samples = [train[i] for i in range(20)] + [val[i] for i in range(8)]
    pixels = [s.image[::4, ::4].reshape(-1, 3) for s in samples]
    labels = [s.mask[::4, ::4].ravel() for s in samples]
    keep = [label != 255 for label in labels]
    x = [p[k] for p, k in zip(pixels, keep, strict=True)]
    y = [label[k] for label, k in zip(labels, keep, strict=True)]
    nearest = KNeighborsClassifier(7).fit(np.concatenate(x[:20]), np.concatenate(y[:20]))
    predicted, truth = nearest.predict(np.concatenate(x[20:])), np.concatenate(y[20:])
    iu = [
        ((predicted == k) & (truth == k)).sum() / ((predicted == k) | (truth == k)).sum()
        for k in range(6)
    ]
    assert np.mean(iu) < 0.75


def test_a_folder_called_shapes_is_the_data_in_it(tmp_path, monkeypatch):
    for kind, mode in (("images", "RGB"), ("masks", "L")):
        (tmp_path / "shapes" / kind / "train").mkdir(parents=True)
        Image.new(mode, (40, 30)).save(tmp_path / "shapes" / kind / "train" / "mine.png")
    (tmp_path / "shapes" / "classes.txt").write_text("ground\nroof\n")
    assert len(open_source("shapes", "train")) > 1
    monkeypatch.chdir(tmp_path)
    assert open_source("shapes", "train").names == ("mine",)
    assert len(open_source("shapes:n=3", "train")) == 3  # options: the built-in scenes


def test_options_too_long_for_a_file_name_are_named_as_others():
    with pytest.raises(UserError) as error:
        open_source("shapes:" + 400 * "x", "train")
    assert error.value.code == "FC-DATA-131"


def test_generating_keeps_up_with_training():
    source = open_source("shapes", "train")
    times = []
    for index in range(20):
        start = time.process_time()
        source[index]
        times.append(time.process_time() - start)
    assert np.median(times) < 0.04  # 8 ms on the development machine
