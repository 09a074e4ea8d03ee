"""A check reads only what is new or changed, and finds the same as one that reads everything."""

import os
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.data import (
    DatasetSource,
    Sample,
    available_splits,
    check,
    largest_photo,
    open_source,
    with_measured_range,
)
from fullconv.data.checks import examine_many
from fullconv.data.listing_cache import cached_listings
from fullconv.data.reading import file_stamps, photo_heads
from fullconv.data.splits.random_split import random_split
from fullconv.data.splits.subset import with_photos


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data(make_folder, save) -> Path:
    """Six photos, one of them broken, one with a wrong mask, and older than a moment."""
    folder = make_folder(train=4, val=2)
    (folder / "images/train/001.png").write_bytes(b"no picture")
    save(np.full((24, 32), 9, np.uint8), "set/masks/val/001.png")
    make_older(folder)
    return folder


def make_older(folder: Path) -> None:
    for file in folder.rglob("*.*"):
        os.utime(file, (time.time() - 100, time.time() - 100 - hash(file.name) % 50))


def checked(data: Path, again: bool = False, **options):
    """The findings, and how many photos were read of how many."""
    counts = []
    sources = {split: open_source(data, split, **options) for split in available_splits(data)}
    findings = check(sources, counted=lambda *of: counts.append(of), again=again)
    return findings, counts[0]


def test_nothing_is_read_twice_and_the_findings_are_the_same(data: Path) -> None:
    first, counts = checked(data)
    assert counts == (6, 6)
    assert {finding.code for finding in first} == {"FC-DATA-002", "FC-DATA-014"}
    assert checked(data) == (first, (0, 6))
    assert checked(data, again=True) == (first, (6, 6))


def replaced_photo(data: Path) -> None:
    shutil.copy(data / "images/train/000.png", data / "images/train/001.png")


def replaced_mask(data: Path) -> None:
    shutil.copy(data / "masks/val/000.png", data / "masks/val/001.png")


def new_photo(data: Path) -> None:
    for kind in ("images", "masks"):
        shutil.copy(data / kind / "train/000.png", data / kind / "train/new.png")


def removed_mask(data: Path) -> None:
    (data / "masks/train/003.png").unlink()


def removed_photo(data: Path) -> None:
    (data / "images/train/003.png").unlink()


def same_size_other_time(data: Path) -> None:
    file = data / "masks/train/002.png"
    content = bytearray(file.read_bytes())
    content[-20] ^= 255
    file.write_bytes(content)
    os.utime(file, (time.time() - 60, time.time() - 60))


@pytest.mark.parametrize(
    ("change", "read"),
    [
        (replaced_photo, 1),
        (replaced_mask, 1),
        (new_photo, 1),
        (removed_mask, 1),
        (removed_photo, 0),
        (same_size_other_time, 1),
    ],
)
def test_what_has_changed_is_read_and_found_as_by_a_whole_check(data, change, read) -> None:
    checked(data)
    change(data)
    time.sleep(0.06)
    findings, (again, _) = checked(data)
    assert again == read
    assert findings == checked(data, again=True)[0]


def test_other_classes_read_everything_again(data: Path, tmp_path: Path) -> None:
    checked(data)
    text = (data / "classes.toml").read_text() + "".join(
        f'[[class]]\nname = "more{number}"\n' for number in range(7)
    )
    (tmp_path / "more.toml").write_text(text)
    findings, counts = checked(data, classes=tmp_path / "more.toml")
    assert counts == (6, 6)
    assert "FC-DATA-014" not in {finding.code for finding in findings}
    assert checked(data)[1] == (0, 6)


def test_a_file_that_was_just_written_is_read_again(data: Path) -> None:
    replaced_photo(data)
    os.utime(data / "images/train/001.png", (time.time() + 100, time.time() + 100))
    assert checked(data)[1] == (6, 6)
    assert checked(data)[1] == (1, 6)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 damaged", None])
def test_a_damaged_store_is_left_aside(data: Path, cache: Path, damage: bytes | None) -> None:
    first, _ = checked(data)
    for store in (cache / "checks").glob("*.npz"):
        content = store.read_bytes()
        store.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert checked(data) == (first, (6, 6))
    assert checked(data) == (first, (0, 6))


def test_a_store_that_cannot_be_written_changes_nothing(data: Path, cache: Path) -> None:
    first, _ = checked(data)
    shutil.rmtree(cache)
    cache.write_text("a file where the folder should be")
    assert checked(data) == (first, (6, 6))


