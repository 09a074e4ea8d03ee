"""What is left on the disk when a process dies, at any place."""

import os

import numpy as np
import pytest

from fullconv.inference.rasters import partial
from fullconv.inference.rasters.partial import Partial

JOB = {"net": "abc", "tile": 512}


def rows(first, last, width=7):
    return (np.arange(first, last)[:, None] * 3 + np.arange(width)).astype(np.uint8)


@pytest.fixture
def opened(tmp_path):
    return lambda job=JOB, height=20: Partial(
        tmp_path / "out" / "scene.tif.partial", (height, 7), np.uint8, job
    )


def test_it_goes_on_where_it_was(opened) -> None:
    first = opened()
    assert (first.rows, first.stale) == (0, [])
    first.append(rows(0, 8))
    second = opened()
    assert (second.rows, second.stale) == (8, [])
    second.append(rows(8, 20))
    assert np.array_equal(opened().read(slice(0, 20)), rows(0, 20))
    assert np.array_equal(opened().read(slice(7, 9)), rows(7, 9))


def test_rows_that_the_journal_does_not_count_are_written_again(opened) -> None:
    opened().append(rows(0, 8))
    with opened().path.open("ab") as file:
        file.write(b"half of the next row of tiles")
    again = opened()
    assert again.rows == 8
    again.append(rows(8, 20))
    assert np.array_equal(opened().read(slice(0, 20)), rows(0, 20))


def test_a_dying_disk_leaves_what_was_counted(opened, monkeypatch) -> None:
    opened().append(rows(0, 8))

    def fails(handle):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="Input"):
            opened().append(rows(8, 12))
    assert opened().rows == 8
    assert np.array_equal(opened().read(slice(0, 8)), rows(0, 8))


def test_another_job_begins_anew_and_says_what_differs(opened) -> None:
    opened().append(rows(0, 8))
    other = opened({"net": "def", "tile": 256})
    assert (other.rows, other.stale) == (0, ["another net", "another tile"])
    assert opened({**JOB, "more": 1}).stale == ["another more"]
    assert opened().rows == 8  # as long as the other has written nothing
    other.append(rows(5, 9))
    assert opened().stale == ["another net", "another tile"]
    assert np.array_equal(opened(other.job).read(slice(0, 4)), rows(5, 9))


def test_rows_never_meet_the_journal_of_another_job(opened, monkeypatch) -> None:
    """Killed after the rows and before the journal."""
    opened().append(rows(0, 8))
    with monkeypatch.context() as patch:
        patch.setattr(partial, "write_atomically", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            opened({"net": "def", "tile": 512}).append(rows(5, 20))
    assert opened().rows == 0


@pytest.mark.parametrize(
    "journal",
    ["", "{", "[]", "null", '{"rows": 8}', '{"format": 3, "job": [], "rows": 8}',
     '{"format": 3, "job": {"net": "abc", "tile": 512}, "rows": "many"}',
     '{"format": 3, "job": {"net": "abc", "tile": 512}, "rows": 21}',
     '{"format": 3, "job": {"net": "abc", "tile": 512}, "rows": -1}',
     '{"format": 3, "job": {"net": "abc", "tile": 512}, "rows": 9}'],
)  # fmt: skip
def test_a_journal_that_is_wrong_begins_anew(opened, journal) -> None:
    opened().append(rows(0, 8))
    opened().journal.write_text(journal)
    assert (opened().rows, opened().stale) == (0, ["a damaged journal"])


def test_a_journal_of_another_version_begins_anew(opened) -> None:
    opened().append(rows(0, 8))
    journal = opened().journal
    journal.write_text(journal.read_text().replace('"format": 3', '"format": 2'))
    assert (opened().rows, opened().stale) == (0, ["another format"])


def test_nothing_stays_behind(opened) -> None:
    whole = opened()
    whole.append(rows(0, 20))
    whole.remove()
    assert not list(whole.path.parent.iterdir())
    assert opened().rows == 0
