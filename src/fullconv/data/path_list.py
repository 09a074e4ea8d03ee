"""Names and paths of many files in one block of bytes each.

100,000 `Path` objects take 41 MB, and a process that is forked copies the page of every one that it
looks at, as looking counts references. The same paths as bytes take 2.4 MB, which loader processes
share; an object is made when one is asked for.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from fullconv.data.ragged import chosen_entries

Item = TypeVar("Item", covariant=True)
_CODING = "utf-8", "surrogatepass"  # any str comes back as it was


class _Block(Sequence[Item]):
    """Texts one behind the other, and where each ends; ``_item`` is what one is outside."""

    __slots__ = ("_ends", "_text")

    def __init__(self, text: bytes, ends: npt.NDArray[np.int64]) -> None:
        self._text, self._ends = text, ends

    def _item(self, text: str) -> Item:
        raise NotImplementedError

    def _like(self, text: bytes, ends: npt.NDArray[np.int64]) -> Any:
        """The same kind of list with other texts."""
        return type(self)(text, ends)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return tuple(map(self.__getitem__, range(len(self))[index]))
        index = range(len(self))[index]
        start = int(self._ends[index - 1]) if index else 0
        return self._item(self._text[start : int(self._ends[index])].decode(*_CODING))

    def __iter__(self) -> Iterator[Item]:
        start = 0
        for end in self._ends.tolist():
            yield self._item(self._text[start:end].decode(*_CODING))
            start = end

    def chosen(self, places: Sequence[int]) -> Any:
        """The items at ``places``, in their order."""
        entries, ends = chosen_entries(self._ends, np.asarray(places, np.int64))
        return self._like(np.frombuffer(self._text, np.uint8)[entries].tobytes(), ends)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __add__(self, other: Sequence[Any]) -> tuple[Any, ...]:
        return (*self, *other)

    def __radd__(self, other: Sequence[Any]) -> tuple[Any, ...]:
        return (*other, *self)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        first = ", ".join(map(repr, self[:3]))
        return f"{type(self).__name__}({first}{', ...' if len(self) > 3 else ''})"

    def digest(self) -> bytes:
        """16 bytes that tell these items from others."""
        digest = blake2b(self._text, digest_size=16)
        digest.update(self._ends.tobytes())
        return digest.digest()

    @property
    def nbytes(self) -> int:
        """Bytes that the list takes."""
        return len(self._text) + self._ends.nbytes


class NameList(_Block[str]):
    """Names, as a tuple of str."""

    __slots__ = ()

    @classmethod
    def of(cls, names: Sequence[str]) -> "NameList":
        """The same names; ``names`` themselves where they are such a list."""
        return names if isinstance(names, NameList) else cls(*_joined(names))

    def _item(self, text: str) -> str:
        return text


class PathList(_Block[Any]):
    """Paths, as a tuple of `Path` and of None where there is no file.

    What all paths begin with is kept once.
    """

    __slots__ = ("_start",)

    def __init__(self, text: bytes, ends: npt.NDArray[np.int64], start: str = "") -> None:
        super().__init__(text, ends)
        self._start = start

    @classmethod
    def of(cls, paths: "Sequence[Path | str | None]") -> "PathList":
        """The same paths; ``paths`` themselves where they are such a list."""
        if isinstance(paths, PathList):
            return paths
        texts = [None if path is None else str(path) for path in paths]
        there = [text for text in texts if text is not None]
        start = os.path.commonprefix([min(there), max(there)]) if there else ""  # noqa: RUF071
        # Not more than the folder, so that nothing that is left is empty: that stands for None.
        start = start[: start.rfind(os.sep) + 1]
        rest = ("" if text is None else text[len(start) :] for text in texts)
        return cls(*_joined(rest), start)

    def _item(self, text: str) -> Path | None:
        return Path(self._start + text) if text else None

    def _like(self, text: bytes, ends: npt.NDArray[np.int64]) -> "PathList":
        return PathList(text, ends, self._start)

    def absolute(self) -> "PathList":
        """The same files by absolute paths."""
        if os.path.isabs(self._start):
            return self
        if self._start:  # then all are relative
            return PathList(self._text, self._ends, os.path.join(os.getcwd(), self._start))
        return PathList.of([None if path is None else path.absolute() for path in self])

    def texts(self) -> Iterator[str]:
        """The paths as str, "" for None: a twentieth of the time that `Path` objects take."""
        start = 0
        for end in self._ends.tolist():
            text = self._text[start:end].decode(*_CODING)
            yield self._start + text if text else ""
            start = end

    def digest(self) -> bytes:
        text = self._start.encode(*_CODING)
        return blake2b(text + b"\0" + super().digest(), digest_size=16).digest()

    @property
    def has(self) -> npt.NDArray[np.bool_]:
        """Where there is a file, bool (N,)."""
        return np.diff(self._ends, prepend=0) > 0


def _joined(texts: Iterable[str]) -> tuple[bytes, npt.NDArray[np.int64]]:
    encoded = [text.encode(*_CODING) for text in texts]
    return b"".join(encoded), np.fromiter(map(len, encoded), np.int64, len(encoded)).cumsum()
