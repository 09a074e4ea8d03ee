"""The page of a run: what was trained, how well it does, and what that looks like."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.classes.palettes import Palette, recolored
from fullconv.metrics import SUMMARY, MultilabelScores, Scores, percent
from fullconv.report.best_and_worst import StoredPhoto
from fullconv.report.curves import curves, words
from fullconv.report.pages.page import write_page
from fullconv.report.precision_recall_chart import precision_recall_chart, threshold_rows
from fullconv.report.reliability_diagram import calibration_parts
from fullconv.report.run_files import RunFiles, find, read_run, resources
from fullconv.report.run_summary import (
    best_of,
    changes_of,
    classes_of,
    first_output,
    fitting_photos,
    shown_photo,
    steps_said,
    top_of,
)

LARGEST = 2**20  # bytes of a sample sheet that is put into the page
MATRIX = 32  # classes up to which the whole confusion matrix is shown
PAIRS = 40  # confusions that are listed where it is not
WRITTEN = 0.005  # share from which a cell of the matrix has its number
HOTTEST = 60  # percent of colour in a cell, so that its number can be read


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
    first, scores = first_output(shown), files.scores
    top = top_of(files, first)
    overlapping = scores if isinstance(scores, MultilabelScores) else None
    return write_page(
        out or files.folder / "report.html",
        "run.html",
        title=files.folder.resolve().name,
        lead=top.lead,
        headline=top.headline,
        opening=top.opening,
        facts=_facts(files),
        curves=curves(files.log),
        scores=[(words(key), percent(getattr(scores, key))) for key in SUMMARY if scores],
        classes=_of_classes(scores, shown) if scores else (),
        confusion=_confusion(scores, shown) if scores and not overlapping else None,
        curves_of_classes=precision_recall_chart(overlapping) if overlapping else None,
        thresholds=threshold_rows(overlapping, shown) if overlapping else (),
        calibration=_calibration(files, classes),
        photos=_photos_shown(fitting_photos(files, first), first) if first else None,
        samples=_samples(files.samples),
        resources=resources(files.timing),
        command=_command(files),
        config=files.config_text,
    )


def _confusion(scores: Scores, classes: ClassSet | None) -> dict[str, Any]:
    """The matrix in percent of each row; of very many classes the largest confusions."""
    share = scores.confusion / np.maximum(scores.pixels, 1)[:, None]  # K,K
    names = scores.names
    if len(names) > MATRIX:
        wrong = np.where(np.eye(len(names), dtype=bool), 0, share)
        order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
        pairs = [divmod(int(place), len(names)) for place in order if wrong.flat[place] > 0]
        return {"rows": (), "pairs": [(names[i], names[j], percent(share[i, j])) for i, j in pairs]}
    colors = classes.colors if classes else [None] * len(names)
    # The root brings out the small confusions, which are what one looks for.
    rows = [
        [
            (f"{100 * s:.0f}" if s >= WRITTEN else "", round(HOTTEST * float(np.sqrt(s))))
            for s in row
        ]
        for row in share
    ]
    return {"names": names, "rows": list(zip(names, colors, rows, strict=True))}


def _facts(files: RunFiles) -> Sequence[tuple[str, str]]:
    """The facts of a run: net, data, steps, scores."""
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
        ("precision", find(config, "compute", "precision")),
        ("seed", find(config, "seed")),
        ("changed", changes_of(config)),
        ("steps", steps_said(files)),
        ("best on validation", best_of(files.log)),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "", {})]


def _calibration(files: RunFiles, classes: ClassSet | None) -> list[dict[str, Any]]:
    """How well probabilities fit, of each output; empty for a run that was never calibrated."""
    outputs = [output.name for output in classes.outputs] if classes else []
    return calibration_parts(files.checkpoint, outputs) if outputs else []


def _start(weights: Any) -> str:
    """The weights that the training started from by the config, in words."""
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


def _batch(config: dict[str, Any]) -> int | None:
    batch, times = find(config, "schedule", "batch_size"), find(config, "schedule", "accumulate")
    return batch * times if isinstance(batch, int) and isinstance(times, int) else None


def _window(crop: Any) -> str:
    return " x ".join(map(str, crop)) if isinstance(crop, list) else ""


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


def _taken_for(scores: Scores, true: int) -> str:
    """The class that gets most of the pixels that are wrong, and its share of all of them."""
    if isinstance(scores, MultilabelScores):
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
    maps = [mask for photo in photos for mask in (photo.truth, photo.prediction)]
    seen = sorted({int(value) for mask in maps for value in np.unique(mask)})
    shown = [value for value in seen if value < len(classes)]
    return {
        "legend": [(classes.names[value], classes.colors[value]) for value in shown],
        "ignored": classes.ignore_color if classes.ignore in seen else None,
        "kinds": {
            kind: [shown_photo(photo, classes) for photo in photos if photo.kind == kind]
            for kind in ("worst", "best")
        },
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
