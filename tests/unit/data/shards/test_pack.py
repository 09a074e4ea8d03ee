"""What `pack` writes: WebDataset's layout, the same bytes, whole or not at all."""

import hashlib
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullconv.data import available_splits, open_source, pack
from fullconv.data.layouts.pairs import PairSource
from fullconv.errors import UserError

RNG = np.random.default_rng(0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """JPEG photos with names that a tar and WebDataset could stumble over."""
    data = tmp_path / "photos"
    names = ["0001", "street/0001", "a.b", "a_b", "x" * 120, "été", "with space"]
    for split, some in (("train", names), ("val", names[:2])):
        for number, name in enumerate(some):
            photo = RNG.integers(0, 256, (20 + number, 30, 3), np.uint8)
            for kind, pixels, ending in (
                ("images", photo, "jpg"),
                ("masks", photo[..., 0] % 3, "png"),
            ):
                file = data / kind / split / f"{name}.{ending}"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(file)
    names = "".join(f'[[class]]\nname = "{name}"\n' for name in ("ground", "cat", "dog"))
    (data / "classes.toml").write_text(names)
    return data


def sources_of(data: Path) -> dict[str, PairSource]:
    return {split: open_source(data, split) for split in available_splits(data)}


def test_webdataset_reads_the_bytes_that_were_packed(photos: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    sources = sources_of(photos)
    pack(sources, tmp_path / "shards", shard_size=20_000)
    shards = sorted(map(str, (tmp_path / "shards").glob("train-*.tar")))
    assert len(shards) > 1
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert len(samples) == len(sources["train"])
    for index, sample in enumerate(samples):
        photo, mask = sources["train"].files(index)
        assert sample["jpg"] == photo.read_bytes()
        assert sample["png"] == mask.read_bytes()
    decoded = next(iter(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8")))
    assert np.array_equal(decoded["jpg"], sources["train"][0].image)


def test_the_index_names_the_bytes_of_each_sample_and_shard(photos: Path, tmp_path: Path) -> None:
    pack(sources_of(photos), tmp_path / "shards", shard_size=20_000)
    index = json.loads((tmp_path / "shards/train.json").read_text())
    for file, size, digest in index["shards"]:
        content = (tmp_path / "shards" / file).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, digest)
        assert size <= 20_480  # a tar is filled up to 10,240 bytes
    for name, shard, start, size, mask, mask_size, height, width, digest in index["samples"]:
        content = (tmp_path / "shards" / index["shards"][shard][0]).read_bytes()
        file = photos / "images/train" / f"{name}.jpg"
        assert content[start : start + size] == file.read_bytes()
        assert hashlib.sha256(content[start : mask + mask_size]).hexdigest() == digest
        assert Image.open(file).size == (width, height)


def test_the_same_data_gives_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        pack(sources_of(photos), tmp_path / out)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_packed_samples_are_those_of_the_folder(photos: Path, tmp_path: Path) -> None:
    sources = sources_of(photos)
    pack(sources, tmp_path / "shards", shard_size=20_000)
    assert available_splits(tmp_path / "shards") == ["train", "val"]
    for split, source in sources.items():
        packed = open_source(tmp_path / "shards", split)
        assert tuple(packed.names) == tuple(source.names)
        assert packed.classes == source.classes
        for index in reversed(range(len(source))):
            assert np.array_equal(packed[index].image, source[index].image)
            assert np.array_equal(packed[index].mask, source[index].mask)
            assert np.array_equal(packed.mask(index), source.mask(index))


def test_photos_that_are_png_leave_the_masks_an_ending_of_their_own(make_folder, tmp_path) -> None:
    data = make_folder(train=2)
    pack(sources_of(data), tmp_path / "shards")
    with tarfile.open(tmp_path / "shards/train-000000.tar") as tar:
        assert tar.getnames()[:2] == ["000.png", "000.mask.png"]
    source, packed = open_source(data, "train"), open_source(tmp_path / "shards", "train")
    assert np.array_equal(packed[1].mask, source[1].mask)


def test_masks_that_are_no_png_of_class_values_are_written_as_one(make_folder, tmp_path) -> None:
    data = make_folder(train=2)
    for mask in (data / "masks/train").glob("*.png"):
        Image.open(mask).save(mask.with_suffix(".tif"))
        mask.unlink()
    source = open_source(data, "train")
    pack({"train": source}, tmp_path / "shards")
    packed = open_source(tmp_path / "shards", "train")
    assert np.array_equal(packed[1].mask, source[1].mask)


def test_overlapping_classes_keep_a_mask_for_each(save, tmp_path: Path) -> None:
    classes = '[[class]]\nname = "cat"\n[[class]]\nname = "dog"\n[[class]]\nname = "hat"\n'
    for name in ("0001", "0002"):
        save(RNG.integers(0, 256, (10, 14, 3), np.uint8), f"many/images/train/{name}.png")
        for kind in ("cat", "dog", "hat"):
            mask = RNG.integers(0, 2, (10, 14), np.uint8)
            save(mask, f"many/masks/train/{kind}/{name}.png")
    (tmp_path / "many/classes.toml").write_text(classes)
    source = open_source(tmp_path / "many", "train")
    assert source.classes.is_overlapping
    pack({"train": source}, tmp_path / "shards")
    packed = open_source(tmp_path / "shards", "train")
    assert packed.classes == source.classes
    for index in range(2):
        assert packed[index].mask.shape == (10, 14, 3)
        assert np.array_equal(packed[index].mask, source[index].mask)


def test_photos_without_masks_stay_without(make_folder, tmp_path: Path) -> None:
    data = make_folder(train=3)
    (data / "masks/train/001.png").unlink()
    pack(sources_of(data), tmp_path / "shards")
    packed = open_source(tmp_path / "shards", "train")
    assert [packed[index].mask is None for index in range(3)] == [False, True, False]
    assert packed.mask(1) is None


def test_an_error_halfway_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    source = open_source(photos, "train")
    missing = replace(source, photos=(*source.photos[:-1], photos / "gone.jpg"))
    with pytest.raises(UserError) as error:
        pack({"train": missing}, tmp_path / "out/shards")
    assert (error.value.code, "gone.jpg" in str(error.value)) == ("FC-FILE-003", True)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards/mine.txt").write_text("mine")
    with pytest.raises(UserError) as error:
        pack(sources_of(photos), tmp_path / "shards")
    assert error.value.code == "FC-FILE-006"
    assert [file.name for file in (tmp_path / "shards").iterdir()] == ["mine.txt"]


def test_what_has_no_files_cannot_be_packed(photos: Path, tmp_path: Path) -> None:
    pack(sources_of(photos), tmp_path / "shards")
    for data in ("shapes:32x32:n=10", tmp_path / "shards"):
        with pytest.raises(UserError) as error:
            pack({"train": open_source(data, "train")}, tmp_path / "again")
        assert error.value.code == "FC-SHARDS-008"
