"""The files of a folder behind a URL: what it lists, which anyone may have written, and bytes."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, TypeVar

from fullconv.data.reading.walk import composed, is_debris
from fullconv.data.shards.remote_storage import RemoteStorage
from fullconv.errors import UserError

THREADS = 16
"""Requests of a copy that are on their way at once."""
BLOCK = 2**24  # bytes of one request, so that 16 of them take 256 MiB
MOST_FILES, DEEPEST = 2_000_000, 32
"""Files and levels of folders where a listing is given up."""
_VERSIONS = ("ETag", "etag", "md5Hash", "blob_id", "mtime", "LastModified", "updated", "created")
"""The keys of a file's version in storage, the surest first."""
_NO_NAME = re.compile(r"[\\\0]" if os.name == "posix" else r'[\\\0<>:"|?*]|[ .](/|$)')
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stored:
    """A file of storage: its ``address``, its bytes, and what changes when the file does."""

    address: str
    size: int
    version: str


def stored_of(address: str, info: dict[str, Any]) -> Stored:
    """The file that fsspec describes by ``info``."""
    version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
    size = int(info.get("size") or 0)
    return Stored(address, size, f"{size} {version}")


def files_below(storage: RemoteStorage) -> dict[str, Stored]:
    """Every file below the URL, by its path from there, sorted; without hidden ones, as on a disk.

    Of the one file at the URL, the path is "". Raises UserError where nothing is there, where names
    would lead out of a folder, and where there is no end of files.
    """
    storage.forget_listings()
    files: dict[str, Stored] = {}
    folders = [""]
    for _ in range(DEEPEST):
        inside: list[str] = []
        for entries in in_parallel(storage.entries, folders):
            for entry in entries:
                name = _name_below(storage, str(entry["name"]))
                if entry["type"] == "file" and not str(entry["name"]).endswith("/"):
                    files[name] = stored_of(f"{storage.label}/{name}", entry)
                elif name and entry["type"] == "directory":
                    inside.append(name)
            _check_number(storage, len(files) + len(inside))
        folders = [name for name in dict.fromkeys(inside) if not is_debris(name.split("/")[-1])]
        if not folders:
            break
    else:
        raise _endless(storage, f"folders of more than {DEEPEST} levels")
    names = sorted(name for name in files if not is_debris(name.split("/")[-1]))
    return {name: files[name] for name in names}


def _name_below(storage: RemoteStorage, name: str) -> str:
    """The path of a listed name from the URL on; UserError where it is none."""
    below, root = name.removesuffix("/"), storage.root
    if below == root:
        return ""
    inner = below[len(root) + 1 :]
    parts = inner.split("/")
    if not below.startswith(f"{root}/") or _NO_NAME.search(inner) or {"", ".", ".."} & {*parts}:
        raise UserError(
            f"{storage.label}: has a file called {name!r}, which can be none in a folder here; "
            "rename or remove it there",
            "FC-REMOTE-003",
        )
    return inner


def _check_number(storage: RemoteStorage, number: int) -> None:
    if number > MOST_FILES:
        raise _endless(storage, f"more than {MOST_FILES:,} files")


def _endless(storage: RemoteStorage, what: str) -> UserError:
    return UserError(
        f"{storage.label}: has {what}; name the folder of the data set itself", "FC-REMOTE-004"
    )


def check_distinct(storage: RemoteStorage, names: Iterable[str], are_alike: bool) -> None:
    """UserError where two ``names`` would be one file here.

    So is what is both a file and a folder there; and, where ``are_alike``, names that differ by
    case or Unicode form only.
    """
    known = set(names)
    folders = {name[: at.start()] for name in known for at in re.finditer("/", name)}
    double = sorted(known & folders)
    if not double and are_alike:
        counts = Counter(composed(name).casefold() for name in known)
        double = sorted(name for name in known if counts[composed(name).casefold()] > 1)
    if double:
        why = "is a file and a folder" if double[0] in folders else "differs by case from another"
        raise UserError(
            f"{storage.label}/{double[0]}: {why}, which this disk cannot hold both; rename one "
            "there",
            "FC-REMOTE-003",
        )


def writer_of(storage: RemoteStorage, name: str, size: int) -> Callable[[IO[bytes]], object]:
    """A function that writes the bytes of a file into an open one; UserError if they are others.

    In one request, of large files in several.
    """

    def write(file: IO[bytes]) -> None:
        written = 0
        for start in range(0, size or 1, BLOCK):
            ends = (None, None) if size <= BLOCK else (start, min(start + BLOCK, size))
            written += file.write(storage.fetched(name, *ends))
        if written != size:
            raise UserError(
                f"{storage.label}/{name}: has {written} bytes, listed were {size}; it was changed "
                "meanwhile: type the command again",
                "FC-REMOTE-005",
            )

    return write


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of ``work`` as they come, in any order.

    After an error no further is begun; the results of what had begun still come, then the error.
    """
    coming, failure = iter(items), None
    with ThreadPoolExecutor(THREADS, thread_name_prefix="fullconv-copy") as pool:
        try:
            waiting = {pool.submit(work, item) for item in islice(coming, 4 * THREADS)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    if error := future.exception():
                        failure = failure or error
                    else:
                        yield future.result()
                if failure:
                    waiting = {future for future in waiting if not future.cancel()}
                else:
                    waiting |= {pool.submit(work, item) for item in islice(coming, len(done))}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if failure:
        raise failure
