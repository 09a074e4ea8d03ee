"""The finished rows of a class map on the disk, from which an interrupted prediction resumes.

Two files beside the result: the raw class map from its first row on, and a journal in JSON with the
job and the number of finished rows. Rows are synced to the disk before the journal counts them, and
the journal is written whole or not at all: after any interruption the counted rows are complete.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.files.atomic import sync_folder, write_atomically

FORMAT = 3
Job = dict[str, Any]
"""All that decides the classes, in plain JSON types; the keys are words for the user."""
DAMAGED = "a damaged journal"


class Partial:
    """The first ``rows`` of a class map of ``shape`` (H, W) or (H, W, outputs), in a file.

    Opens what an earlier call left at ``path`` where that was the same ``job``, else begins anew;
    ``stale`` then says in words what another job it was. OSError passes through.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike, job: Job) -> None:
        self.path, self.shape, self.dtype, self.job = path, shape, np.dtype(dtype), job
        self.journal = path.with_name(f"{path.name}.json")
        self.rows, self.stale = self._found()

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def append(self, block: npt.NDArray[Any]) -> None:
        """Put the next rows of the map, (n, W) or (n, W, outputs), on the disk, and count them."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.rows:
            self.remove()  # before rows of this job meet the journal of another
            sync_folder(self.path.parent)
        with self.path.open("r+b" if self.rows else "wb") as file:
            file.seek(self.rows * self.row_bytes)
            file.write(np.ascontiguousarray(block, self.dtype).data)
            file.flush()
            os.fsync(file.fileno())
        self.rows += len(block)
        content = {"format": FORMAT, "job": self.job, "rows": self.rows}
        write_atomically(self.journal, json.dumps(content))

    def read(self, rows: slice) -> npt.NDArray[Any]:
        """Some of the rows that are there."""
        with self.path.open("rb") as file:
            file.seek(rows.start * self.row_bytes)
            content = file.read((rows.stop - rows.start) * self.row_bytes)
        return np.frombuffer(content, self.dtype).reshape(-1, *self.shape[1:])

    def remove(self) -> None:
        """Delete both files, the journal first, without which the other is nothing."""
        self.journal.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _found(self) -> tuple[int, list[str]]:
        """Rows that an earlier call has left, or why they are of no use."""
        try:
            journal = json.loads(self.journal.read_text("utf-8"))
            if journal["format"] != FORMAT:
                return 0, ["another format"]
            job, rows = journal["job"], int(journal["rows"])
            stale = [f"another {key}" for key in self.job if job.get(key) != self.job[key]]
            size = self.path.stat().st_size
        except FileNotFoundError:
            return 0, []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return 0, [DAMAGED]
        if stale:
            return 0, stale
        if not 0 <= rows <= min(self.shape[0], size // self.row_bytes):
            return 0, [DAMAGED]
        return rows, []
