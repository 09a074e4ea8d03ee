"""Folders that appear whole or not at all."""

import pytest

from fullconv.atomic import folder_atomically
from fullconv.errors import UserError


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
