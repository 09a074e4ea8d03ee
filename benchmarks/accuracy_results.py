"""What accuracy.py has found: kept as JSON, compared as curves."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

from fullconv.files.atomic import write_atomically

Point = Sequence[float]  # minutes of training, mean IU, and what else is known of it
KEY = ("name", "seed", "settings", "arch", "encoder", "recipe", "arguments")


@dataclass
class Results:
    """``runs`` hold their key (KEY), their curve, and what a photo takes by each engine."""

    path: Path
    runs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """From its file; empty where there is none."""
        return cls(path, json.loads(path.read_text("utf-8"))["runs"] if path.exists() else [])

    def find(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """The run of these settings."""
        wanted = [key.get(name) for name in KEY]
        return next((r for r in self.runs if [r.get(name) for name in KEY] == wanted), None)

    def has(self, key: dict[str, Any]) -> bool:
        """True where it was run."""
        return self.find(key) is not None

    def add(self, key: dict[str, Any], found: dict[str, Any]) -> None:
        """Put a run in place of the one of the same settings, and write all."""
        self.runs = [each for each in self.runs if each is not self.find(key)]
        self.runs.append({**key, **found})
        self.save()

    def save(self) -> None:
        """Write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"runs": self.runs}, indent=1, ensure_ascii=False)
        write_atomically(self.path, text + "\n")

    def groups(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Runs that may be compared: of the same settings."""
        for settings in {
            json.dumps(each["settings"]): each["settings"] for each in self.runs
        }.values():
            yield settings, [each for each in self.runs if each["settings"] == settings]


def fullconv_curve(folder: Path) -> dict[str, Any]:
    """The validations of a run of fullconv, by its own clock: [minutes, mean IU, steps]."""
    seconds = {row["step"]: float(row["seconds"]) for row in _rows(folder / "timing.csv")}
    rows = [row for row in _rows(folder / "log.csv") if row["val_mean_iu"]]
    curve = [[seconds[r["step"]] / 60, float(r["val_mean_iu"]), int(r["step"])] for r in rows]
    last = list(_rows(folder / "timing.csv"))[-1]
    return {"curve": curve, "steps": int(last["step"]), "data_wait": float(last["data_wait"])}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


def is_ours(run: dict[str, Any]) -> bool:
    """True for this project's own."""
    return run["name"].split("-")[0] == "fullconv"


def best(run: dict[str, Any]) -> float:
    """The mean IU of the weights that are kept."""
    return max(point[1] for point in run["curve"])


def by_name(runs: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The runs of each name, one a seed."""
    names = dict.fromkeys(run["name"] for run in runs)
    return {name: [run for run in runs if run["name"] == name] for name in names}


def at(curve: Sequence[Point], minutes: float) -> float:
    """The mean IU between two validations; nan before the first, the last one's behind it."""
    if minutes < curve[0][0]:
        return math.nan
    for left, right in pairwise(curve):
        if minutes < right[0]:
            share = (minutes - left[0]) / (right[0] - left[0])
            return left[1] + share * (right[1] - left[1])
    return curve[-1][1]


def ours_at(runs: Sequence[dict[str, Any]], minutes: float) -> float:
    """This project's mean over the seeds, by its first way; nan where it has no value there.

    Not by the best way at each time: a peer is one way of training too.
    """
    ways = by_name([run for run in runs if is_ours(run)])
    seeds = next(iter(ways.values()), [])
    return mean(at(run["curve"], minutes) for run in seeds) if seeds else math.nan


def leads(runs: Sequence[dict[str, Any]], name: str) -> list[float]:
    """How far this project is above each point of a peer, all seeds; nan where it has no value."""
    points = [point for run in runs if run["name"] == name for point in run["curve"]]
    return [ours_at(runs, point[0]) - point[1] for point in points]


def beaten(runs: Sequence[dict[str, Any]], seconds: float, score: float) -> bool:
    """True where this project has a way to predict that is no slower and no worse."""
    own = [speed for run in runs if is_ours(run) for speed in run.get("speed", [])]
    return any(s["seconds"] <= seconds and s["mean_iu"] >= score for s in own)
