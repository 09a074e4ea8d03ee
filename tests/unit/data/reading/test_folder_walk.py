"""One walk for all commands: no debris, links followed once, and what is left out is said."""

import os

import numpy as np
import pytest

from fullconv.data import check, open_source
from fullconv.data.reading.walk import existing, has_file, is_debris_below, walk
from fullconv.inference.photos.find_photos import find_inputs

GREY, RGB = np.zeros((8, 10), np.uint8), np.zeros((8, 10, 3), np.uint8)
needs_links = pytest.mark.skipif(os.name == "nt", reason="links need rights there")


def names(folder):
    return [path.relative_to(folder).as_posix() for path in walk(folder).files]


def test_debris_is_left_out_and_named(tmp_path):
    kept = ["a.png", "deep/b.png", "not.hidden/c.png"]
    debris = ["._a.png", ".ipynb_checkpoints/a.png", "__MACOSX/deep/a.png",
              "deep/@eaDir/b.png/x.jpg",
              "Thumbs.db", ".Trash-0/files/a.png", "$RECYCLE.BIN/a.png"]  # fmt: skip
    for name in kept + debris:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert names(tmp_path) == kept
    left_out = {path.relative_to(tmp_path).as_posix() for path in walk(tmp_path).left_out}
    assert left_out == {"._a.png", ".ipynb_checkpoints", "__MACOSX", "deep/@eaDir", "Thumbs.db",
                        ".Trash-0", "$RECYCLE.BIN"}  # fmt: skip


def test_a_folder_that_is_named_is_read_whatever_its_name(tmp_path):
    (tmp_path / ".photos").mkdir()
    (tmp_path / ".photos/a.png").write_bytes(b"x")
    assert names(tmp_path / ".photos") == ["a.png"]


@needs_links
def test_links_are_followed_once_and_make_no_loop(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.png").write_bytes(b"x")
    top = tmp_path / "top"
    (top / "real").mkdir(parents=True)
    (top / "real/a.png").write_bytes(b"x")
    (top / "again").symlink_to(top / "real")
    (top / "far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(top)
    (top / "real/self").symlink_to("self")
    (top / "nothing.png").symlink_to(tmp_path / "missing.png")
    assert names(top) == ["far/b.png", "real/a.png"]
    reasons = walk(top).left_out
    assert "read already" in reasons[top / "again"]
    assert "leads nowhere" in reasons[top / "nothing.png"]
    assert has_file(top, lambda path: path.name == "b.png")


@needs_links
def test_a_linked_folder_below_a_split_belongs_to_it(make_folder, save, tmp_path):
    data = make_folder(train=1)
    save(RGB, "elsewhere/img/one.png")
    save(GREY, "elsewhere/lab/one.png")
    (data / "images/train/cam").symlink_to(tmp_path / "elsewhere/img")
    (data / "masks/train/cam").symlink_to(tmp_path / "elsewhere/lab")
    source = open_source(data, "train")
    assert source.names == ("000", "cam/one")
    assert source[1].mask is not None


def test_the_check_counts_what_is_left_out(make_folder, save):
    data = make_folder(train=2)
    save(RGB, "set/images/train/.ipynb_checkpoints/000-checkpoint.png")
    (data / "images/train/._000.png").write_bytes(b"\0\5\x16\7")
    (data / "images/train/list.xml").write_text("<x/>")
    source = open_source(data, "train")
    assert len(source) == 2
    notes = [finding for finding in check({"train": source}) if finding.severity == "note"]
    assert {finding.code for finding in notes} == {"FC-DATA-121"}
    said = " ".join(map(str, notes))
    for part in ("2 files are left out", "000-checkpoint.png", "._000.png", "1 .xml"):
        assert part in said, said


def test_loose_photos_beside_split_folders_are_in_no_split(make_folder, save):
    data = make_folder(train=1, val=1)
    for name in ("x", "y"):
        save(RGB, f"set/images/{name}.png")
    sources = {split: open_source(data, split) for split in ("train", "val")}
    said = [finding for finding in check(sources) if finding.code == "FC-DATA-122"]
    assert len(said) == 1
    assert said[0].severity == "warning"
    assert "2 photos are in no split: x.png, y.png" in said[0].what


def test_photos_in_no_list_are_in_no_split(make_folder):
    data = make_folder(train=4)
    (data / "train.txt").write_text("train/000\ntrain/001\n")
    (data / "val.txt").write_text("train/002.png\n")
    sources = {split: open_source(data, split) for split in ("train", "val")}
    said = [finding.what for finding in check(sources) if finding.code == "FC-DATA-122"]
    assert said and all("1 photo is in no split: train/003.png" in what for what in said)


def test_prediction_walks_alike(save, tmp_path):
    for name in ("a.png", "sub/b.png", ".hidden/c.png", "@eaDir/a.png/d.png", "__MACOSX/._a.png"):
        save(RGB, f"photos/{name}")
    photos = tmp_path / "photos"
    assert [str(each.file.relative_to(photos)) for each in find_inputs([photos], "out")] == [
        "a.png", os.path.join("sub", "b.png")
    ]  # fmt: skip
    pattern = str(photos / "**" / "*.png")
    assert len(find_inputs([pattern], "out")) == 2


def test_a_pattern_may_name_debris_itself(tmp_path):
    assert is_debris_below(
        "photos/*", tmp_path.joinpath("photos/@eaDir/a.png").relative_to(tmp_path)
    )
    assert not is_debris_below("../p/@eaDir/*", tmp_path.__class__("../p/@eaDir/a.png"))


def test_a_name_in_another_unicode_form_is_found(tmp_path):
    (tmp_path / "e\u0301.png").write_bytes(b"x")
    assert existing(tmp_path / "\u00e9.png").is_file()
    assert existing(tmp_path / "none.png") == tmp_path / "none.png"
