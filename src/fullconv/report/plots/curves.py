"""Curves of a run, and of several over one another: loss, lr and validation metrics by step."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fullconv.report.plots.plot import drawn_names, families, png
from fullconv.report.run_files import Columns, known

SCORES = ("mean_iu", "pixel_accuracy", "mean_accuracy", "fw_iu")
LINES = ("-", "--", "-.", ":")
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, without the yellow, which is faint on white."""
LOSS = ("loss_per_pixel", "loss")  # the first one there is; per pixel compares between runs
WORDS = {
    "loss": "loss",
    "loss_per_pixel": "loss per pixel",
    "lr": "learning rate",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "mean_iu": "mean IU",
    "fw_iu": "freq. weighted IU",
}


def curves(log: Columns) -> bytes | None:
    """PNG of the curves in ``log`` (column -> value a row, nan where there is none).

    Panels: loss, learning rate, validation scores; a panel without values is left out, and
    without any the result is None.
    """
    panels = [names for names in _panels(log) if names]
    if not panels:
        return None
    figure = Figure(figsize=(5.2 * len(panels), 3.6), layout="constrained")
    for axes, names in zip(
        figure.subplots(1, len(panels), sharex=True, squeeze=False)[0], panels, strict=True
    ):
        _panel(axes, log, names)
    return png(figure)


def words(column: str) -> str:
    """How a column is called on a picture: 'val_mean_iu' is 'mean IU'."""
    short = column.removeprefix("val_").removeprefix("val/")
    return WORDS.get(short, short.replace("_", " "))


def _panels(log: Columns) -> list[list[str]]:
    filled = {name for name in log if len(known(log, name)[0])}
    loss = [name for name in LOSS if name in filled][:1]
    scores = [name for name in log if name in filled and words(name) in _SCORE_WORDS]
    return [loss, [name for name in ("lr",) if name in filled], scores]


_SCORE_WORDS = [WORDS[name] for name in ("pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu")]


def _panel(axes: Axes, log: Columns, names: Sequence[str]) -> None:
    for name in names:
        steps, values = known(log, name)
        many = len(steps) > 60
        axes.plot(steps, values, alpha=0.3 if many else 1, marker="" if many else ".", color=None)
        if many:
            color = axes.lines[-1].get_color()
            axes.plot(steps, smooth(values), color=color)
        axes.lines[-1].set_label(words(name))
    axes.set_xlabel("step")
    axes.set_title(words(names[0]) if len(names) == 1 else "scores on the validation split")
    axes.grid(alpha=0.3)
    axes.margins(x=0.01)
    if len(names) > 1:
        axes.set_ylim(0, 1)
        axes.legend()
    elif names[0] in LOSS:
        axes.set_ylim(bottom=0, top=ceiling(known(log, names[0])[1]))
    else:
        axes.set_ylim(bottom=0)


def smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean over a window of a thirtieth of the curve, narrower towards its ends."""
    half = max(1, len(values) // 60)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    reach = np.minimum(np.minimum(place, place[::-1]), half)
    return (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)


def ceiling(values: npt.NDArray[np.float64]) -> float | None:
    """Cuts off the first spikes, which would press the rest of the curve flat."""
    high = float(np.quantile(values, 0.99)) * 1.15
    return high if high > 0 else None


def overlaid_curves(logs: Mapping[str, Columns]) -> bytes | None:
    """PNG: loss per pixel, lr and the four scores, a line a run; None without any value.

    ``logs`` is run -> column -> value a row. A panel without values is left out.
    """
    figure = overlaid_figure(logs)
    return png(figure) if figure else None


def overlaid_figure(logs: Mapping[str, Columns]) -> Figure | None:
    """The figure of ``overlaid_curves``."""
    panels = [("loss", LOSS), ("lr", ("lr",)), *((s, (f"val_{s}",)) for s in SCORES)]
    filled = [
        (title, names)
        for title, names in panels
        if any(_first(log, names) for log in logs.values())
    ]
    if not filled:
        return None
    across = min(3, len(filled))
    down = -(-len(filled) // across)
    figure = Figure(figsize=(4.6 * across, 3.4 * down + 0.3), layout="constrained")
    places = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (title, names) in zip(places, filled, strict=False):
        _panel_of_runs(axes, logs, title, names)
    for axes in places[len(filled) :]:
        axes.set_axis_off()
    lines = places[0].get_lines()
    # An invisible sign before the name: matplotlib leaves out what begins with an underscore.
    shown = drawn_names(list(logs), "run")
    names = [f"\u200b{run}" for run in shown]
    font = {"family": families(shown)}
    legend = figure.legend(
        lines, names, loc="outside upper left", ncols=min(4, len(names)), prop=font
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _first(log: Columns, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in log and len(known(log, name)[0])), None)


def _panel_of_runs(
    axes: Axes, logs: Mapping[str, Columns], title: str, names: tuple[str, ...]
) -> None:
    tops = []
    styles = zip(cycle(COLORS), (line for line in cycle(LINES) for _ in COLORS), strict=True)
    for log, (color, line) in zip(logs.values(), styles, strict=False):
        name = _first(log, names)
        if name is None:
            axes.plot([], [], color=color, linestyle=line)
            continue
        steps, values = known(log, name)
        many = len(values) > 60
        shown = smooth(values) if many else values
        mark = "" if many else "."
        axes.plot(steps, shown, color=color, linestyle=line, marker=mark)
        tops.append(ceiling(values))
    axes.set_title(words(names[0]))
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    axes.margins(x=0.01)
    known_tops = [top for top in tops if top]
    axes.set_ylim(0, 1 if title in SCORES else max(known_tops) if known_tops else None)
