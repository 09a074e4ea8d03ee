"""The encoded frames of a video on the disk, from which an interrupted prediction resumes.

A folder beside the result: ``job.json`` describes the job, and ``00000.npz`` and so on hold the
encoded packets of `LENGTH` frames each, of every video that is written. Every segment begins with a
key frame, so that a video made in two calls is the same, byte for byte, as that of one call. Files
are written whole or not at all.
"""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically

LENGTH = 64
"""Frames of a segment."""
FORMAT = 2
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

Job = dict[str, Any]
"""All that decides the video, in plain JSON types; the keys are words for the user."""


@dataclass(frozen=True, eq=False)
class Coded:
    """An encoded frame: its bytes, its time in ticks, and whether it needs no other frame.

    ``duration`` in ticks is 0 where the source does not state it.
    """

    content: bytes
    pts: int
    key: bool
    duration: int = 0


@dataclass(frozen=True, eq=False)
class Track:
    """A segment of one video: its frames, of ``size`` (H, W)."""

    frames: Sequence[Coded]
    size: tuple[int, int]


class Segments:
    """The segments of ``job`` in ``folder``; of another job they are removed.

    Where the frames are ``stateful``, as with a mean over time, only segments count whose state is
    there. ``count`` are complete; ``stale`` says in words what another job it was. OSError passes
    through.
    """

    def __init__(self, folder: Path, job: Job, stateful: bool = False) -> None:
        self.folder, self.job = folder, job
        self.stale = self._stale()
        if self.stale:
            self.remove()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "job.json", json.dumps({"format": FORMAT, "job": job}))
        self.count = 0
        while self._is_whole(self.count):
            self.count += 1
        while stateful and self.count and not self._state(self.count - 1).is_file():
            self.count -= 1

    @property
    def frames(self) -> int:
        """Frames that are on the disk."""
        return self.count * LENGTH

    def append(self, tracks: Sequence[Track], state: npt.NDArray[Any] | None) -> None:
        """Put the next segment of each of ``tracks`` on the disk.

        ``state`` is what the next frame needs of the last.
        """
        arrays = {
            f"{name}{number}": values
            for number, track in enumerate(tracks)
            for name, values in _arrays(track).items()
        }
        file = io.BytesIO()
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
        if state is not None:
            file_of_state = self._state(self.count)
            write_atomically(file_of_state, lambda opened: np.save(opened, state))
        write_atomically(self._file(self.count), file.getvalue())
        if self.count > 1:  # the last one is needed still: a segment that is not full is made again
            self._state(self.count - 2).unlink(missing_ok=True)
        self.count += 1

    def size(self, track: int = 0) -> tuple[int, int]:
        """Height and width of the pictures of a track, by the first segment."""
        with self._damage_named(0), np.load(self._file(0), allow_pickle=False) as arrays:
            height, width = arrays[f"size{track}"].tolist()
            return height, width

    def state(self) -> npt.NDArray[Any] | None:
        """The state after the last segment, for the next frame; None where there is none."""
        if not self.count or not self._state(self.count - 1).is_file():
            return None
        return np.load(self._state(self.count - 1), allow_pickle=False)

    def read(self, track: int = 0) -> Iterator[Coded]:
        """Every frame of a track, in order; UserError where a segment is damaged."""
        for number in range(self.count):
            with self._damage_named(number):
                frames = _read(self._file(number), track)
            yield from frames

    def remove(self) -> None:
        """Delete the folder, the job first, without which the rest is nothing."""
        (self.folder / "job.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _damage_named(self, number: int) -> Iterator[None]:
        try:
            yield
        except _DAMAGED as error:
            raise UserError(
                f"{self._file(number)}: is damaged; remove {self.folder} and call again",
                "FC-VIDEO-006",
            ) from error

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npz"

    def _state(self, number: int) -> Path:
        return self.folder / f"{number:05d}-state.npy"

    def _is_whole(self, number: int) -> bool:
        """Whether a full segment is there; the last one may be shorter, and is made again."""
        try:
            with np.load(self._file(number), allow_pickle=False) as arrays:
                return len(arrays["pts0"]) == LENGTH
        except _DAMAGED:
            return False

    def _stale(self) -> list[str]:
        try:
            journal = json.loads((self.folder / "job.json").read_text("utf-8"))
            if journal["format"] != FORMAT:
                return ["another format"]
            return [
                f"another {key}" for key in self.job if journal["job"].get(key) != self.job[key]
            ]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return ["a damaged journal"]


def _arrays(track: Track) -> dict[str, npt.NDArray[Any]]:
    frames = track.frames
    return {
        "content": np.frombuffer(b"".join(frame.content for frame in frames), np.uint8),
        "sizes": np.array([len(frame.content) for frame in frames], np.int64),
        "pts": np.array([frame.pts for frame in frames], np.int64),
        "keys": np.array([frame.key for frame in frames], np.bool_),
        "durations": np.array([frame.duration for frame in frames], np.int64),
        "size": np.array(track.size, np.int64),
    }


def _read(file: Path, track: int) -> list[Coded]:
    with np.load(file, allow_pickle=False) as arrays:
        content = arrays[f"content{track}"].tobytes()
        ends = np.cumsum(arrays[f"sizes{track}"]).tolist()
        columns = [arrays[f"{name}{track}"].tolist() for name in ("pts", "keys", "durations")]
    parts = (content[start:end] for start, end in zip([0, *ends], ends, strict=False))
    return [Coded(*values) for values in zip(parts, *columns, strict=True)]
