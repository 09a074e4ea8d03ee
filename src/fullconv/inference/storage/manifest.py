"""The record of finished photos beside the results, with which a killed job resumes.

Below OUT/.fullconv/JOB/ lie small files of lines in JSON, a line a photo: what it is called, its
version, and the files of its result. JOB is a checksum of all that decides the results: the net,
the options, the version of this package. A line is written after the files that it names, so a
photo that is noted is done; one that is done and not noted is predicted again, to the same bytes
under the same names. Several processes write without a lock, each its own files.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any
from uuid import uuid4

from fullconv.errors import UserError
from fullconv.inference.storage.outputs import Output

FOLDER = ".fullconv"
EVERY, SECONDS = 64, 5.0
"""A file is written for so many photos, or after so long."""
_GONE = ("FC-FILE-003", "FC-STORAGE-003")
"""What says that a file is not there."""


@dataclass(frozen=True)
class Done:
    """A photo whose results are there: its name and version, and the names of the results.

    ``stem`` is how their names begin.
    """

    photo: str
    version: str
    stem: str
    results: tuple[str, ...]


def job_of(decides: Mapping[str, Any]) -> str:
    """The name of a job, by what decides its results, in plain JSON types."""
    content = json.dumps(decides, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def start(output: Output, decides: Mapping[str, Any]) -> str:
    """Write what decides the results beside them, so that it is known; the name of the job.

    Raises UserError where ``output`` cannot be written, before any work is done.
    """
    content = json.dumps(decides, sort_keys=True, default=str, indent=1)
    output.write(f"{FOLDER}/job.json", content.encode())
    return job_of(decides)


def records(output: Output, job: str) -> dict[str, Done]:
    """The photos that an earlier call of the same job has done and whose results still exist.

    The records are put together in one file. Those of other jobs are removed: their results are
    about to be replaced. Damaged lines count for nothing.
    """
    own, there = f"{FOLDER}/{job}/", set(output.names())
    files = sorted(
        name for name in there if name.startswith(f"{FOLDER}/") and name.endswith(".jsonl")
    )
    done: dict[str, Done] = {}
    for name in files:
        if not name.startswith(own):
            _remove(output, name)
            continue
        for record in _parsed(_read(output, name)):
            if there.issuperset(record.results):
                done[record.photo] = record
    mine = [name for name in files if name.startswith(own)]
    if len(mine) > 1:
        output.write(f"{own}{uuid4().hex}.jsonl", _lines(list(done.values())))
        for name in mine:
            _remove(output, name)
    return done


def _read(output: Output, name: str) -> bytes:
    """A file of records; nothing where another call has just put it together with others."""
    try:
        return output.read(name)
    except UserError as error:
        if error.code not in _GONE:
            raise
        return b""


def _remove(output: Output, name: str) -> None:
    """Remove a file of records, where another call has not done so."""
    try:
        output.remove(name)
    except UserError as error:
        if error.code not in _GONE:
            raise


class Recorder:
    """Notes photos that are done; any thread may."""

    def __init__(self, output: Output, job: str, every: int = EVERY) -> None:
        self.output, self.job, self.every = output, job, every
        self._lock, self._waiting, self._since = Lock(), list[Done](), time.monotonic()

    def add(self, record: Done) -> None:
        """Note a photo, whose results are there already."""
        with self._lock:
            self._waiting.append(record)
            late = time.monotonic() - self._since > SECONDS
            if late or len(self._waiting) >= self.every:
                self._write()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        self._since = time.monotonic()
        if self._waiting:
            name = f"{FOLDER}/{self.job}/{uuid4().hex}.jsonl"
            self.output.write(name, _lines(self._waiting))
            self._waiting.clear()


def _lines(records: Sequence[Done]) -> bytes:
    return "".join(f"{json.dumps(asdict(record))}\n" for record in records).encode()


def _parsed(content: bytes) -> list[Done]:
    done = []
    for line in content.splitlines():
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            entry = json.loads(line)
            results = tuple(map(str, entry["results"]))
            name, version, stem = (str(entry[key]) for key in ("photo", "version", "stem"))
            done.append(Done(name, version, stem, results))
    return done
