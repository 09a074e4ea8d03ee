"""Damaged shards and indexes end with one line; batches are those of the folder."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from fullconv.data import Augmentation, check, loader, open_source
from fullconv.data.splits.subset import with_photos
from fullconv.errors import UserError


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_folder_at_any_step_and_rank(packed, workers: int) -> None:
    how = Augmentation(crop=(16, 16), hflip=True, cutmix=0.5, paste=0.5)
    options = {"batch_size": 2, "augmentation": how, "seed": 3, "start_step": 5, "stop_step": 9}
    for rank in range(2):
        ranks = {"rank": rank, "world": 2, "workers": workers}
        folder, shards = (
            list(loader(open_source(data, "train"), **options, **ranks)) for data in packed
        )
        for one, other in zip(folder, shards, strict=True):
            assert one.names == other.names
            assert np.array_equal(one.images.numpy(), other.images.numpy())
            assert np.array_equal(one.masks.numpy(), other.masks.numpy())


def test_chosen_photos_and_copies_in_other_processes_are_the_same(packed) -> None:
    source, shards = (open_source(data, "train") for data in packed)
    names = [source.names[place] for place in (5, 0, 3)]
    some = pickle.loads(pickle.dumps(with_photos(shards, names, "half")))
    assert list(some.names) == names
    assert np.array_equal(some[2].image, source[3].image)


def test_the_check_of_shards_is_clean(packed) -> None:
    assert check({split: open_source(packed[1], split) for split in ("train", "val")}) == []


@pytest.mark.parametrize("size", [0, 100, 5_000])
def test_a_truncated_shard_is_named_before_the_first_sample(packed, size: int) -> None:
    shard = packed[1] / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:size])
    with pytest.raises(UserError) as error:
        open_source(packed[1], "train")
    assert (error.value.code, shard.name in str(error.value)) == ("FC-SHARDS-005", True)
    assert len(open_source(packed[1], "val")) == 2


def test_a_missing_shard_is_named(packed) -> None:
    (packed[1] / "val-000000.tar").unlink()
    with pytest.raises(UserError) as error:
        open_source(packed[1], "val")
    assert (error.value.code, "val-000000.tar" in str(error.value)) == ("FC-SHARDS-003", True)


def test_a_changed_byte_is_noticed_by_its_digest(packed) -> None:
    source = open_source(packed[1], "train")
    shard = packed[1] / "train-000000.tar"
    content = bytearray(shard.read_bytes())
    content[int(source.index.spans[0, 1]) + 60] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError) as error:
        source[0]
    assert (error.value.code, shard.name in str(error.value)) == ("FC-SHARDS-005", True)


def change(file: Path, **values) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    "values",
    [
        {"format": "another"},
        {"version": 2},
        {"classes": 3},
        {"range": [1, "x"]},
        {"splits": []},
        {"splits": {"train": {"photos": -1, "file": "a", "size": 1, "sha256": "0" * 64}}},
        {"splits": {"train": {"photos": 1, "file": "../a", "size": 1, "sha256": "0" * 64}}},
    ],
)
def test_a_damaged_index_is_one_line(packed, values) -> None:
    change(packed[1] / "shards.json", **values)
    with pytest.raises(UserError) as error:
        open_source(packed[1], "train")
    assert error.value.code == "FC-SHARDS-007"
    assert "shards.json" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"null"])
def test_an_index_that_is_no_json_is_one_line(packed, content: bytes) -> None:
    (packed[1] / "shards.json").write_bytes(content)
    with pytest.raises(UserError) as error:
        open_source(packed[1], "train")
    assert error.value.code.startswith("FC-") and "shards.json" in str(error.value)


@pytest.mark.parametrize(
    "row",
    [
        ["0", 9, 512, 5, 1024, 5, 1, 1, "0" * 64],
        ["0", 0, -1, 5, 1024, 5, 1, 1, "0" * 64],
        ["0", 0, 512, 2**40, 2**41, 5, 1, 1, "0" * 64],
        ["0", 0, 512, 5, 100, 5, 1, 1, "0" * 64],
        ["0", 0, 512, 5, 1024, 5, 1, 1, "zz"],
        ["0", 0, 512],
        ["0", 0, 1e300, 5, 1024, 5, 1, 1, "0" * 64],
        ["0", 0, "x", 5, 1024, 5, 1, 1, "0" * 64],
    ],
)
def test_samples_outside_of_their_shards_are_refused(packed, row) -> None:
    import hashlib

    file = packed[1] / "val.json"
    content = json.loads(file.read_text())
    text = json.dumps(content | {"samples": [content["samples"][0], row]})
    file.write_text(text)
    splits = json.loads((packed[1] / "shards.json").read_text())["splits"]
    splits["val"] |= {"size": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    change(packed[1] / "shards.json", splits=splits)
    with pytest.raises(UserError) as error:
        open_source(packed[1], "val")
    assert (error.value.code, "val.json" in str(error.value)) == ("FC-SHARDS-007", True)
