"""The page of a run: one HTML file that needs nothing else and no network."""

import base64
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.files import write_atomically
from fullconv.metrics import SUMMARY, percent
from fullconv.report.confusion import confusion_picture
from fullconv.report.curves import Columns, curves, known, words
from fullconv.report.runfiles import RunFiles, read_run

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr td { border-top: 1px solid #ddd; }
img { max-width: 100%; height: auto; }
pre { background: #f4f4f4; padding: .8rem; overflow-x: auto; white-space: pre-wrap; }
.swatch { display: inline-block; width: 1.1em; height: .8em; border: 1px solid #999;
          margin-right: .5em; }
.bar { display: inline-block; height: .7em; background: #4a7fb5; }
.note { color: #666; }
"""


def write_report(run: str | Path) -> Path:
    """Write ``report.html`` into a run folder from the files that are there; returns its path.

    It works while the run goes on, and without parts that do not exist yet. Raises UserError for
    a folder that is no run.
    """
    files = read_run(run)
    path = files.folder / "report.html"
    write_atomically(path, page(files))
    return path


def page(files: RunFiles) -> str:
    """The HTML of a run's report."""
    name = files.folder.resolve().name
    sections = [
        f"<h1>{escape(name)}</h1>",
        _facts(files),
        _section(
            "Curves", _picture(curves(files.log), "loss, learning rate and scores over steps")
        ),
        _section("Scores", _scores(files)),
        _section("Samples", _samples(files.samples)),
        _section("Best and worst photos", _photos(files.scores_file)),
        _section("Time and memory", _timing(files.timing)),
        _section("To repeat it", _command(files)),
        _section("Configuration", _pre(files.config_text)),
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(name)}: fullconv</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>" if content else ""


def _picture(content: bytes | None, alt: str, kind: str = "png") -> str:
    if not content:
        return ""
    data = base64.b64encode(content).decode("ascii")
    return f"<img alt='{escape(alt, quote=True)}' src='data:image/{kind};base64,{data}'>"


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>" if text.strip() else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int]) -> str:
    """Cells are HTML already; ``numbers`` are the columns set flush right."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [" class='number'" if i in numbers else "" for i in range(len(cells))]
        return "".join(f"<{tag}{k}>{c}</{tag}>" for k, c in zip(kinds, cells, strict=True))

    body = "\n".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    top = f"<tr>{line('th', head)}</tr>" if head else ""
    return f"<table>{top}{body}</table>"


def _facts(files: RunFiles) -> str:
    """What was trained, on what, how far, how well."""
    net = files.checkpoint.get("net") or {}
    config = files.config
    facts: list[tuple[str, Any]] = [
        ("net", net.get("name") or find(config, "net", "name")),
        ("data", find(config, "data", "path")),
        ("classes", ", ".join(_class_names(files))),
        ("recipe", find(config, "recipe")),
        ("seed", find(config, "seed")),
        ("steps", _steps(files)),
        ("best on validation", _best(files.log)),
    ]
    rows = [(escape(k), escape(str(v))) for k, v in facts if v not in (None, "", {})]
    return _table((), rows, set())


def find(config: dict[str, Any], *keys: str) -> Any:
    """``config[first][second]...``, None where it does not lead to a plain value."""
    place: Any = config
    for key in keys:
        place = place.get(key) if isinstance(place, dict) else None
    return None if isinstance(place, dict) else place


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


def _best(log: Columns) -> str:
    column = next((name for name in log if words(name) == "mean IU"), None)
    if column is None:
        return ""
    steps, values = known(log, column)
    if not len(values):
        return ""
    place = int(np.argmax(values))
    return f"mean IU {100 * values[place]:.1f} % at step {int(steps[place])}"


def _scores(files: RunFiles) -> str:
    scores = files.scores
    if scores is None:
        return ""
    classes = _classes(files)
    four = [(escape(words(key)), percent(getattr(scores, key))) for key in SUMMARY]
    order = np.argsort(-np.nan_to_num(scores.iu, nan=-1), kind="stable")
    share = scores.pixels / max(int(scores.pixels.sum()), 1)
    rows = [
        (
            _swatch(classes, i) + escape(scores.names[i]),
            percent(float(scores.iu[i])),
            f"<span class='bar' style='width:{8 * float(np.nan_to_num(scores.iu[i])):.2f}rem'>"
            "</span>",
            percent(float(scores.accuracy[i])),
            percent(float(share[i])),
        )
        for i in order
    ]
    return (
        _table((), four, {1})
        + "<p class='note'>In percent. One confusion matrix over the whole split; classes that "
        "are in neither the truth nor the prediction leave the mean.</p>"
        + _table(("class", "IU", "", "accuracy", "share of pixels"), rows, {1, 3, 4})
        + f"<p>{_picture(confusion_picture(scores, classes), 'confusion matrix')}</p>"
    )


def _classes(files: RunFiles) -> ClassSet | None:
    try:
        classes = ClassSet.from_dict(files.checkpoint["classes"])
    except (KeyError, UserError):
        return None
    return classes if files.scores is None or classes.names == files.scores.names else None


def _swatch(classes: ClassSet | None, index: int) -> str:
    if classes is None:
        return ""
    red, green, blue = classes.colors[index]
    return f"<span class='swatch' style='background:rgb({red},{green},{blue})'></span>"


def _samples(sheets: Sequence[Path]) -> str:
    """The newest sheet at full size, the first one folded away to compare with."""
    if not sheets:
        return ""
    shown = f"<p>{escape(sheets[-1].stem)}</p>{_file(sheets[-1])}"
    for sheet in sheets[:-1][:1]:
        shown += f"<details><summary>{escape(sheet.stem)}</summary>{_file(sheet)}</details>"
    return shown


def _file(path: Path) -> str:
    kind = {".jpg": "jpeg"}.get(path.suffix, path.suffix[1:])
    return _picture(path.read_bytes(), path.stem, kind)


def _photos(content: dict[str, Any]) -> str:
    """The photos with the highest and the lowest pixel accuracy, where scores.json lists them."""
    listed = [p for p in content.get("photos") or () if p.get("pixel_accuracy") is not None]
    if not listed:
        return ""
    listed.sort(key=lambda photo: -photo["pixel_accuracy"])
    ends = listed if len(listed) <= 10 else listed[:5] + listed[-5:]
    rows = [(escape(str(p["name"])), percent(p["pixel_accuracy"])) for p in ends]
    return _table(("photo", "pixel accuracy"), rows, {1})


def _timing(timing: Columns) -> str:
    rows = []
    for name in timing:
        values = known(timing, name)[1]
        if name not in ("step", "epoch") and len(values):
            middle, last = float(np.median(values)), float(values[-1])
            rows.append(
                (escape(words(name)), f"{middle:.4g}", f"{last:.4g}", f"{values.max():.4g}")
            )
    return _table(("", "median", "last", "highest"), rows, {1, 2, 3}) if rows else ""


def _command(files: RunFiles) -> str:
    if not files.config:
        return ""
    folder = files.folder
    config, again = shlex.quote(str(folder / "config.toml")), shlex.quote(f"{folder}-again")
    data = find(files.config, "data", "path")
    where = f"{shlex.quote(str(data))} " if data else ""
    return _pre(f"fullconv train {where}--recipe {config} --out {again}")
