"""The page of several runs: scores and curves side by side, and what was different."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.errors import UserError
from fullconv.metrics import SUMMARY, Scores
from fullconv.report.curves import overlaid_curves, words
from fullconv.report.pages.page import legible, write_page
from fullconv.report.run_files import RunFiles, find, read_run, resources
from fullconv.report.run_summary import best_of

Runs = Mapping[str, RunFiles]
"""Runs by the names that tell them apart."""


def write_run_comparison(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Write the page that compares ``runs`` to ``out``; returns it.

    UserError for a folder that is no run, one that is named twice, and where nothing can be
    written.
    """
    compared = named([read_run(run) for run in runs])
    scored = {name: files.scores for name, files in compared.items() if files.scores}
    return write_page(
        out,
        "comparison.html",
        title=" / ".join(compared),
        runs=list(compared),
        scores_head=["run", "net", *map(words, SUMMARY), "best on validation"],
        scores=_scores(compared) if scored else (),
        warnings=_warnings(compared),
        curves=overlaid_curves({name: files.log for name, files in compared.items()}),
        **_classes(scored),
        differences=_differences(compared),
        **_resources(compared),
    )


def named(runs: Sequence[RunFiles]) -> Runs:
    """Each by as many of the last parts of its path as tell it from the others."""
    paths = [files.folder.resolve() for files in runs]
    twice = next((path for index, path in enumerate(paths) if path in paths[:index]), None)
    if twice:
        raise UserError(f"{twice}: is named twice; a run is compared with others", "FC-REPORT-003")
    names: list[str] = []
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = [legible("/".join(path.parts[-length:])) for path in paths]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, runs, strict=True))


def _scores(runs: Runs) -> Sequence[dict[str, Any]]:
    """A row a run: the four scores of its best checkpoint, and whether they are the best."""
    scored = [files.scores for files in runs.values() if files.scores]
    best = {key: max(getattr(scores, key) for scores in scored) for key in SUMMARY}
    rows = []
    for name, files in runs.items():
        net = (files.checkpoint.get("net") or {}).get("name") or find(files.config, "net", "name")
        values = {key: getattr(files.scores, key) if files.scores else np.nan for key in SUMMARY}
        scores = [(value, value == best[key]) for key, value in values.items()]
        rows.append({"name": name, "net": net or "", "scores": scores, "best": best_of(files.log)})
    return rows


def _warnings(runs: Runs) -> Sequence[str]:
    """The warnings that scores are not comparable."""
    data = {str(find(files.config, "data", "path")) for files in runs.values()}
    names = {frozenset(files.scores.names) for files in runs.values() if files.scores}
    warnings = []
    if len(data) > 1:
        warnings.append("The runs were scored on different data: " + ", ".join(sorted(data)) + ".")
    if len(names) > 1:
        warnings.append("The classes differ: a mean over others is another number.")
    return warnings


def _classes(scored: Mapping[str, Scores]) -> dict[str, Any]:
    """IU of each class in each run, the largest differences first."""
    if not scored:
        return {"classes": ()}
    iu_of = {name: _iu(scores) for name, scores in scored.items()}
    first, *others = iu_of
    classes = list(dict.fromkeys(key for iu in iu_of.values() for key in iu))
    gaps = {name: _gaps(name, iu_of) for name in classes}
    classes.sort(key=lambda name: -max((abs(gap) for gap in gaps[name].values()), default=0))
    rows = [
        {
            "name": name,
            "iu": iu_of[first].get(name, np.nan),
            "others": [(iu_of[run].get(name, np.nan), gaps[name].get(run)) for run in others],
        }
        for name in classes
    ]
    head = ["class", first, *(word for run in others for word in (run, "difference", ""))]
    numbers = [1, *(place for n in range(len(others)) for place in (2 + 3 * n, 3 + 3 * n))]
    return {"classes": rows, "class_head": head, "class_numbers": numbers}


def _iu(scores: Scores) -> dict[str, float]:
    return dict(zip(scores.names, scores.iu.tolist(), strict=True))


def _gaps(name: str, iu_of: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Difference to the first run, of those that have the class."""
    first, *others = iu_of
    start = iu_of[first].get(name, np.nan)
    gaps = {other: iu_of[other].get(name, np.nan) - start for other in others}
    return {other: gap for other, gap in gaps.items() if not np.isnan(gap)}


def _differences(runs: Runs) -> Sequence[tuple[str, Sequence[str]]]:
    """The keys of the configs whose values are not the same in all."""
    flat = {name: flattened(files.config) for name, files in runs.items()}
    keys = dict.fromkeys(key for config in flat.values() for key in config)
    rows = [(key, [str(config.get(key, "-")) for config in flat.values()]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def flattened(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """``{"net": {"name": x}}`` as ``{"net.name": x}``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{before}{key}.")
        else:
            flat[before + key] = value
    return flat


def _resources(runs: Runs) -> dict[str, Any]:
    used = {name: resources(files.timing) for name, files in runs.items()}
    keys = list(dict.fromkeys(key for values in used.values() for key in values))
    rows = [(name, *(values.get(key, "-") for key in keys)) for name, values in used.items()]
    return {
        "resources": rows if keys else (),
        "resources_head": ("run", *keys),
        "resources_numbers": range(1, len(keys) + 1),
    }
