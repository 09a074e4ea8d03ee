"""Packed photos, and a server for them."""

from pathlib import Path

import pytest

from fullconv.data import open_source, pack
from fullconv.data.shards import remote_storage
from range_server import serving_folder


@pytest.fixture
def packed(make_folder, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of 7 photos to train and 2 to validate on, and its shards."""
    data = make_folder(train=7, val=2)
    sources = {split: open_source(data, split) for split in ("train", "val")}
    pack(sources, tmp_path / "shards", shard_size=10_240)
    return data, tmp_path / "shards"


@pytest.fixture
def server(packed, tmp_path: Path, monkeypatch):
    """Serves the folder that the shards lie in; the usual cache is in the test's folder."""
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_storage, "PAUSE", 0.01)
    with serving_folder(tmp_path) as running:
        yield running
