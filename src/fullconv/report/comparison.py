"""The page of several runs: scores and curves side by side, and what was different."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.errors import UserError
from fullconv.metrics import SUMMARY, Scores, percent
from fullconv.report import html
from fullconv.report.curves import words
from fullconv.report.files import write_file
from fullconv.report.overlaid import overlaid_curves
from fullconv.report.page import best_of, find
from fullconv.report.resources_used import resources
from fullconv.report.runfiles import RunFiles, read_run

Runs = Mapping[str, RunFiles]
"""Runs by the names that tell them apart."""


def write_run_comparison(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Write the page that compares ``runs`` to ``out``; returns it.

    UserError for a folder that is no run, one that is named twice, and where nothing can be
    written.
    """
    write_file(out, comparison_page(named([read_run(run) for run in runs])).encode())
    return Path(out)


def named(runs: Sequence[RunFiles]) -> Runs:
    """Each by as many of the last parts of its path as tell it from the others."""
    paths = [files.folder.resolve() for files in runs]
    twice = next((path for place, path in enumerate(paths) if path in paths[:place]), None)
    if twice:
        raise UserError(f"{twice}: is named twice; a run is compared with others")
    names: list[str] = []
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, runs, strict=True))


def comparison_page(runs: Runs) -> str:
    """The HTML of a comparison."""
    logs = {name: files.log for name, files in runs.items()}
    sections = [
        ("Scores", _scores(runs)),
        ("Curves", html.plot(overlaid_curves(logs), "loss, rate and scores of each run")),
        ("Classes", _classes(runs)),
        ("What differs in the configuration", _differences(runs)),
        ("Time and memory", _resources(runs)),
    ]
    first = f"<strong>{escape(next(iter(runs)))}</strong>"
    top = f"<p>{len(runs)} runs. Differences are to the first of them, {first}.</p>"
    return html.document(" / ".join(runs), sections, top)


def _scores(runs: Runs) -> str:
    """A row a run: the four scores of its best checkpoint, the best of each column bold."""
    scored = {name: files.scores for name, files in runs.items() if files.scores}
    if not scored:
        return ""
    best = {key: max(getattr(scores, key) for scores in scored.values()) for key in SUMMARY}
    rows = []
    for name, files in runs.items():
        net = (files.checkpoint.get("net") or {}).get("name") or find(files.config, "net", "name")
        row = [escape(name), escape(str(net or ""))]
        for key in SUMMARY:
            value = getattr(files.scores, key) if files.scores else float("nan")
            shown = percent(value)
            row.append(f"<strong>{shown}</strong>" if value == best[key] else shown)
        rows.append([*row, escape(best_of(files.log))])
    head = ("run", "net", *map(words, SUMMARY), "best on validation")
    return (
        html.table(head, rows, {2, 3, 4, 5})
        + html.note("In percent, of each run's best checkpoint on its validation split.")
        + _doubts(runs)
    )


def _doubts(runs: Runs) -> str:
    """Where scores are of different things."""
    data = {str(find(files.config, "data", "path")) for files in runs.values()}
    names = {files.scores.names for files in runs.values() if files.scores}
    said = []
    if len(data) > 1:
        said.append("The runs were scored on different data: " + ", ".join(sorted(data)) + ".")
    if len(names) > 1:
        said.append("The classes differ: a mean over others is another number.")
    return "".join(html.note(text) for text in said)


def _classes(runs: Runs) -> str:
    """IU of each class in each run, the largest differences first."""
    found = {name: _iu(files.scores) for name, files in runs.items() if files.scores}
    if not found:
        return ""
    first = next(iter(found))
    classes = list(dict.fromkeys(key for iu in found.values() for key in iu))
    gaps = {each: _gaps(each, found) for each in classes}
    classes.sort(key=lambda each: -max((abs(gap) for gap in gaps[each].values()), default=0))
    head = ["class", escape(first)]
    for name in found:
        head += [escape(name), "difference", ""] if name != first else []
    rows = []
    for each in classes:
        row = [escape(each), percent(found[first].get(each, np.nan))]
        for name in found:
            if name != first:
                row += [percent(found[name].get(each, np.nan)), *_gap(gaps[each].get(name))]
        rows.append(row)
    numbers = {1} | {i for n in range(len(found)) for i in (2 + 3 * n, 3 + 3 * n)}
    return html.table(head, rows, numbers) + html.note("IU in percent.")


def _iu(scores: Scores) -> dict[str, float]:
    return dict(zip(scores.names, scores.iu.tolist(), strict=True))


def _gaps(name: str, found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Difference to the first run, of those that have the class."""
    first, *others = found
    start = found[first].get(name, np.nan)
    gaps = {other: found[other].get(name, np.nan) - start for other in others}
    return {other: gap for other, gap in gaps.items() if not np.isnan(gap)}


def _gap(gap: float | None) -> tuple[str, str]:
    """A difference with its sign, and as a bar."""
    if gap is None:
        return "-", ""
    shown = f"{100 * gap:+.1f}"
    if shown[1:] == "0.0":
        return "0.0", ""
    style = "good" if gap > 0 else "bad"
    text = f"<span class='{style}'>{shown}</span>"
    return text, html.bar(abs(gap) * 2, 6, "" if gap > 0 else "worse")


def _differences(runs: Runs) -> str:
    """The keys of the configs whose values are not the same in all."""
    flat = {name: flattened(files.config) for name, files in runs.items()}
    keys = dict.fromkeys(key for config in flat.values() for key in config)
    rows = []
    for key in keys:
        values = [str(config.get(key, "-")) for config in flat.values()]
        if len(set(values)) > 1:
            rows.append((f"<code>{escape(key)}</code>", *map(escape, values)))
    if not rows:
        return html.note("Nothing: the same configuration.")
    return html.table(("key", *map(escape, runs)), rows)


def flattened(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """``{"net": {"name": x}}`` as ``{"net.name": x}``."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= flattened(value, f"{before}{key}.")
        else:
            found[before + key] = value
    return found


def _resources(runs: Runs) -> str:
    used = {name: resources(files.timing) for name, files in runs.items()}
    keys = list(dict.fromkeys(key for each in used.values() for key in each))
    rows = [
        (escape(name), *(escape(each.get(key, "-")) for key in keys)) for name, each in used.items()
    ]
    return html.table(("run", *keys), rows, set(range(1, len(keys) + 1))) if keys else ""
