"""The destinations of results: a folder or an address. Files appear whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from fullconv.files.atomic import write_atomically
from fullconv.files.file_errors import file_errors
from fullconv.inference.storage.addresses import file_system, is_stored, local_path, storage_errors


class Output(Protocol):
    """A place for files that are called by names with '/', as street/0001.png."""

    address: str

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of one that is there."""
        ...

    def put(self, name: str, file: Path) -> None:
        """Write the content of ``file``."""
        ...

    def read(self, name: str) -> bytes:
        """All of a file."""
        ...

    def names(self, folder: str = "") -> Iterator[str]:
        """The names of all files below ``folder``; none where it is not there."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...


class FolderOutput:
    """A folder of this disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, str(folder)

    def write(self, name: str, content: bytes) -> None:
        with file_errors(self.folder / name, writing=True):
            write_atomically(self.folder / name, content)

    def put(self, name: str, file: Path) -> None:
        self.write(name, file.read_bytes())

    def read(self, name: str) -> bytes:
        with file_errors(self.folder / name):
            return (self.folder / name).read_bytes()

    def names(self, folder: str = "") -> Iterator[str]:
        for place, _, files in os.walk(self.folder / folder):
            for file in files:
                yield Path(place, file).relative_to(self.folder).as_posix()

    def remove(self, name: str) -> None:
        with file_errors(self.folder / name, writing=True):
            (self.folder / name).unlink(missing_ok=True)


class StoredOutput:
    """An address of storage. A PUT is seen whole or not at all."""

    def __init__(self, address: str) -> None:
        self.system, self.path = file_system(address)
        self.address = address.rstrip("/")

    def write(self, name: str, content: bytes) -> None:
        with storage_errors(f"{self.address}/{name}"):
            self.system.pipe_file(f"{self.path}/{name}", content)

    def put(self, name: str, file: Path) -> None:
        with storage_errors(f"{self.address}/{name}"):
            self.system.put_file(str(file), f"{self.path}/{name}")

    def read(self, name: str) -> bytes:
        with storage_errors(f"{self.address}/{name}"):
            return self.system.cat_file(f"{self.path}/{name}")

    def names(self, folder: str = "") -> Iterator[str]:
        below = f"{self.path}/{folder}".rstrip("/")
        with storage_errors(self.address):
            self.system.invalidate_cache()
            try:
                files = self.system.find(below)
            except FileNotFoundError:
                files = []
        yield from (file[len(self.path) :].lstrip("/") for file in files)

    def remove(self, name: str) -> None:
        with storage_errors(f"{self.address}/{name}"):
            self.system.rm_file(f"{self.path}/{name}")


def output_at(address: str | Path) -> Output:
    """The place that ``address`` names; UserError where its package is not installed."""
    name = local_path(str(address))
    return StoredOutput(name) if is_stored(name) else FolderOutput(Path(name))
