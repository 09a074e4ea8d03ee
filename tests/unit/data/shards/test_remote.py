"""Shards behind a URL: the same samples, a cache with a limit, errors of one line."""

import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from fsspec.registry import _registry

from fullconv.data import CacheOptions, available_splits, loader, open_source
from fullconv.data.shards.cache import RangeCache, size_in_bytes
from fullconv.errors import UserError


def shards_asked(server) -> list[str]:
    return [name for name in server.asked if name.endswith(".tar")]


def assert_same(source, other) -> None:
    assert list(source.names) == list(other.names)
    for index in range(len(source)):
        assert np.array_equal(source[index].image, other[index].image)
        assert np.array_equal(source[index].mask, other[index].mask)


def test_samples_over_http_are_those_of_the_folder_and_come_once(packed, server) -> None:
    url = f"{server.url}/shards"
    assert available_splits(url) == ["train", "val"]
    source = open_source(packed[0], "train")
    assert_same(source, open_source(url, "train"))
    assert len(shards_asked(server)) == 7
    again = open_source(f"{url}/", "train")
    assert_same(source, again)
    assert len(shards_asked(server)) == 7  # the rest is from the cache
    assert np.array_equal(again.mask(3), source.mask(3))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_over_http_are_those_of_the_folder(packed, server, workers: int) -> None:
    options = {"batch_size": 3, "seed": 1, "start_step": 2, "stop_step": 8, "workers": workers}
    sources = open_source(packed[0], "train"), open_source(f"{server.url}/shards", "train")
    for one, other in zip(*(loader(source, **options) for source in sources), strict=True):
        assert one.names == other.names
        assert np.array_equal(one.images.numpy(), other.images.numpy())


def test_what_comes_next_is_read_ahead_at_once(packed, server) -> None:
    source = open_source(f"{server.url}/shards", "train")
    server.latency = 0.3  # in which also a busy machine sends several requests
    list(loader(source, batch_size=2, stop_step=4))
    assert server.most_at_once >= 4


def test_samples_read_in_order_are_read_ahead_at_once(packed, server) -> None:
    source = open_source(f"{server.url}/shards", "train")
    server.latency = 0.3  # in which also a busy machine sends several requests
    for index in range(len(source)):
        source[index]
    assert server.most_at_once >= 4


def test_a_server_without_ranges_gives_the_same(packed, server) -> None:
    server.knows_ranges = False
    assert_same(open_source(packed[0], "val"), open_source(f"{server.url}/shards", "val"))


def test_a_busy_server_is_asked_again(packed, server) -> None:
    server.failures = [2, 503]
    assert len(open_source(f"{server.url}/shards", "train")) == 7


def refusal(data: str, code: str) -> str:
    with pytest.raises(UserError) as error:
        source = open_source(data, "train")
        for index in range(len(source)):
            source[index]
    assert error.value.code == code
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_address_without_shards_is_named(server) -> None:
    message = refusal(f"{server.url}/nowhere", "FC-SHARDS-003")
    assert "nowhere/shards.json" in message
    assert "does not list the files of a folder" in message


@pytest.mark.parametrize("status", [403, 500])
def test_a_server_that_refuses_is_named(packed, server, status: int) -> None:
    server.failures = [100, status]
    assert f"{server.url}/shards/shards.json" in refusal(f"{server.url}/shards", "FC-SHARDS-004")


def test_a_server_that_is_not_there_is_named(server) -> None:
    assert "127.0.0.1:9/" in refusal("http://127.0.0.1:9/shards", "FC-SHARDS-004")


def test_a_connection_that_is_cut_is_named(packed, server) -> None:
    server.cut = 10
    refusal(f"{server.url}/shards", "FC-SHARDS-004")


def test_a_shard_that_is_truncated_on_the_server_is_named(packed, server) -> None:
    shard = packed[1] / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:2_000])
    message = refusal(f"{server.url}/shards", "FC-SHARDS-005")
    assert "shards/train-000001.tar" in message


