"""A source written as a folder is the same data set again."""

import errno
from pathlib import Path

import numpy as np
import pytest

from fullconv.data import open_source
from fullconv.data.export_folder import write_folder
from fullconv.errors import UserError


def test_written_shapes_read_back_equal(tmp_path: Path) -> None:
    shapes = [open_source("shapes:64x80:n=20", split) for split in ("train", "val")]
    folder = write_folder(shapes, tmp_path / "data", limit=2)
    again = open_source(folder, "train")
    assert len(again) == 2 and again.classes == shapes[0].classes
    for index in range(2):
        np.testing.assert_array_equal(again[index].mask, shapes[0][index].mask)
        difference = again[index].image.astype(int) - shapes[0][index].image
        assert abs(difference).mean() < 6  # what JPEG costs
    with pytest.raises(UserError, match="is not empty"):
        write_folder(shapes, folder)


def test_a_full_disk_is_said_with_the_folder(tmp_path: Path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")  # as a write, it names no file

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError) as caught:
        write_folder([open_source("shapes:48x64:n=2", "train")], tmp_path / "data")
    assert caught.value.code == "FC-FILE-002"
    assert str(caught.value).startswith(f"{tmp_path / 'data'}: ")


def test_a_folder_that_could_not_be_finished_is_not_left_behind(tmp_path):
    """As when the disk is full: the third photo cannot be written."""
    source = open_source("shapes:32x32:n=10", "train")

    class Full:
        classes, split, names = source.classes, source.split, source.names

        def __len__(self):
            return len(source)

        def __getitem__(self, index):
            if index == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            return source[index]

    with pytest.raises(UserError, match="No space left") as caught:
        write_folder([Full()], tmp_path / "data")
    assert caught.value.code == "FC-FILE-002"
    assert list(tmp_path.iterdir()) == []
