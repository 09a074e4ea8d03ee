"""The folder of a run: its files, its log, its sample sheets."""

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from fullconv.atomic import write_atomically
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.metrics import Scores
from fullconv.training.config import Config
from fullconv.visualize import sheet

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

    def keep(self, step: int) -> None:
        """Begin behind the rows up to ``step``, their first value; what was cut short goes too."""
        rows = self.path.read_text("utf-8").splitlines(keepends=True) if self.path.is_file() else []
        kept = [row for row in rows[1:] if row.endswith("\n") and int(row.split(",")[0]) <= step]
        self.path.write_text(",".join(self.columns) + "\n" + "".join(kept), encoding="utf-8")

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; missing values stay empty."""
        texts = [_text(row.get(name)) for name in self.columns]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(",".join(texts) + "\n")


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
            raise UserError(f"{self.folder}: is a file; name a folder for the run")
        if not self.folder.exists() or not set(self.folder.iterdir()) - self.leftovers():
            return True
        if not self.config.is_file():
            raise UserError(f"{self.folder}: is not empty and no run; name a new folder")
        if not overwrite:
            raise UserError(
                f"{self.folder}: holds a run already; go on with --resume, replace it with "
                "--overwrite, or name another folder"
            )
        return False

    def create(self, config: Config, overwrite: bool) -> None:
        """Make the folder with its config; UserError as ``check_free``."""
        if not self.check_free(overwrite):
            shutil.rmtree(self.folder)
        self.tidy()
        write_atomically(self.config, config.to_toml())

    def leftovers(self) -> set[Path]:
        """Files that a killed process was writing (see `fullconv.atomic.write_atomically`)."""
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

    def write_samples(self, rows: list, classes: ClassSet, step: int) -> None:
        """A sheet of photo, truth and prediction: ``samples/STEP.jpg``."""
        file = io.BytesIO()
        Image.fromarray(sheet(rows, classes)).save(file, "JPEG", quality=88)
        write_atomically(self.folder / "samples" / f"{step:07d}.jpg", file.getvalue())