def test_masks_of_overlapping_classes_are_watched_one_by_one(save, tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        for name in ("1", "2"):
            save(np.zeros((8, 8, 3), np.uint8), f"many/images/train/{name}.png")
            save(np.eye(8, dtype=np.uint8), f"many/masks/train/{kind}/{name}.png")
    (tmp_path / "many/classes.toml").write_text(
        '[[class]]\nname = "cat"\n[[class]]\nname = "dog"\n'
    )
    make_older(tmp_path / "many")
    assert checked(tmp_path / "many")[1] == (2, 2)
    assert checked(tmp_path / "many")[1] == (0, 2)
    save(np.full((8, 8), 7, np.uint8), "many/masks/train/dog/2.png")
    findings, counts = checked(tmp_path / "many")
    assert counts == (1, 2)
    assert [finding.file.endswith("dog/2.png") for finding in findings if finding.code]


def test_objects_from_python_are_always_read() -> None:
    class Two:
        classes = ("a", "b")

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Sample:
            return Sample("", np.zeros((4, 4, 3), np.uint8), np.eye(4, dtype=np.uint8))

    counts = []
    for _ in range(2):
        check({"train": DatasetSource(Two(), "train")}, counted=lambda *of: counts.append(of))
    assert counts == [(2, 2), (2, 2)]


def test_processes_find_what_threads_find(data: Path, monkeypatch) -> None:
    by_threads, _ = checked(data)
    monkeypatch.setattr(examine_many, "FEW", 1)
    monkeypatch.setattr(examine_many, "CHUNK", 2)
    monkeypatch.setattr(examine_many, "_cores", lambda: 2)
    pids = []
    original = examine_many._by_threads
    monkeypatch.setattr(examine_many, "_by_threads", lambda *of: pids.append(1) or original(*of))
    assert checked(data, again=True)[0] == by_threads
    assert not pids


def test_heads_of_many_photos_are_read_once(data: Path, save, monkeypatch) -> None:
    save(RNG.integers(0, 256, (50, 40, 3), np.uint8), "set/images/train/003.png")
    (data / "images/train/001.png").unlink()
    save(RNG.integers(0, 4000, (24, 32), np.uint16), "set/images/train/001.png")
    make_older(data)
    plain = open_source(data, "train")
    expected = largest_photo(plain), with_measured_range({"train": plain})[2]
    assert expected[0] == (50, 40) and "1 photos of 16 bits" in expected[1]
    monkeypatch.setattr(photo_heads, "MANY", 1)
    for is_first in (True, False):
        source = open_source(data, "train")
        if not is_first:
            monkeypatch.setattr(photo_heads, "size_said", lambda _: pytest.fail("was read again"))
        assert (largest_photo(source), with_measured_range({"train": source})[2]) == expected
    Image.fromarray(RNG.integers(0, 256, (60, 60, 3), np.uint8)).save(data / "images/train/000.png")
    monkeypatch.undo()
    monkeypatch.setattr(photo_heads, "MANY", 1)
    assert largest_photo(open_source(data, "train")) == (60, 60)


def test_heads_of_two_splits_of_one_folder_are_both_kept(data: Path, monkeypatch) -> None:
    monkeypatch.setattr(photo_heads, "MANY", 1)
    monkeypatch.setattr(photo_heads, "MOST_OTHERS", 4)
    for number in range(3):
        source = open_source(data, "all")
        parts = source.names[:3], source.names[3:]
        assert [largest_photo(with_photos(source, names, "x")) for names in parts] == [(24, 32)] * 2
        if number == 1:
            monkeypatch.setattr(photo_heads, "size_said", lambda _: pytest.fail("was read again"))


def counted_looks(monkeypatch) -> Counter[str]:
    looks: Counter[str] = Counter()
    look = file_stamps._size_and_time
    monkeypatch.setattr(
        file_stamps, "_size_and_time", lambda path: looks.update([path]) or look(path)
    )
    return looks


def test_a_command_looks_at_each_file_once(data: Path, monkeypatch) -> None:
    monkeypatch.setattr(photo_heads, "MANY", 1)
    make_older(data)
    looks = counted_looks(monkeypatch)
    with cached_listings():
        for _ in range(3):
            source = open_source(data, "all")
            split = random_split(source.names, 0)
            parts = {name: with_photos(source, names, name) for name, names in split.items()}
            with_measured_range(parts)
            list(map(largest_photo, parts.values()))
            check(parts)
    files = {str(file) for file in data.rglob("*.png")}
    assert files == set(looks) and set(looks.values()) == {1}


def test_a_file_that_changes_between_two_checks_of_one_source_is_seen(data: Path) -> None:
    sources, counts = {"train": open_source(data, "train")}, []
    for change in (lambda _: None, lambda _: None, replaced_photo, same_size_other_time):
        change(data)
        time.sleep(0.06)
        check(sources, counted=lambda read, _: counts.append(read))
    assert counts == [4, 0, 1, 1]


RNG = np.random.default_rng(0)
