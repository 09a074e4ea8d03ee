"""docs/accuracy.md and its pictures, from what accuracy.py has found; and who is above whom."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.figure import Figure

from accuracy_results import Results, beaten, best, by_name, is_ours, leads
from fullconv.files.atomic import write_atomically
from result import Result, Table

Runs = Sequence[dict[str, Any]]
NOTES = (
    "SMP needs photos whose sides are multiples of 32: 360x480 is padded by reflection to 384x480 "
    "and cropped again, which the seconds include. OpenVINO runs a graph of that one size for SMP, "
    "and one of any size for fullconv. int8 was made for fullconv only.",
    "The weights of all nets are those of the best validation, so their mean IU is a little too "
    "good.",
    "After its last validation, fullconv's curve is continued at its last value.",
    "The peers' time is that of training only. fullconv's includes its validations and its report.",
)
ULTRALYTICS = (
    "Ultralytics' nets start from random weights, as fullconv-scratch does: its pretrained weights "
    "could not be downloaded. Photos are scaled to a longer side of 640 (tuned: 480) for them, and "
    "class maps back, which the seconds include."
)


def write(results: Results, page: Path, pictures: Path, about: str) -> None:
    """The page; ``about`` is what the script says of itself. Prints the verdicts."""
    sections = [section(*group, page, pictures) for group in results.groups()]
    command = next(line.strip() for line in about.splitlines() if line.startswith("    "))
    said = "\n\n".join(part for part in about.strip().split("\n\n") if part[0] != " ")
    head = f"# Accuracy for the time\n\n```\n{command}\n```\n\n{said}\n"
    write_atomically(page, "\n".join([head, *(sections or ["Nothing has been measured yet.\n"])]))


def section(settings: dict[str, Any], runs: Runs, page: Path, pictures: Path) -> str:
    """Runs of the same settings: two pictures, two tables, the verdicts."""
    name = f"accuracy-{settings['every']}-{settings['minutes']:g}m"
    title = f"{settings['minutes']:g} minutes, {runs[0]['photos']} photos"
    shown = []
    for kind, draw in (("time", draw_time), ("photo", draw_seconds)):
        path = pictures / f"{name}-{kind}.png"
        write_atomically(path, draw(runs))
        shown.append(f"![{CAPTIONS[kind]}]({path.relative_to(page.parent)})")
    notes = [f"Threads: {settings['threads']}; batch of SMP: {settings['batch_size']}.", *NOTES]
    notes += [ULTRALYTICS] * any(run["name"].startswith("ultralytics") for run in runs)
    notes += [
        f"`{n}`: `{own[0]['arguments']}`." for n, own in by_name(runs).items() if is_ours(own[0])
    ]
    first = runs[0]["machine"]
    for other in dict.fromkeys(run["machine"] for run in runs if run["machine"] != first):
        names = dict.fromkeys(f"`{run['name']}`" for run in runs if run["machine"] == other)
        notes.append(f"{', '.join(names)}: on {other}.")
    result = Result([time_table(runs), photo_table(runs)], [*notes, *verdicts(runs)], first)
    print(result.markdown())
    return "\n\n".join([f"## {title}", *shown, result.markdown()])


CAPTIONS = {
    "time": "Mean IU over the minutes of training",
    "photo": "Mean IU over the seconds of a photo",
}


def time_table(runs: Runs) -> Table:
    """The kept weights, mean and range over the seeds; how far fullconv's curve is above."""
    lines = []
    for name, seeds in by_name(runs).items():
        scores = [100 * best(run) for run in seeds]
        spread = f" ({min(scores):.1f} to {max(scores):.1f})" if len(scores) > 1 else ""
        lead = [100 * value for value in leads(runs, name) if not math.isnan(value)]
        above = "-" if is_ours(seeds[0]) or not lead else f"{min(lead):+.1f} to {max(lead):+.1f}"
        size = [run["parameters"] / 1e6 for run in seeds if "parameters" in run]
        lines.append(
            [
                name,
                f"{size[0]:.1f}" if size else "-",
                f"{mean(run['steps'] for run in seeds):.0f}",
                f"{100 * mean(run['data_wait'] for run in seeds):.0f} %",
                f"{mean(scores):.1f}{spread}",
                above,
            ]
        )
    head = ("", "M parameters", "steps", "data wait", "mean IU", "fullconv's lead at the same time")
    return Table("Training", head, lines)


