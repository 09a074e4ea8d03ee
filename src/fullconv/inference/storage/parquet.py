"""Photos in a Parquet table: the column ``bytes`` has a picture file a row, ``path`` its name."""

from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from fullconv.errors import UserError, printable, reason_of
from fullconv.inference.storage.addresses import is_stored, open_stored

SUFFIX = ".parquet"
BYTES, PATH = "bytes", "path"
_ROWS = 16  # of photos that are read from a table at a time

Row = tuple[int, int]
"""The row group of a photo, and its place in it."""


class PhotoTable:
    """An open Parquet file of photos; in order of the rows reading is quickest. Any thread may.

    Raises UserError where it is no such table, or pyarrow is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        shown = printable(address)
        try:
            import pyarrow.parquet as parquet
        except ImportError:
            raise UserError(
                f"{shown}: needs pyarrow; pip install 'fullconv[ray]'", "FC-STORAGE-001"
            ) from None
        source = open_stored(address) if is_stored(address) else Path(address)
        try:
            self.file: Any = parquet.ParquetFile(source)
        except Exception as error:  # Arrow's, the system's, the storage's
            raise _damaged(shown, error) from error
        missing = {BYTES, PATH} - set(self.file.schema_arrow.names)
        if missing:
            raise UserError(
                f"{shown}: has no column {' nor '.join(sorted(missing))}; a table of photos has "
                f"'{BYTES}', a picture file a row, and '{PATH}', its name",
                "FC-STORAGE-006",
            )
        self._lock = Lock()
        self._group, self._next, self._first = -1, 0, 0
        self._batches: Iterator[Any] = iter(())
        self._at_hand: list[Any] = []

    def paths(self) -> Iterator[tuple[Row, str]]:
        """The name of each photo with its row; the photos themselves are not read."""
        for group in range(self.file.num_row_groups):
            names = self._read_group(group, PATH)
            for index, name in enumerate(names):
                yield (group, index), str(name)

    def read(self, row: Row) -> bytes:
        """The picture file of a row; UserError where there is none."""
        group, place = row
        with self._lock:
            if group != self._group or place < self._first:
                self._start(group)
            while place >= self._next:
                self._advance()
            content = self._at_hand[place - self._first]
        if not isinstance(content, bytes | bytearray):
            raise UserError(
                f"{printable(self.address)}: row {place} of row group {group} has no {BYTES}",
                "FC-STORAGE-006",
            )
        return bytes(content)

    def _read_group(self, group: int, column: str) -> list[Any]:
        try:
            return self.file.read_row_group(group, columns=[column])[column].to_pylist()
        except Exception as error:
            raise _damaged(printable(self.address), error) from error

    def _start(self, group: int) -> None:
        self._group, self._next, self._first, self._at_hand = group, 0, 0, []
        self._batches = self.file.iter_batches(_ROWS, row_groups=[group], columns=[BYTES])

    def _advance(self) -> None:
        """Read on; the photos of the last two reads stay, as threads take turns."""
        try:
            rows = next(self._batches)[BYTES].to_pylist()
        except Exception as error:  # StopIteration too: fewer rows than its head says
            self._group = -1
            raise _damaged(printable(self.address), error) from error
        recent = self._at_hand[-_ROWS:]
        self._first, self._at_hand = self._next - len(recent), recent + rows
        self._next += len(rows)


def _damaged(shown: str, error: Exception) -> UserError:
    return UserError(
        f"{shown}: is no Parquet file that can be read ({reason_of(error)}); write it again",
        "FC-STORAGE-007",
    )
