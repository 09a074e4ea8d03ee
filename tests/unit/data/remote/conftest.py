"""Folders at addresses: in a bucket of moto's S3 server, and in memory."""

from pathlib import Path

import pytest

from fullconv.data.remote import local_copy
from fullconv.data.shards import remote_storage


class RemoteFolder:
    """A folder behind ``url``, in which tests put and remove files by their paths in it."""

    def __init__(self, url: str, put, remove) -> None:
        self.url, self.put, self.remove = url, put, remove

    def fill(self, folder: Path) -> "RemoteFolder":
        """With all files of a folder here."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(file.relative_to(folder).as_posix(), file.read_bytes())
        return self


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch) -> None:
    """A cache of the test's own, which is compared at each use."""
    monkeypatch.setenv("FULLCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_storage, "PAUSE", 0.01)
    monkeypatch.setattr(local_copy, "FRESH", -1.0)


@pytest.fixture
def in_s3(bucket) -> RemoteFolder:
    return RemoteFolder(
        f"s3://{bucket.name}/sets/photos",
        lambda name, content: bucket.put(f"sets/photos/{name}", content),
        lambda name: bucket.remove(f"sets/photos/{name}"),
    )


@pytest.fixture
def in_memory() -> RemoteFolder:
    import fsspec

    files = fsspec.filesystem("memory")
    if files.exists("/sets"):
        files.rm("/sets", recursive=True)
    return RemoteFolder(
        "memory://sets/photos",
        lambda name, content: files.pipe_file(f"/sets/photos/{name}", content),
        lambda name: files.rm_file(f"/sets/photos/{name}"),
    )


@pytest.fixture(params=["in_s3", "in_memory"])
def remote(request) -> RemoteFolder:
    return request.getfixturevalue(request.param)


@pytest.fixture
def copying(capsys):
    """``copying()`` is what was said of copies since the last call: "2 of 9", for each of them."""

    def said() -> list[str]:
        lines = capsys.readouterr().err.splitlines()
        return [
            line.split(": copying ")[1].split(" files")[0] for line in lines if "copying" in line
        ]

    return said
