"""What the choice of photos is worth: `fullconv suggest` against random choice.

    python benchmarks/suggest.py data/camvid                       # 20 photos, three rounds of 20
    python benchmarks/suggest.py data/camvid --seeds 0,1,2 --steps 600 --work runs/suggest
    python benchmarks/suggest.py shapes:96x128:n=30 --start 4 --number 2 --rounds 1 --steps 4 \
        --seeds 0 --net fcn8s-resnet18 --photos 12 --width 0.0625

The labels of all training photos are known, but hidden at first. For each seed a net is trained on
the same random photos; then, in each round, so many more are labelled, chosen by the net of the
round before or drawn at random, and a new net is trained, from the same weights, for the same
number of steps. The ways differ in nothing but the photos. Each net is scored on val. Figures are
means over the seeds; below them stands every single one. Trainings that --work has already are not
run again, so an interrupted call continues.
"""

import argparse
import contextlib
import hashlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fullconv
from fullconv.classes import ClassSet
from fullconv.curation import PhotoView, photo_view
from fullconv.curation import suggest as choose
from fullconv.curation.read_views import torch_engine
from fullconv.data import Source, open_source
from fullconv.data.checks.duplicates import fingerprint
from fullconv.data.splits.subset import with_photos as only
from fullconv.evaluation import evaluate
from fullconv.inference import Predictor
from fullconv.metrics import percent
from result import Result, Table

WAYS = ("suggest", "random")


@dataclass(frozen=True)
class Trial:
    """The options of all trainings, and the photos that there are."""

    pool: Source
    val: Source
    steps: int
    net: str | None
    width: float
    folder: Path

    def trained(self, names: Sequence[str], seed: int) -> tuple[Path, float]:
        """A net trained on the photos of these names; its mean IU on val."""
        told = " ".join([*names, str((self.steps, self.net, self.width))])
        run = self.folder / f"{len(names)}-{seed}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
        if (run / "report.html").exists():  # the last file of a training
            return run, self.score(run)
        overrides = {"schedule.validate_every": self.steps, "data.check": False}
        if self.net:
            overrides |= {"net.width": self.width}
        with contextlib.redirect_stdout(io.StringIO()):
            fullconv.train(
                only(self.pool, names, "train"), run, val=self.val, steps=self.steps,
                net=self.net, seed=seed, overrides=overrides, quiet=True, overwrite=True,
            )  # fmt: skip
        return run, self.score(run)

    def score(self, run: Path) -> float:
        """The mean IU of a trained net on val."""
        return evaluate(Predictor(run, engine="torch").engine, self.val).mean_iu

    def views(self, run: Path, names: Sequence[str]) -> list[PhotoView]:
        """The photos of these names as the net of ``run`` sees them."""
        predictor = Predictor(run, engine="torch")
        source, engine = only(self.pool, names, "train"), torch_engine(predictor)
        return [
            photo_view(engine, predictor.classes, name, source[place].image)
            for place, name in enumerate(names)
        ]


def class_pixels(source: Source, names: Sequence[str], classes: ClassSet) -> np.ndarray:
    """The labelled pixels of each class in these photos."""
    counts, labelled = np.zeros(len(classes), np.int64), only(source, names, "train")
    for place in range(len(names)):
        mask = labelled.mask(place)
        assert mask is not None
        counts += np.bincount(mask.ravel(), minlength=256)[: len(classes)]
    return counts


def next_photos(
    trial: Trial, way: str, run: Path, labelled: Sequence[str], number: int, seed: int
) -> list[str]:
    """The photos to be labelled next."""
    left = [name for name in trial.pool.names if name not in set(labelled)]
    if way == "random":
        rng = np.random.default_rng([seed, len(labelled)])
        return [left[place] for place in rng.permutation(len(left))[:number]]
    held_out = [fingerprint(trial.val[place].image) for place in range(len(trial.val))]
    chosen = choose(
        trial.views(run, left), trial.views(run, labelled), trial.pool.classes, number,
        class_pixels(trial.pool, labelled, trial.pool.classes), held_out,
    )  # fmt: skip
    return [each.name for each in chosen.photos]


def curve(
    trial: Trial, way: str, first: tuple[list[str], Path, float], rounds: int, number: int,
    seed: int,
) -> list[float]:  # fmt: skip
    """The mean IU after each round, the start included."""
    labelled, run, score = first
    scores = [score]
    for _ in range(rounds):
        labelled = [*labelled, *next_photos(trial, way, run, labelled, number, seed)]
        run, score = trial.trained(labelled, seed)
        scores.append(score)
        print(f"seed {seed}, {way}, {len(labelled)} photos: {percent(score)}", flush=True)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--start", type=int, default=20, help="photos labelled at first")
    parser.add_argument("--number", type=int, default=20, help="photos of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1200, help="of each training")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--net", help="else that of a bare training")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--photos", type=int, help="at most so many of train and of val")
    parser.add_argument("--work", type=Path, help="keeps the trainings; else they are deleted")
    parser.add_argument("--json", help="write the result to this file")
    given = parser.parse_args()
    pool, val = (open_source(given.data, split) for split in ("train", "val"))
    if given.photos:
        pool, val = (only(s, list(s.names)[: given.photos], s.split) for s in (pool, val))
    seeds = [int(seed) for seed in given.seeds.split(",")]
    scores: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.work or Path(temporary)
        trial = Trial(pool, val, given.steps, given.net, given.width, folder)
        for seed in seeds:
            names = list(pool.names)
            order = np.random.default_rng(seed).permutation(len(names))[: given.start]
            labelled = [names[place] for place in order]
            run, score = trial.trained(labelled, seed)
            print(f"seed {seed}, {len(labelled)} photos: {percent(score)}", flush=True)
            for way in WAYS:
                first = labelled, run, score
                scores[way].append(curve(trial, way, first, given.rounds, given.number, seed))
    counts = [given.start + given.number * each for each in range(given.rounds + 1)]
    head = ["photos chosen by", *(f"{count} photos" for count in counts)]
    means = [[way, *map(percent, np.mean(scores[way], 0))] for way in WAYS]
    every = [
        [f"{way}, seed {seed}", *map(percent, of_seed)]
        for way in WAYS
        for seed, of_seed in zip(seeds, scores[way], strict=True)
    ]
    notes = [
        f"{given.steps} steps each, {len(pool)} photos to choose from, {len(val)} to score on."
    ]
    tables = [Table("Mean IU on val", head, means), Table("Each seed", head, every)]
    Result(tables, notes).finish(given.json)


if __name__ == "__main__":
    main()
