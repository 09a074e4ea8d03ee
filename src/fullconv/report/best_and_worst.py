"""The photos of a split that a net does best, worst and as usual: kept small while scoring.

``examples/`` of a run has for each the photo, the truth and the prediction, as pictures with one
class a value, and ``examples.json``, which names them; it is written last, so what it names is
there.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.files.atomic import write_atomically
from fullconv.metrics import Matrix
from fullconv.report.embedded import jpeg, picked, sized
from fullconv.visualize import as_photo, flattened, planes_of

BEST, WORST, TYPICAL = 4, 6, 2  # the worst teach more
POOL = 24  # photos of which the typical ones are chosen in the end, spread over the split
SIDE = 512  # longest side of what is kept
FOLDER, LIST = "examples", "examples.json"


@dataclass(frozen=True, eq=False)
class ScoredPhoto:
    """A photo, (h, w, 3) uint8, its true and its predicted classes (h, w), and its accuracy.

    ``number`` is how many photos were seen before it.
    """

    name: str
    accuracy: float
    photo: npt.NDArray[np.uint8]
    truth: npt.NDArray[Any]
    prediction: npt.NDArray[Any]
    number: int = 0


class BestAndWorst:
    """Gathers while a split is scored; ``add`` fits `fullconv.evaluation.evaluate`'s ``each``."""

    def __init__(self, classes: ClassSet | None = None) -> None:
        """``classes`` are those of the masks, where they may overlap."""
        self.classes = classes
        self.seen = self.photos = 0  # photos, and those with labels
        self.best: list[ScoredPhoto] = []
        self.worst: list[ScoredPhoto] = []
        self._accuracies: list[float] = []
        self._pool: list[ScoredPhoto] = []
        self._every = 1  # photo is taken into the pool

    def add(self, sample: Any, prediction: npt.NDArray[Any], matrix: Matrix) -> None:
        """Take note of a photo; of several label maps the first is kept."""
        number, total = self.seen, int(matrix.sum())
        self.seen += 1
        if not total:
            return
        accuracy = float(np.trace(matrix) / total)
        pooled = self.photos % self._every == 0
        self.photos += 1
        self._accuracies.append(accuracy)
        high = len(self.best) < BEST or accuracy > self.best[-1].accuracy
        low = len(self.worst) < WORST or accuracy < self.worst[-1].accuracy
        if not high and not low and not pooled:
            return
        scored = ScoredPhoto(
            sample.name,
            accuracy,
            sized(as_photo(sample.image), SIDE),
            picked(self._map(sample.mask), SIDE),
            picked(self._map(prediction), SIDE),
            number,
        )
        if pooled:
            self._add_to_pool(scored)
        if high:
            self.best = sorted([*self.best, scored], key=lambda photo: -photo.accuracy)[:BEST]
        if low:
            self.worst = sorted([*self.worst, scored], key=lambda photo: photo.accuracy)[:WORST]

    def join(self, others: "Sequence[BestAndWorst]") -> None:
        """Add what N - 1 others have gathered of a split: part r has the photos r, r + N, ..."""
        several = [self, *others]

        def in_order(photos: "list[list[ScoredPhoto]]") -> list[ScoredPhoto]:
            placed = [(p.number, part, p) for part, of in enumerate(photos) for p in of]
            return [photo for _, _, photo in sorted(placed, key=lambda entry: entry[:2])]

        best = in_order([one.best for one in several])
        worst = in_order([one.worst for one in several])
        self.best = sorted(best, key=lambda photo: -photo.accuracy)[:BEST]
        self.worst = sorted(worst, key=lambda photo: photo.accuracy)[:WORST]
        self._pool = in_order([one._pool for one in several])
        while len(self._pool) >= POOL:
            self._pool = self._pool[::2]
        self.photos = sum(one.photos for one in several)
        self._accuracies = [value for one in several for value in one._accuracies]

    def _add_to_pool(self, scored: ScoredPhoto) -> None:
        """Keep the photo; where the pool is full every other one goes, and fewer are taken."""
        self._pool.append(scored)
        if len(self._pool) == POOL:
            self._pool = self._pool[::2]
            self._every *= 2

    @property
    def typical(self) -> list[ScoredPhoto]:
        """Photos of the pool, the nearest to the median accuracy first."""
        if not self._pool:
            return []
        median = float(np.median(self._accuracies))
        return sorted(self._pool, key=lambda photo: abs(photo.accuracy - median))[:TYPICAL]

    def _map(self, mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The first of a mask's maps to show."""
        return (planes_of(mask) if self.classes is None else flattened(mask, self.classes))[0]

    def write(self, run: Path, classes: ClassSet, step: int) -> None:
        """Write ``examples/`` into a run folder, in the colours of ``classes``."""
        folder, listed = run / FOLDER, []
        few = self.photos < BEST + WORST
        kinds = {"best": self.best, "worst": self.worst, "typical": self.typical}
        for kind, photos in kinds.items():
            taken = {entry["name"] for entry in listed} if few and kind == "worst" else ()
            for rank, photo in enumerate(photos, 1):
                if photo.name not in taken:
                    listed.append(_write(folder, f"{step:07d}-{kind}-{rank}", photo, classes, kind))
        write_atomically(folder / LIST, json.dumps({"step": step, "photos": listed}, indent=1))
        for old in folder.iterdir():
            if old.name != LIST and not old.name.startswith(f"{step:07d}-"):
                old.unlink(missing_ok=True)


def _write(
    folder: Path, stem: str, scored: ScoredPhoto, classes: ClassSet, kind: str
) -> dict[str, Any]:
    write_atomically(folder / f"{stem}.jpg", jpeg(scored.photo))
    for what, mask in (("truth", scored.truth), ("prediction", scored.prediction)):
        write_atomically(folder / f"{stem}_{what}.png", _mask_png(mask, classes))
    return {"kind": kind, "file": stem, "name": scored.name, "pixel_accuracy": scored.accuracy}


def _mask_png(mask: npt.NDArray[Any], classes: ClassSet) -> bytes:
    palette, file = classes.palette(), io.BytesIO()
    picture = Image.fromarray(mask.astype(np.uint8 if len(palette) == 256 else np.uint16))
    if len(palette) == 256:
        picture.putpalette(palette.tobytes())
    picture.save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class StoredPhoto:
    """An example of a run, as its files have it: ``kind`` is 'best', 'worst' or 'typical'."""

    kind: str
    name: str
    accuracy: float
    photo: bytes
    truth: npt.NDArray[Any]
    prediction: npt.NDArray[Any]


def read_scored_photos(run: Path) -> Sequence[StoredPhoto]:
    """The examples of a run folder; none where there are none, or they are damaged."""
    try:
        listed = json.loads((run / FOLDER / LIST).read_text("utf-8"))["photos"]
        return [_read(run / FOLDER, entry) for entry in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _read(folder: Path, entry: dict[str, Any]) -> StoredPhoto:
    stem = folder / Path(str(entry["file"])).name
    masks = [np.asarray(Image.open(f"{stem}_{what}.png")) for what in ("truth", "prediction")]
    photo = stem.with_name(f"{stem.name}.jpg").read_bytes()
    kind, name, accuracy = str(entry["kind"]), str(entry["name"]), float(entry["pixel_accuracy"])
    return StoredPhoto(kind, name, accuracy, photo, *masks)
