"""Copies of data sets make room for others, unless somebody uses them."""

import os
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from fullconv.data import CacheOptions
from fullconv.data.remote.copies_in_use import USED, hold, let_go
from fullconv.data.remote.local_copy import local_copy

SIZE = 1000
HOLDS = """
import sys
from pathlib import Path
from fullconv.data.remote.copies_in_use import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _nothing_held():
    let_go()
    yield
    let_go()


@pytest.fixture
def three():
    """The URLs of three folders of 1000 bytes each."""
    files = fsspec.filesystem("memory")
    for name in "abc":
        files.pipe_file(f"/room/{name}/photo.png", b"x" * SIZE)
    yield [f"memory://room/{name}" for name in "abc"]
    files.rm("/room", recursive=True)


def with_room_for(number: int) -> CacheOptions:
    return CacheOptions(limit=number * SIZE + 500)  # and the records


def copied(url: str, number: int = 2) -> Path:
    return local_copy(url, with_room_for(number))


def aged(copy: Path, seconds: int) -> None:
    used = copy.parent / USED
    when = used.stat().st_mtime - seconds
    os.utime(used, (when, when))


def test_the_least_recently_used_copy_goes(three, capsys) -> None:
    a, b = copied(three[0]), copied(three[1])
    aged(a, 100)
    aged(b, 200)
    let_go()
    c = copied(three[2])
    assert (a.exists(), b.exists(), c.exists()) == (True, False, True)
    assert "1 copies of other data sets were removed" in capsys.readouterr().err
    assert sorted(path.name[0] for path in a.parent.parent.iterdir()).count(".") == 0
    assert copied(three[1], 3).joinpath("photo.png").read_bytes() == b"x" * SIZE


def test_a_use_counts_although_nothing_is_fetched(three) -> None:
    a, b = copied(three[0]), copied(three[1])
    aged(a, 200)
    aged(b, 100)
    copied(three[0])
    let_go()
    copied(three[2])
    assert (a.exists(), b.exists()) == (True, False)


def test_with_room_for_all_none_goes(three) -> None:
    copies = []
    for url in three:
        copies.append(copied(url, 3))
        let_go()
    assert all(copy.exists() for copy in copies)


def test_what_this_process_uses_stays(three) -> None:
    copies = [copied(url, 1) for url in three]
    assert all(copy.exists() for copy in copies)


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_what_another_process_uses_stays_until_it_ends(three) -> None:
    a, b = copied(three[0]), copied(three[1])
    aged(a, 200)
    let_go()
    command = [sys.executable, "-c", HOLDS, str(a.parent)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "held\n"
        aged(a, 400)
        copied(three[2], 1)
        assert (a.exists(), b.exists()) == (True, False)
        other.kill()
    let_go()
    copied(three[1], 1)
    assert not a.exists()


def test_a_removal_that_was_killed_is_completed_and_other_files_stay(three) -> None:
    a = copied(three[0])
    datasets = a.parent.parent
    left = datasets / ".0123456789abcdef.gone"
    left.mkdir()
    (datasets / "of an earlier version").mkdir()
    (datasets / "a file").touch()
    let_go()
    copied(three[1], 1)
    assert not left.exists() and not a.exists()
    assert (datasets / "of an earlier version").is_dir() and (datasets / "a file").is_file()


def test_a_copy_can_be_held_twice(tmp_path: Path) -> None:
    for _ in range(2):
        hold(tmp_path / "copy")
    assert (tmp_path / "copy" / USED).is_file()
