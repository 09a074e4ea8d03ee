"""The top of a run's page, and what a notebook shows of it: a line, three figures, photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.metrics import percent
from fullconv.report.best_and_worst import StoredPhoto, read_scored_photos
from fullconv.report.curves import words
from fullconv.report.embedded import layer_png
from fullconv.report.run_files import Columns, RunFiles, find, known, read_run, resources

OPENING = 2  # photos


@dataclass(frozen=True)
class ShownRun:
    """The top of a run's page: a line, figures (name, value, remark), photos."""

    lead: str
    headline: Sequence[tuple[str, str, str]]
    opening: Sequence[dict[str, Any]]


def shown_run(run: str | Path) -> ShownRun:
    """The top of the page of a run folder; UserError for a folder that is no run."""
    files = read_run(run)
    return top_of(files, first_output(classes_of(files)))


def first_output(classes: ClassSet | None) -> ClassSet | None:
    """The classes of the first output; of overlapping ones those of the map to look at."""
    return classes.flat.outputs[0].classes if classes else None


def top_of(files: RunFiles, classes: ClassSet | None) -> ShownRun:
    """The top of the page of these files; ``classes`` are those of the first output."""
    photos = fitting_photos(files, classes)
    opening = [shown_photo(photo, classes) for photo in _opening(photos)] if classes else []
    return ShownRun(_lead(files), _headline(files), opening)


def _lead(files: RunFiles) -> str:
    """'fcn8s-resnet18, trained on photos/': what the page is about, in a line."""
    net = (files.checkpoint.get("net") or {}).get("name") or find(files.config, "net", "name")
    data = find(files.config, "data", "path")
    steps = steps_said(files)
    parts = [net, data and f"trained on {data}", steps != "0" and f"step {steps}"]
    return ", ".join(str(part) for part in parts if part)


def _headline(files: RunFiles) -> Sequence[tuple[str, str, str]]:
    """Three figures with name and remark: how good, how good at worst; else how far it is."""
    scores = files.scores
    if scores and not np.isnan(scores.iu).all():
        worst = int(np.nanargmin(scores.iu))
        where = best_of(files.log).partition(" at ")[2]
        return [
            ("mean IU", f"{percent(scores.mean_iu)} %", f"validation, {where}" if where else ""),
            ("pixels right", f"{percent(scores.pixel_accuracy)} %", "pixel accuracy"),
            (
                "weakest class",
                f"{percent(float(scores.iu[worst]))} %",
                f"IU of {scores.names[worst]}",
            ),
        ]
    figures = []
    for name in ("loss_per_pixel", "loss", "lr"):
        if name not in files.log or (figures and name == "loss"):
            continue
        steps, values = known(files.log, name)
        if len(values):
            figures.append((words(name), f"{values[-1]:.3g}", f"step {int(steps[-1])}"))
    done = resources(files.timing).get("time")
    return [*figures, *([("time", done, "so far")] if done else [])]


def _opening(photos: Sequence[StoredPhoto]) -> Sequence[StoredPhoto]:
    """The photos at the top: typical ones; of older runs the best and the worst."""
    typical = [photo for photo in photos if photo.kind == "typical"]
    if typical:
        return typical[:OPENING]
    by_kind = {photo.kind: photo for photo in reversed(photos)}
    return [by_kind[kind] for kind in ("best", "worst") if kind in by_kind]


def fitting_photos(files: RunFiles, classes: ClassSet | None) -> Sequence[StoredPhoto]:
    """The stored photos whose values are those of the classes."""
    stored = read_scored_photos(files.folder) if classes else ()
    return [photo for photo in stored if classes and _fits(photo, classes)]


def _fits(photo: StoredPhoto, classes: ClassSet) -> bool:
    size = len(classes.palette())
    return photo.truth.max(initial=0) < size and photo.prediction.max(initial=0) < size


def shown_photo(photo: StoredPhoto, classes: ClassSet) -> dict[str, Any]:
    """A photo as the templates take it: name, accuracy, JPEG, and both masks as PNG layers."""
    return {
        "name": photo.name,
        "accuracy": photo.accuracy,
        "photo": photo.photo,
        "truth": layer_png(photo.truth, classes),
        "prediction": layer_png(photo.prediction, classes),
    }


def steps_said(files: RunFiles) -> str:
    """'20 of 40 (not finished, or still running)'."""
    steps = files.log.get("step")
    done = int(steps[-1]) if steps is not None and len(steps) else 0
    wanted = find(files.config, "schedule", "steps")
    for change in _changes(files.config):
        wanted = change["set"].get("schedule.steps", wanted)
    if not isinstance(wanted, int):
        return str(done)
    return f"{done} of {wanted}" + ("" if done >= wanted else " (not finished, or still running)")


def best_of(log: Columns) -> str:
    """The best mean IU on the validation split and its step, in words; empty without one."""
    column = next((name for name in log if words(name) == "mean IU"), None)
    if column is None:
        return ""
    steps, values = known(log, column)
    if not len(values):
        return ""
    place = int(np.argmax(values))
    return f"mean IU {100 * values[place]:.1f} % at step {int(steps[place])}"


def changes_of(config: dict[str, Any]) -> str:
    """The changes by resumes: 'schedule.steps = 8 at step 6'; '' without any."""
    return "; ".join(
        f"{', '.join(f'{key} = {value}' for key, value in change['set'].items())} "
        f"at step {change['step']}"
        for change in _changes(config)
    )


def _changes(config: dict[str, Any]) -> list[dict[str, Any]]:
    changes = config.get("changes")
    entries = changes if isinstance(changes, list) else []
    return [
        e for e in entries if isinstance(e, dict) and isinstance(e.get("set"), dict) and "step" in e
    ]


def classes_of(files: RunFiles) -> ClassSet | None:
    """The classes with their colours, as the checkpoint has them; None where they do not fit."""
    try:
        classes = ClassSet.from_dict(files.checkpoint["classes"])
    except (KeyError, UserError):
        return None
    return classes if files.scores is None or classes.names == files.scores.names else None