def test_a_shard_of_other_bytes_on_the_server_is_named(packed, server) -> None:
    shard = packed[1] / "train-000000.tar"
    shard.write_bytes(bytes(reversed(shard.read_bytes())))
    assert shard.name in refusal(f"{server.url}/shards", "FC-SHARDS-005")


def test_errors_do_not_show_the_password_of_an_address(server) -> None:
    url = server.url.replace("://", "://me:secret@")
    assert "secret" not in refusal(f"{url}/nowhere", "FC-SHARDS-003")


@pytest.mark.parametrize(
    ("url", "package"),
    [("s3://b/shards", "s3fs"), ("http://127.0.0.1:9/s", "aiohttp"), ("gs://b/shards", "gcsfs")],
)
def test_a_package_that_is_missing_is_named(monkeypatch, url: str, package: str) -> None:
    for name in [*sys.modules]:
        if name.split(".")[0] == package:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    # What another test has opened is still known there.
    monkeypatch.delitem(_registry, url.partition(":")[0], raising=False)
    assert f"needs {package}" in refusal(url, "FC-SHARDS-001")


def test_an_unknown_protocol_is_named() -> None:
    assert "nothing://" in refusal("nothing://bucket/shards", "FC-SHARDS-002")


def test_a_damaged_file_of_the_cache_is_read_again(packed, server, tmp_path: Path) -> None:
    source = open_source(f"{server.url}/shards", "val")
    images = [source[index].image for index in range(2)]
    for file in (tmp_path / "cache/shards").glob("*/*"):
        file.write_bytes(file.read_bytes()[:-1])
    again = open_source(f"{server.url}/shards", "val")
    assert all(np.array_equal(again[index].image, images[index]) for index in range(2))
    assert len(shards_asked(server)) == 4


def test_no_cache_keeps_nothing(packed, server, tmp_path: Path) -> None:
    options = CacheOptions(tmp_path / "own", 0)
    source = open_source(f"{server.url}/shards", "train", cache=options)
    assert np.array_equal(source[0].image, source[0].image)
    assert not (tmp_path / "own").exists()


def test_a_cache_that_cannot_be_written_is_named(packed, server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = CacheOptions(tmp_path / "file/cache")
    with pytest.raises(UserError) as error:
        open_source(f"{server.url}/shards", "train", cache=options)[0]
    assert (error.value.code, "file/cache" in str(error.value)) == ("FC-SHARDS-006", True)


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def fill(folder: Path, number: int) -> None:
    cache = RangeCache(folder, 100_000)
    random = np.random.default_rng(number)
    for _ in range(200):
        content = random.bytes(1_000)
        digest = random.bytes(32)
        cache.put(digest, content)
        assert cache.get(digest) in (None, content)


def test_processes_that_fill_a_cache_together_keep_its_limit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    fillers = [context.Process(target=fill, args=(tmp_path / "c", n)) for n in range(3)]
    for filler in fillers:
        filler.start()
    for filler in fillers:
        filler.join()
    assert [filler.exitcode for filler in fillers] == [0, 0, 0]
    assert 50_000 < bytes_in(tmp_path / "c") <= 100_000


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, 10_000)
    digests = [bytes([number]) * 32 for number in range(9)]
    for number, digest in enumerate(digests):
        cache.put(digest, bytes(1_000))
        file = next(tmp_path.glob(f"*/{digest.hex()}"))
        os.utime(file, (number, number))
    assert cache.get(digests[0])  # a use
    cache.put(b"x" * 32, bytes(1_000))
    assert cache.get(digests[0]) is not None
    assert cache.get(digests[1]) is None
    assert cache.get(b"x" * 32) is not None


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("256MB", 2**28), ("1.5 GiB", 3 * 2**29), ("10k", 10_240)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert size_in_bytes(text, "data.cache_size") == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "1e9", "5XB", "9" * 40])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(UserError) as error:
        size_in_bytes(text, "data.cache_size")
    assert (error.value.code, "data.cache_size" in str(error.value)) == ("FC-SHARDS-009", True)
