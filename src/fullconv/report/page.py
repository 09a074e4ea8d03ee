"""The page of a run: one HTML file that needs nothing else and no network."""

import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.color_vision import Palette, recolored
from fullconv.errors import UserError
from fullconv.report import html
from fullconv.report.curves import Columns, curves, known, words
from fullconv.report.extremes import read_extremes
from fullconv.report.files import write_file
from fullconv.report.photos import SCRIPT, photos_section
from fullconv.report.resources_used import resources_section
from fullconv.report.runfiles import RunFiles, read_run
from fullconv.report.score_tables import confusion_section, scores_section

LARGEST = 2**20  # bytes of a sample sheet that is put into the page


def write_report(
    run: str | Path, out: str | Path | None = None, palette: Palette = "classes"
) -> Path:
    """Write ``report.html`` into a run folder from the files that are there; returns its path.

    ``out`` is another place for it, ``palette`` gives the classes other colours. It works while
    the run goes on, and without parts that do not exist yet. Raises UserError for a folder that is
    no run, and where the page cannot be written.
    """
    files = read_run(run)
    path = Path(out) if out else files.folder / "report.html"
    write_file(path, page(files, palette).encode())
    return path


def page(files: RunFiles, palette: Palette = "classes") -> str:
    """The HTML of a run's report."""
    classes = classes_of(files)
    shown = recolored(classes, palette) if classes else None
    first = shown.outputs[0].classes if shown else None
    sections = [
        (
            "Curves",
            html.plot(curves(files.log), "loss, learning rate and scores over steps"),
        ),
        ("Scores", scores_section(files.scores, shown)),
        ("Confusion", confusion_section(files.scores, shown)),
        (
            "Worst and best photos",
            photos_section(read_extremes(files.folder), first) if first else "",
        ),
        ("Samples", _samples(files.samples)),
        ("Time and memory", resources_section(files.timing)),
        ("To repeat it", _command(files)),
        ("Configuration", html.pre(files.config_text)),
    ]
    return html.document(files.folder.resolve().name, sections, _facts(files), (SCRIPT,))


def _facts(files: RunFiles) -> str:
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
        ("optimiser", find(config, "optimiser", "kind")),
        ("precision", find(config, "machine", "precision")),
        ("seed", find(config, "seed")),
        ("steps", _steps(files)),
        ("best on validation", best_of(files.log)),
    ]
    rows = [(escape(k), escape(str(v))) for k, v in facts if v not in (None, "", {})]
    return html.table((), rows)


def _start(weights: Any) -> str:
    """What the config says of the weights before the first step, in words."""
    if weights in (None, "none", "auto"):  # None in runs of older versions
        return "random weights"
    return " and ".join(map(str, weights)) if isinstance(weights, list) else str(weights)


def find(config: dict[str, Any], *keys: str) -> Any:
    """``config[first][second]...``, None where it does not lead to a plain value."""
    place: Any = config
    for key in keys:
        place = place.get(key) if isinstance(place, dict) else None
    return None if isinstance(place, dict) else place


def _photos(origin: dict[str, Any]) -> str:
    """'288 train, 72 val'; empty for a checkpoint that does not say."""
    photos = origin.get("photos")
    counts = photos.items() if isinstance(photos, dict) else ()
    return ", ".join(f"{count} {split}" for split, count in counts)


def _class_names(files: RunFiles) -> Sequence[str]:
    return (
        files.scores.names if files.scores else files.checkpoint.get("classes", {}).get("names", ())
    )


def _steps(files: RunFiles) -> str:
    steps = files.log.get("step")
    done = int(steps[-1]) if steps is not None and len(steps) else 0
    wanted = find(files.config, "length", "steps")
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
    batch, times = find(config, "length", "batch"), find(config, "length", "accumulate")
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


def _samples(sheets: Sequence[Path]) -> str:
    """The newest sheet at full size, the first one folded away to compare with."""
    sheets = [sheet for sheet in sheets if sheet.stat().st_size <= LARGEST]
    if not sheets:
        return ""
    shown = f"<p>{_step(sheets[-1])}</p>{_file(sheets[-1])}"
    for sheet in sheets[:-1][:1]:
        shown += f"<details><summary>{_step(sheet)}</summary>{_file(sheet)}</details>"
    return shown


def _step(sheet: Path) -> str:
    name = sheet.stem.lstrip("0") or "0"
    return f"After step {name}" if name.isdecimal() else escape(sheet.stem)


def _file(path: Path) -> str:
    kind = {".jpg": "jpeg"}.get(path.suffix, path.suffix[1:])
    return html.picture(path.read_bytes(), path.stem, kind)


def _command(files: RunFiles) -> str:
    if not files.config:
        return ""
    folder = files.folder
    config, again = shlex.quote(str(folder / "config.toml")), shlex.quote(f"{folder}-again")
    data = find(files.config, "data", "path")
    where = f"{shlex.quote(str(data))} " if data else ""
    return html.pre(f"fullconv train {where}--recipe {config} --out {again}")
