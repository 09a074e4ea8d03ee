"""Reads what a run has left in its folder so far; every part may be missing."""

import csv
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from fullconv.duration import duration
from fullconv.errors import UserError, reason_of
from fullconv.metrics import MultilabelScores, Scores
from fullconv.python_arguments import as_path

Columns = Mapping[str, npt.NDArray[np.float64]]
"""A table by column, rows in order; nan where a cell is empty or no number."""


@dataclass(frozen=True, eq=False)
class RunFiles:
    """The parts of a run folder; empty or None where they do not exist yet.

    ``checkpoint`` is what the best model says of itself: net, classes, preprocessing, origin.
    """

    folder: Path
    config: dict[str, Any]
    config_text: str
    log: Columns
    timing: Columns
    scores: Scores | None
    scores_file: dict[str, Any]
    samples: list[Path]
    checkpoint: dict[str, Any]


def read_run(folder: str | Path) -> RunFiles:
    """Read a run folder; UserError when it is none, that is without config.toml and log.csv."""
    folder = as_path(folder, "a run")
    if not (folder / "config.toml").exists() and not (folder / "log.csv").exists():
        raise UserError(
            f"{folder}: not a run folder (neither config.toml nor log.csv in it); "
            "fullconv train DATA --out runs/first makes one",
            "FC-REPORT-001",
        )
    text = _text(folder / "config.toml")
    scores_file = _json(folder / "scores.json")
    return RunFiles(
        folder=folder,
        config=_toml(text, folder / "config.toml"),
        config_text=text,
        log=read_columns(folder / "log.csv"),
        timing=read_columns(folder / "timing.csv"),
        scores=_scores(scores_file),
        scores_file=scores_file,
        samples=_samples(folder / "samples"),
        checkpoint=_header(folder / "model.safetensors"),
    )


def read_columns(path: Path) -> Columns:
    """The columns of a CSV file with a header; empty if there is none.

    A last line that is still being written is left out.
    """
    lines = _text(path).splitlines(keepends=True)
    rows = list(csv.reader(line for line in lines if line.endswith("\n")))
    if not rows:
        return {}
    header, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    return {
        name: np.array([_number(row[index]) for row in body], np.float64)
        for index, name in enumerate(header)
    }


def known(log: Columns, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Steps and values of a column where it has one."""
    values = log[name]
    steps = log.get("step", np.arange(1.0, len(values) + 1))
    there = np.isfinite(values)
    return steps[there], values[there]


def find(config: Mapping[str, Any], *keys: str) -> Any:
    """``config[first][second]...``, None where it does not lead to a plain value."""
    place: Any = config
    for key in keys:
        place = place.get(key) if isinstance(place, dict) else None
    return None if isinstance(place, dict) else place


def resources(timing: Columns) -> dict[str, str]:
    """The resources of a run, in words: time, photos a second, wait for data, memory; if known."""
    columns = {name: known(timing, name)[1] for name in timing}
    used: dict[str, str] = {}
    if len(seconds := columns.get("seconds", np.empty(0))):
        used["time"] = duration(total_seconds(seconds))
    if len(rate := columns.get("images_per_second", np.empty(0))):
        used["photos a second"] = f"{float(np.median(rate)):.3g}"
    if len(wait := columns.get("data_wait", np.empty(0))):
        used["waiting for data"] = f"{100 * float(np.median(wait)):.0f} %"
    if len(memory := columns.get("memory_mib", np.empty(0))):
        used["most memory"] = f"{memory.max():.0f} MiB"
    return used


def total_seconds(seconds: npt.NDArray[np.float64]) -> float:
    """The seconds of a run with all its resumes: where the clock falls back, a resume began."""
    ends = [float(a) for a, b in pairwise(seconds) if b < a]
    return sum(ends) + float(seconds[-1])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of 5,000 digits
        raise UserError(f"{path}: not valid TOML: {reason_of(error)}", "FC-REPORT-002") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not valid JSON: {error}; remove it and resume", "FC-REPORT-002"
        ) from error
    return content if isinstance(content, dict) else {}


def _header(path: Path) -> dict[str, Any]:
    """The description in the head of a checkpoint; the weights are not read."""
    if not path.exists():
        return {}
    try:
        with safe_open(path, "numpy") as file:
            content = json.loads((file.metadata() or {})["fullconv"])
    except (OSError, KeyError, ValueError, RecursionError, SafetensorError):
        return {}
    return content if isinstance(content, dict) else {}


def _scores(content: dict[str, Any]) -> Scores | None:
    try:
        is_overlapping = content.get("task", "semantic") != "semantic"
        return (MultilabelScores if is_overlapping else Scores).from_dict(content)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _samples(folder: Path) -> list[Path]:
    """Sample sheets, oldest first by the numbers in their names."""
    sheets = [p for p in folder.glob("*") if p.suffix in (".png", ".jpg", ".jpeg", ".webp")]
    return sorted(sheets, key=lambda p: ([int(n) for n in re.findall(r"\d+", p.stem)], p.name))
