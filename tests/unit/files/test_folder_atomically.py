"""Folders that appear whole or not at all."""

import errno
import os
import stat

import pytest

from fullconv.errors import UserError
from fullconv.files.atomic import folder_atomically


def test_a_folder_appears_when_it_is_full(tmp_path):
    out = tmp_path / "deep" / "out"
    with folder_atomically(out) as folder:
        (folder / "a").write_text("a")
        assert not out.exists()
        assert folder.parent == out.parent
    assert [path.name for path in out.parent.rglob("*")] == ["out", "a"]


@pytest.mark.parametrize("error", [UserError("no"), KeyboardInterrupt()])
def test_after_an_error_nothing_is_left(tmp_path, error):
    with pytest.raises(type(error)), folder_atomically(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        raise error
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_filled_and_a_full_one_or_a_file_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with folder_atomically(tmp_path / "empty") as folder:
        (folder / "a").write_text("a")
    for name in ("empty", "empty/a"):
        with pytest.raises(UserError, match="is not empty"), folder_atomically(tmp_path / name):
            pass


def test_a_full_disk_is_told_with_what_to_do(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError) as error, folder_atomically(out) as folder:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "a"))
    assert error.value.code == "FC-FILE-002"
    for part in (str(out / "a"), "No space left", "make room"):
        assert part in str(error.value)


def test_a_folder_has_the_rights_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        with folder_atomically(tmp_path / "out"):
            pass
        assert os.umask(0o027) == 0o027  # it is as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750
