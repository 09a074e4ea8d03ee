"""Files of a repository that was cloned without Git LFS: every reader says so."""

import pytest

from fullconv.checkpoints import load
from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes
from fullconv.data import read_mask, read_photo
from fullconv.data.layouts.listing import read_lines
from fullconv.errors import UserError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
READERS = {
    "photo.jpg": read_photo,
    "photo.tif": read_photo,
    "mask.png": lambda file: read_mask(file, ClassSet(("a", "b"))),
    "classes.toml": read_classes,
    "labels.txt": read_classes,
    "class_dict.csv": read_classes,
    "train.txt": read_lines,
    "model.safetensors": load,
}


@pytest.mark.parametrize("name", READERS)
def test_a_pointer_is_named_with_the_command_that_fetches_the_file(name, tmp_path):
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(UserError, match="git lfs pull") as caught:
        READERS[name](tmp_path / name)
    assert caught.value.code == "FC-FILE-013"
    assert str(caught.value).startswith(str(tmp_path / name))


def test_an_empty_photo_is_said_to_be_empty(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UserError, match="is empty") as caught:
        read_photo(tmp_path / "a.jpg")
    assert caught.value.code == "FC-DATA-003"
