"""The folder of a run: its lock, its files, its log, its sample sheets."""

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.download.cache import acquire
from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically
from fullconv.files.file_errors import errors_name
from fullconv.metrics import Scores
from fullconv.training.config.config import Config
from fullconv.training.run.resume import BEFORE, FILE
from fullconv.visualize import sheet

LOCK = ".lock"
"""Held while a training writes into a folder; the system frees it when the process ends."""
COLUMNS = (
    "step",
    "epoch",
    "lr",
    "loss",
    "loss_per_pixel",
    "val_pixel_accuracy",
    "val_mean_accuracy",
    "val_mean_iu",
    "val_fw_iu",
)
TIMING = ("step", "seconds", "images_per_second", "data_wait", "memory_mib")


class Table:
    """A CSV file that grows by rows and can be cut back to a length."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns

    def keep(self, step: int) -> tuple[int, int]:
        """Begin behind the rows up to ``step``, their first value.

        Returns the step of the last row that was kept, 0 without any, and how many lines were left
        out because they are no row of this table: cut short, or damaged.
        """
        content = self.path.read_bytes() if self.path.is_file() else b""
        lines = content.decode("utf-8", "replace").splitlines(keepends=True)[1:]
        last, rows, damaged = 0, [], 0
        for line in lines:
            number = self._step_of(line)
            if number is None or number <= last:
                damaged += 1
            elif number <= step:
                last = number
                rows.append(line)
        text = ",".join(self.columns) + "\n" + "".join(rows)
        if text.encode() != content:
            write_atomically(self.path, text)
        return last, damaged

    def _step_of(self, line: str) -> int | None:
        """The step of a whole row; None for anything else."""
        cells = next(csv.reader([line.rstrip("\n")]), []) if "\0" not in line else []
        is_row = line.endswith("\n") and len(cells) == len(self.columns)
        is_row = is_row and cells[0].isascii() and cells[0].isdecimal() and len(cells[0]) < 12
        return int(cells[0]) if is_row and all(map(_is_number, cells)) else None

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; missing values stay empty."""
        texts = [_text(row.get(name)) for name in self.columns]
        with errors_name(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(",".join(texts) + "\n")


def _is_number(cell: str) -> bool:
    try:
        return not cell or float(cell) is not None
    except ValueError:
        return False


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


class Run:
    """Paths and writers of one run folder (docs/training.md)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Table(folder / "log.csv", COLUMNS)
        self.timing = Table(folder / "timing.csv", TIMING)

    @property
    def config(self) -> Path:
        """The file with everything that decides the run."""
        return self.folder / "config.toml"

    @property
    def model(self) -> Path:
        """The best checkpoint so far."""
        return self.folder / "model.safetensors"

    def check_free(self, overwrite: bool) -> bool:
        """True where there is nothing yet; UserError when what is there must not be replaced."""
        if self.folder.is_file():
            raise UserError(f"{self.folder}: is a file; name a folder for the run", "FC-FILE-004")
        if not self.folder.exists() or not self.content():
            return True
        if not self.config.is_file():
            raise UserError(
                f"{self.folder}: is not empty and no run; name a new folder", "FC-TRAIN-004"
            )
        if not overwrite:
            raise UserError(
                f"{self.folder}: holds a run already; continue it with --resume, replace it with "
                "--overwrite, or name another folder",
                "FC-TRAIN-004",
            )
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock; UserError where another training has it.

        A lock that a killed process left behind is free: the system itself holds it. On a disk
        without locks nothing is held.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK, timeout=0)
        try:
            acquire(lock)
        except Timeout as error:
            raise UserError(
                f"{self.folder}: another training is writing into this folder; wait for its end, "
                "or name another folder",
                "FC-TRAIN-005",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def create(self, config: Config, overwrite: bool) -> None:
        """Make the folder with its config, in place of a run where ``overwrite`` says so.

        The folder's lock must be held. UserError as `check_free`.
        """
        self.check_free(overwrite)
        for path in self.content():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.tidy()
        write_atomically(self.config, config.to_toml())

    def check_there(self) -> None:
        """UserError where the folder has vanished, as a share does that is unmounted.

        Writing would make it anew, in another place, with nothing of the run in it.
        """
        if not self.config.is_file():
            raise UserError(
                f"{self.folder}: the run folder disappeared during the training; restore it, then "
                f"resume from the last saved state: fullconv train --resume --out {self.folder}",
                "FC-TRAIN-017",
            )

    def has_saved(self) -> bool:
        """Whether anything lies in the folder that training has cost: a state, or a model."""
        saved = (FILE, BEFORE, self.model.name)
        return any(path.is_file() for name in saved for path in self.folder.rglob(str(name)))

    def discard(self) -> None:
        """Remove a folder into which nothing was saved, so that its name is free again."""
        with suppress(OSError):
            shutil.rmtree(self.folder)

    def content(self) -> set[Path]:
        """The files of the folder, except its lock and `leftovers`."""
        there = set(self.folder.iterdir()) if self.folder.is_dir() else set()
        return there - self.leftovers() - {self.folder / LOCK}

    def leftovers(self) -> set[Path]:
        """Files that a killed process was writing (`files.atomic.write_atomically`)."""
        return set(self.folder.rglob(".*.*.part"))

    def tidy(self) -> None:
        """Remove the leftovers."""
        for path in self.leftovers():
            path.unlink(missing_ok=True)

    def write_scores(self, scores: Scores, step: int) -> None:
        """The metrics of the best checkpoint, as JSON, and those of each photo as CSV."""
        write_atomically(
            self.folder / "scores.json", json.dumps({"step": step, **scores.to_dict()}, indent=1)
        )
        if scores.photos:
            write_atomically(self.folder / "photos.csv", scores.photos.to_csv())

    def write_report(self) -> Path:
        """The page of the run; drawing loads matplotlib, which no training needs before its end."""
        from fullconv.report import write_report

        return write_report(self.folder)

    def write_samples(self, rows: list, classes: ClassSet, step: int) -> None:
        """A sheet of photo, truth and prediction: ``samples/STEP.jpg``."""
        file = io.BytesIO()
        Image.fromarray(sheet(rows, classes)).save(file, "JPEG", quality=88)
        write_atomically(self.folder / "samples" / f"{step:07d}.jpg", file.getvalue())
