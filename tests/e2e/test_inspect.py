"""``fullconv inspect`` as a user types it."""

import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def data(run, tmp_path):
    run("shapes", tmp_path / "scenes", "--number", "12", "--size", "160x208")
    return tmp_path / "scenes"


def test_clean_data_has_a_page_and_no_finding(run, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run("inspect", data)
    assert "errors: 0, warnings: 0, in 12 train, 12 val, 12 test photos" in said
    assert "208 x 160 (12)" in said
    assert "median-frequency" in said
    assert "triangle" in (tmp_path / "inspect.html").read_text("utf-8")


def test_what_was_damaged_is_named_on_screen_and_on_the_page(run, data, tmp_path):
    mask = data / "masks/train/shapes-train-00003.png"
    Image.fromarray(np.roll(np.array(Image.open(mask)), (8, 0), (0, 1))).save(mask)
    for kind, end in (("images", "jpg"), ("masks", "png")):
        copied = data / kind / "val" / f"again.{end}"
        shutil.copy(data / kind / "train" / f"shapes-train-00007.{end}", copied)
    photo = data / "images/val/again.jpg"
    Image.open(photo).save(photo, quality=60)
    page = tmp_path / "page.html"
    said = run("inspect", data, "--out", page)
    assert f"warning: {mask}: looks shifted by 8 pixels down" in said
    assert f"warning: {photo}: is in val and looks like" in said
    assert "shapes-train-00007.jpg in train" in said
    assert "errors: 0, warnings: 2" in said
    assert str(mask) in page.read_text("utf-8")


def test_errors_are_exit_code_1_and_some_splits_suffice(run, data, tmp_path):
    (data / "images/train/shapes-train-00001.jpg").write_bytes(b"none")
    run("inspect", data, "--split", "train", "--out", tmp_path / "a.html", code=1)
    said = run("inspect", data, "--split", "val", "--most", "5", "--out", tmp_path / "b.html")
    assert "4 photos; width x height" in said  # every third of twelve


def test_faults_of_the_user(run, data, tmp_path):
    assert "name a file" in run("inspect", data, "--out", tmp_path, code=2)
    assert "no such file" in run("inspect", tmp_path / "nothing", code=2)
    assert "[FC-FILE-004]" in run("inspect", data, "--out", data / "classes.toml/x", code=2)
