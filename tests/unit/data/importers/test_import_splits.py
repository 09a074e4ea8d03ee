"""Splits: groups stay whole, shares are met, the seed decides."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullconv.data.importers.annotations import Item
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.mapping.assign_splits import assign, by_shares
from fullconv.errors import UserError

KEYS = st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=80)
SHARES = st.tuples(st.floats(0.01, 0.5), st.floats(0, 0.4))


def item(name, split=None):
    return Item(name, split, None, name, None)  # pyright: ignore


@given(KEYS.filter(lambda keys: len(set(keys)) > 2), SHARES, st.integers(0, 99))
def test_groups_never_straddle_and_shares_are_close(keys, shares, seed):
    wanted = {"val": shares[0], "test": shares[1]}
    splits = by_shares(keys, wanted, seed)
    homes = {}
    for key, split in zip(keys, splits, strict=True):
        assert homes.setdefault(key, split) == split
    counts, largest = Counter(splits), max(Counter(keys).values())
    assert set(counts) == {"train", "val"} | ({"test"} if shares[1] else set())
    for name, share in wanted.items():
        assert abs(counts[name] - share * len(keys)) <= 2 * largest + 1
    assert by_shares(keys, wanted, seed) == splits


@given(st.integers(4, 300), SHARES, st.integers(0, 99))
def test_single_photos_meet_their_share_exactly(number, shares, seed):
    counts = Counter(by_shares([str(n) for n in range(number)], {"val": shares[0]}, seed))
    assert counts["val"] == max(round(shares[0] * number), 1)


def test_another_seed_another_draw_and_any_order_of_files_the_same():
    keys = [str(n) for n in range(100)]
    one, other = (by_shares(keys, {"val": 0.3}, seed) for seed in (0, 1))
    assert one != other
    assert by_shares(keys[::-1], {"val": 0.3}, 0) == one[::-1]


def test_each_photo_is_as_likely_to_be_kept_back():
    keys = [str(n) for n in range(10)]
    drawn = Counter()
    for seed in range(400):
        drawn.update(k for k, s in zip(keys, by_shares(keys, {"val": 0.2}, seed), strict=True)
                     if s == "val")  # fmt: skip
    assert min(drawn.values()) > 40  # 80 expected, standard deviation 8
    assert max(drawn.values()) < 120


def test_splits_of_the_source_stay_unless_shares_are_given():
    items = [item("a", "train"), item("b", "val"), item("c")]
    splits, notes = assign(items, Request())
    assert splits == ["train", "val", "train"]
    assert "as the source" in notes[0].what
    assert [note.file for note in notes if note.kind == "no split"] == ["c"]
    split_rasters, notes = assign(items, Request(val=0.3))
    assert Counter(split_rasters) == {"train": 2, "val": 1}
    assert "given up" in notes[0].what


def test_a_source_without_val_says_so():
    _, notes = assign([item("a", "train")], Request())
    assert "no val" in notes[0].what


def test_without_splits_a_fifth_is_for_validation():
    splits, _ = assign([item(str(n)) for n in range(10)], Request())
    assert Counter(splits) == {"train": 8, "val": 2}
    assert assign([item("only")], Request())[0] == ["train"]


def test_groups_by_pattern_and_its_bracket():
    items = [item(f"{video}/f{n}") for video in "abcde" for n in range(4)]
    splits, notes = assign(items, Request(val=0.2, group="^([a-z])/"))
    assert Counter(splits) == {"train": 16, "val": 4}
    assert all(len(set(splits[n : n + 4])) == 1 for n in range(0, 20, 4))
    assert "5 groups" in notes[0].what


@pytest.mark.parametrize(
    ("items", "request_", "said"),
    [
        ([item("a"), item("b1")], {"group": "[0-9]"}, "'a'"),
        ([item("a", "val")], {"group": "a"}, "--val"),
        ([item("a"), item("b")], {"val": 0.5, "test": 0.2}, "cannot be split"),
    ],
)
def test_faults(items, request_, said):
    with pytest.raises(UserError, match=said):
        assign(items, Request(**request_))


@pytest.mark.parametrize(
    "bad",
    [
        {"val": 1},
        {"val": -0.1},
        {"val": 0.6, "test": 0.5},
        {"val": float("nan")},
        {"group": "("},
        {"line_width": 0},
    ],
)
def test_impossible_requests(bad):
    with pytest.raises(UserError, match="--"):
        Request(**bad)
