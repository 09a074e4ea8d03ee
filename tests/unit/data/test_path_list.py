"""Names and paths in one block: a tuple of them in all but the memory."""

import os
import pickle
import sys
from operator import add
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.data.path_list import NameList, PathList

NAMES = st.lists(st.text(st.characters(), max_size=6), max_size=8)
PARTS = st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=4).filter(
    lambda part: part not in (".", "..")
)
PATHS = st.lists(
    st.none() | st.builds(Path, st.sampled_from(["/a/b", "/a/bc", "x", "/"]), PARTS), max_size=8
)


@given(NAMES)
def test_a_list_of_names_is_as_the_tuple(names) -> None:
    assert_same(NameList.of(names), names)


@given(PATHS)
def test_a_list_of_paths_is_as_the_tuple(paths) -> None:
    packed = PathList.of(paths)
    assert_same(packed, paths)
    assert packed.has.tolist() == [path is not None for path in paths]
    assert list(packed.texts()) == ["" if path is None else str(path) for path in paths]
    assert packed.absolute() == [path and path.absolute() for path in paths]
    there = [path for path in paths if path is not None]
    assert PathList.of([str(path) for path in there]) == there


def assert_same(packed, items) -> None:
    assert list(packed) == [packed[n] for n in range(len(packed))] == items
    assert packed == items and packed == tuple(items) and tuple(items) == packed
    assert (packed == [*items, "more"]) is False
    assert packed + packed == (*items, *items) and add(("a",), packed) == ("a", *items)
    assert packed[1:] == tuple(items[1:]) and packed[::-1] == tuple(items[::-1])
    assert packed.digest() == type(packed).of(list(items)).digest()
    assert packed.digest() != type(packed).of([*items, items[0] if items else "x"]).digest()
    assert pickle.loads(pickle.dumps(packed)) == packed
    for places in ([], list(range(len(items)))[::-1], [0, 0] if items else []):
        chosen = packed.chosen(places)
        assert type(chosen) is type(packed) and chosen == [items[place] for place in places]
    with pytest.raises(IndexError):
        packed[len(items)]
    assert not items or packed[-1] == items[-1]


def test_names_that_are_no_utf_8_come_back_as_they_were() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    assert NameList.of([name, "é", "\ud800"]) == [name, "é", "\ud800"]
    assert PathList.of([Path("/a", name)])[0] == Path("/a", name)


def test_a_list_takes_a_tenth_of_the_objects() -> None:
    paths = [Path(f"/data/photos/images/train/{number:06}.jpg") for number in range(1000)]
    objects = sum(map(sys.getsizeof, paths)) + sum(sys.getsizeof(str(path)) for path in paths)
    packed = PathList.of(paths)
    assert packed.nbytes < objects / 5
    assert packed.nbytes <= 1000 * (len("000000.jpg") + 8)
    assert repr(packed).startswith("PathList(") and len(repr(packed)) < 200


def test_a_list_is_taken_as_it_is() -> None:
    names, paths = NameList.of(["a"]), PathList.of([None])
    assert NameList.of(names) is names and PathList.of(paths) is paths
