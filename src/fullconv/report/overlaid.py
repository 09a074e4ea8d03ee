"""Curves of several runs over one another."""

from collections.abc import Mapping
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fullconv.report.curves import LOSS, Columns, ceiling, known, png, smooth, words

SCORES = ("mean_iu", "pixel_accuracy", "mean_accuracy", "fw_iu")
LINES = ("-", "--", "-.", ":")
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, without the yellow, which is faint on white."""


def overlaid_curves(logs: Mapping[str, Columns]) -> bytes | None:
    """PNG: loss per pixel, rate and the four scores, a line a run; None without any value.

    ``logs`` is run -> column -> value a row. A panel without values is left out.
    """
    figure = overlaid_figure(logs)
    return png(figure) if figure else None


def overlaid_figure(logs: Mapping[str, Columns]) -> Figure | None:
    """The figure of ``overlaid_curves``."""
    panels = [("loss", LOSS), ("rate", ("rate",)), *((s, (f"val_{s}",)) for s in SCORES)]
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
        _panel(axes, logs, title, names)
    for axes in places[len(filled) :]:
        axes.set_axis_off()
    lines = places[0].get_lines()
    # An invisible sign before the name: matplotlib leaves out what begins with an underscore.
    names = [f"\u200b{run}" for run in logs]
    legend = figure.legend(lines, names, loc="outside upper left", ncols=min(4, len(names)))
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _first(log: Columns, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in log and len(known(log, name)[0])), None)


def _panel(axes: Axes, logs: Mapping[str, Columns], title: str, names: tuple[str, ...]) -> None:
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
