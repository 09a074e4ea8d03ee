"""Shards in S3, by moto's server on 127.0.0.1."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from fullconv.data import loader, open_source
from fullconv.data.shards import remote_storage
from fullconv.errors import UserError

s3fs = pytest.importorskip("s3fs")


@pytest.fixture
def bucket(packed, tmp_path: Path, monkeypatch):
    """The shards as s3://photos/shards, by keys and an address that the environment names."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_storage, "PAUSE", 0.01)
    s3fs.S3FileSystem.clear_instance_cache()  # of the server of another test
    files = s3fs.S3FileSystem()
    httpx.post(f"http://{host}:{port}/moto-api/reset")
    files.mkdir("photos")
    for file in packed[1].iterdir():
        files.pipe_file(f"photos/shards/{file.name}", file.read_bytes())
    yield "s3://photos"
    server.stop()


def test_batches_from_s3_are_those_of_the_folder(packed, bucket) -> None:
    sources = open_source(packed[0], "train"), open_source(f"{bucket}/shards", "train")
    options = {"batch_size": 3, "seed": 1, "stop_step": 3, "workers": 1}
    for one, other in zip(*(loader(source, **options) for source in sources), strict=True):
        assert one.names == other.names
        assert np.array_equal(one.images.numpy(), other.images.numpy())
    path = Path(f"{bucket}/shards")  # which loses a slash
    assert list(open_source(path, "val").names) == ["000", "001"]


def test_a_shard_that_is_truncated_in_s3_is_named(packed, bucket) -> None:
    files = s3fs.S3FileSystem()
    for size in (0, 600, 4_000):
        files.pipe_file("photos/shards/train-000001.tar", bytes(size))
        source = open_source(f"{bucket}/shards", "train")
        with pytest.raises(UserError) as error:
            [source[index] for index in range(len(source))]
        assert (error.value.code, "train-000001.tar" in str(error.value)) == ("FC-SHARDS-005", True)


@pytest.mark.parametrize("where", ["photos/nothing", "nobucket/shards"])
def test_what_is_not_in_s3_is_named(bucket, where: str) -> None:
    with pytest.raises(UserError) as error:
        open_source(f"s3://{where}", "train")
    assert (error.value.code, f"s3://{where}" in str(error.value)) == (
        "FC-SHARDS-003",
        True,
    )