def photo_table(runs: Runs) -> Table:
    """Seconds a photo of the kept weights of the first seed."""
    lines = []
    for run in runs:
        for speed in run.get("speed", []):
            seconds, score = speed["seconds"], speed["mean_iu"]
            other = "-" if is_ours(run) else "yes" if beaten(runs, seconds, score) else "no"
            cells = [f"{seconds:.3f}", f"{speed['mib']:.0f}", f"{100 * score:.1f}", other]
            lines.append([f"{run['name']}, {speed['engine']}", *cells])
    lines.sort(key=lambda line: float(line[1]))
    head = ("", "s per photo", "peak MiB", "mean IU", "a fullconv row is as fast and as good")
    return Table("Prediction, batch 1", head, lines)


def verdicts(runs: Runs) -> list[str]:
    """For each peer, whether one of its points lies above this project's curves."""
    return [verdict(runs, name) for name, own in by_name(runs).items() if not is_ours(own[0])]


def verdict(runs: Runs, name: str) -> str:
    """In a sentence, of both pictures."""
    lead = leads(runs, name)
    known = [value for value in lead if not math.isnan(value)]
    below = sum(value >= 0 for value in known)
    said = (
        f"{name}: {below} of its {len(known)} points in training lie on or below fullconv's curve"
    )
    if len(known) < len(lead):
        said += f" ({len(lead) - len(known)} come before fullconv's first)"
    speeds = [s for run in runs if run["name"] == name for s in run.get("speed", [])]
    if speeds:
        beat = sum(beaten(runs, s["seconds"], s["mean_iu"]) for s in speeds)
        said += f"; {beat} of {len(speeds)} ways to predict are beaten in both time and mean IU"
    return said + "."


def draw_time(runs: Runs) -> bytes:
    """PNG: each run a line, the seeds of a name in one colour."""
    figure, axes = _axes("minutes of training")
    for number, (name, seeds) in enumerate(by_name(runs).items()):
        for run in seeds:
            minutes, scores = zip(*((p[0], 100 * p[1]) for p in run["curve"]), strict=True)
            label = name if run is seeds[0] else None
            axes.plot(minutes, scores, marker="o", markersize=3, label=label, **_look(run, number))
    return _png(figure, axes)


def draw_seconds(runs: Runs) -> bytes:
    """PNG: each way to predict a point; the ways of one net are joined."""
    figure, axes = _axes("seconds a photo, batch 1")
    for number, (name, seeds) in enumerate(by_name(runs).items()):
        speeds = [speed for run in seeds for speed in run.get("speed", [])]
        points = sorted((s["seconds"], 100 * s["mean_iu"], s["engine"]) for s in speeds)
        if points:
            seconds, scores, engines = zip(*points, strict=True)
            axes.plot(seconds, scores, marker="o", label=name, **_look(seeds[0], number))
            for place in zip(seconds, scores, engines, strict=True):
                axes.annotate(place[2], place[:2], fontsize=6)
    axes.set_xscale("log")
    return _png(figure, axes)


def _axes(across: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(across)
    axes.set_ylabel("mean IU, val, %")
    axes.grid(alpha=0.3)
    return figure, axes


def _look(run: dict[str, Any], number: int) -> dict[str, Any]:
    """This project's thick, those of tuned peers dashed."""
    if is_ours(run):
        return {"color": "black" if run["name"] == "fullconv" else f"C{number}", "linewidth": 2.5}
    style = "--" if run["recipe"] == "tuned" else "-"
    return {"color": f"C{number}", "linewidth": 1, "linestyle": style}


def _png(figure: Figure, axes: Any) -> bytes:
    if axes.lines:
        axes.legend(fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
