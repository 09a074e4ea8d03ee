"""The page of a run: what was trained, how well it does, and what that looks like."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.classes.palettes import Palette, recolored
from fullconv.errors import UserError
from fullconv.metrics import SUMMARY, OverlapScores, Scores, percent
from fullconv.report.best_and_worst import StoredPhoto, read_scored_photos
from fullconv.report.confusion import confusion_picture
from fullconv.report.curves import curves, words
from fullconv.report.embedded import layer_png
from fullconv.report.page import write_page
from fullconv.report.precision_recall import precision_recall_picture
from fullconv.report.run_files import Columns, RunFiles, find, known, read_run, resources

LARGEST = 2**20  # bytes of a sample sheet that is put into the page


def write_report(
    run: str | Path, out: str | Path | None = None, palette: Palette = "classes"
) -> Path:
    """Write ``report.html`` into a run folder from the files that are there; returns its path.

    ``out`` is another place for it, ``palette`` gives the classes other colours. It works while
    the run is training, and without parts that do not exist yet. Raises UserError for a folder
    that is no run, and where the page cannot be written.
    """
    files = read_run(run)
    classes = classes_of(files)
    shown = recolored(classes, palette) if classes else None
    first = shown.flat.outputs[0].classes if shown else None
    scores = files.scores
    overlapping = scores if isinstance(scores, OverlapScores) else None
    return write_page(
        out or files.folder / "report.html",
        "run.html",
        title=files.folder.resolve().name,
        facts=_facts(files),
        curves=curves(files.log),
        scores=[(words(key), percent(getattr(scores, key))) for key in SUMMARY if scores],
        classes=_of_classes(scores, shown) if scores else (),
        confusion=confusion_picture(scores, shown) if scores and not overlapping else None,
        curves_of_classes=precision_recall_picture(overlapping, shown) if overlapping else None,
        thresholds=_thresholds(overlapping, shown) if overlapping else (),
        photos=_photos_shown(read_scored_photos(files.folder), first) if first else None,
        samples=_samples(files.samples),
        resources=resources(files.timing),
        command=_command(files),
        config=files.config_text,
        history=files.history,
    )


def _facts(files: RunFiles) -> Sequence[tuple[str, str]]:
    """What was trained, on what, how far, how well."""
    net = files.checkpoint.get("net") or {}
    config = files.config
    facts: list[tuple[str, Any]] = [
        ("net", net.get("name") or find(config, "net", "name")),
        ("data", find(config, "data", "path")),
        ("photos", _photos(files.checkpoint.get("origin") or {})),
        ("classes", ", ".join(_class_names(files))),
        ("starts from", _start(find(config, "net", "weights"))),
        ("recipe", find(config, "recipe")),
        ("photos a step", _batch(config)),
        ("window", _window(find(config, "augment", "crop"))),
        ("optimizer", find(config, "optimizer", "kind")),
        ("precision", find(config, "machine", "precision")),
        ("seed", find(config, "seed")),
        ("changed", changes_of(config)),
        ("steps", _steps(files)),
        ("best on validation", best_of(files.log)),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "", {})]


def _start(weights: Any) -> str:
    """What the config says of the weights before the first step, in words."""
    if weights in (None, "none", "auto"):  # None in runs of older versions
        return "random weights"
    return " and ".join(map(str, weights)) if isinstance(weights, list) else str(weights)


def _photos(origin: dict[str, Any]) -> str:
    """'288 train, 72 val'; empty for a checkpoint that does not say."""
    photos = origin.get("photos")
    counts = photos.items() if isinstance(photos, dict) else ()
    return ", ".join(f"{count} {split}" for split, count in counts)


def _class_names(files: RunFiles) -> Sequence[str]:
    return (
        files.scores.names if files.scores else files.checkpoint.get("classes", {}).get("names", ())
    )


def changes_of(config: dict[str, Any]) -> str:
    """What resumes have changed: 'schedule.steps = 8 at step 6'; empty where nothing."""
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


def _steps(files: RunFiles) -> str:
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


def _batch(config: dict[str, Any]) -> int | None:
    batch, times = find(config, "schedule", "batch_size"), find(config, "schedule", "accumulate")
    return batch * times if isinstance(batch, int) and isinstance(times, int) else None


def _window(crop: Any) -> str:
    return " x ".join(map(str, crop)) if isinstance(crop, list) else ""


def classes_of(files: RunFiles) -> ClassSet | None:
    """The classes with their colours, as the checkpoint has them; None where they do not fit."""
    try:
        classes = ClassSet.from_dict(files.checkpoint["classes"])
    except (KeyError, UserError):
        return None
    return classes if files.scores is None or classes.names == files.scores.names else None


def _of_classes(scores: Scores, classes: ClassSet | None) -> Sequence[dict[str, Any]]:
    """A row of the table a class, the best first; ``classes`` give the colours."""
    order = np.argsort(-np.nan_to_num(scores.iu, nan=-1), kind="stable")
    share = scores.shares
    return [
        {
            "name": scores.names[i],
            "color": classes.colors[i] if classes else None,
            "iu": float(scores.iu[i]),
            "bar": float(np.nan_to_num(scores.iu[i])),
            "accuracy": float(scores.accuracy[i]),
            "share": float(share[i]),
            "taken_for": _taken_for(scores, int(i)),
        }
        for i in order
    ]


def _thresholds(scores: OverlapScores, classes: ClassSet | None) -> Sequence[dict[str, Any]]:
    """A row a class of the table below the precision-recall curves."""
    average = scores.average_precision
    return [
        {
            "name": name,
            "color": classes.colors[i] if classes else None,
            "threshold": f"{scores.thresholds[i]:g}",
            "precision": float(scores.precision[i]),
            "recall": float(scores.accuracy[i]),
            "f1": float(scores.dice[i]),
            "average": float("nan") if average is None else float(average[i]),
        }
        for i, name in enumerate(scores.names)
    ]


def _taken_for(scores: Scores, true: int) -> str:
    """The class that gets most of the pixels that are wrong, and its share of all of them."""
    if isinstance(scores, OverlapScores):
        return ""
    wrong = scores.confusion[true].copy()
    wrong[true] = 0
    if not wrong.any():
        return ""
    most = int(wrong.argmax())
    return f"{scores.names[most]} ({percent(float(wrong[most] / scores.pixels[true]))})"


def _photos_shown(photos: Sequence[StoredPhoto], classes: ClassSet) -> dict[str, Any] | None:
    """The worst photos and the best, and the classes that they show; None without any."""
    if not photos:
        return None
    photos = [each for each in photos if _fits(each, classes)]
    maps = [mask for each in photos for mask in (each.truth, each.prediction)]
    seen = sorted({int(value) for mask in maps for value in np.unique(mask)})
    shown = [value for value in seen if value < len(classes)]
    return {
        "legend": [(classes.names[value], classes.colors[value]) for value in shown],
        "ignored": classes.ignore_color if classes.ignore in seen else None,
        "kinds": {
            kind: [_photo(each, classes) for each in photos if each.kind == kind]
            for kind in ("worst", "best")
        },
    }


def _fits(photo: StoredPhoto, classes: ClassSet) -> bool:
    size = len(classes.palette())
    return photo.truth.max(initial=0) < size and photo.prediction.max(initial=0) < size


def _photo(photo: StoredPhoto, classes: ClassSet) -> dict[str, Any]:
    return {
        "name": photo.name,
        "accuracy": photo.accuracy,
        "photo": photo.photo,
        "truth": layer_png(photo.truth, classes),
        "prediction": layer_png(photo.prediction, classes),
    }


def _samples(sheets: Iterable[Path]) -> Sequence[dict[str, Any]]:
    """The newest sheet, and the first one to compare with."""
    small = [sheet for sheet in sheets if sheet.stat().st_size <= LARGEST]
    return [_sample(sheet) for sheet in (*small[-1:], *small[:-1][:1])]


def _sample(sheet: Path) -> dict[str, Any]:
    step = sheet.stem.lstrip("0") or "0"
    return {
        "title": f"After step {step}" if step.isdecimal() else sheet.stem,
        "name": sheet.stem,
        "kind": {".jpg": "jpeg"}.get(sheet.suffix, sheet.suffix[1:]),
        "content": sheet.read_bytes(),
    }


def _command(files: RunFiles) -> str:
    if not files.config:
        return ""
    folder = files.folder
    config, again = shlex.quote(str(folder / "config.toml")), shlex.quote(f"{folder}-again")
    data = find(files.config, "data", "path")
    where = f"{shlex.quote(str(data))} " if data else ""
    return f"fullconv train {where}--recipe {config} --out {again}"
