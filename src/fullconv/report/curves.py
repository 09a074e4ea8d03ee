"""Curves of a run, and of several over one another: loss, lr and validation metrics by step."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fullconv.report.charts import Chart, DrawnChart, Line, drawn_together
from fullconv.report.run_files import Columns, known

SCORES = ("mean_iu", "pixel_accuracy", "mean_accuracy", "fw_iu")
LOSS = ("loss_per_pixel", "loss")  # the first one there is; per pixel compares between runs
SMOOTHED = 60  # curves of more values than this are smoothed
WORDS = {
    "loss": "loss",
    "loss_per_pixel": "loss per pixel",
    "lr": "learning rate",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "mean_iu": "mean IU",
    "fw_iu": "freq. weighted IU",
}


def words(column: str) -> str:
    """How a column is called on a page: 'val_mean_iu' is 'mean IU'."""
    short = column.removeprefix("val_").removeprefix("val/")
    return WORDS.get(short, short.replace("_", " "))


def curves(log: Columns) -> list[DrawnChart]:
    """The charts of ``log`` (column -> value a row, nan where there is none).

    Loss, learning rate, validation metrics; a chart without values is left out.
    """
    filled = [name for name in log if len(known(log, name)[0])]
    loss = [name for name in LOSS if name in filled][:1]
    lr = [name for name in ("lr",) if name in filled]
    scores = [name for name in filled if words(name) in _SCORE_WORDS]
    charts = []
    for names in (loss, lr, scores):
        if names:
            title = words(names[0]) if names is not scores else "metrics on validation, in percent"
            labels = [words(name) if len(names) > 1 else "" for name in names]
            logs = [(label, log, name) for label, name in zip(labels, names, strict=True)]
            charts.append(_chart(title, logs, smoothed_only=False))
    return drawn_together(charts)


_SCORE_WORDS = [WORDS[name] for name in SCORES]


def overlaid_curves(logs: Mapping[str, Columns]) -> list[DrawnChart]:
    """The charts of several runs (name -> log): loss per pixel, lr and the four metrics.

    A line a run, in the order of ``logs``; a chart without values is left out.
    """
    panels = [LOSS, ("lr",), *((f"val_{score}",) for score in SCORES)]
    charts = []
    for names in panels:
        columns = [(run, log, _first(log, names)) for run, log in logs.items()]
        if any(column for _, _, column in columns):
            charts.append(_chart(_title(names[0]), columns, smoothed_only=True))
    return drawn_together(charts)


def _title(column: str) -> str:
    return words(column) + (", in percent" if words(column) in _SCORE_WORDS else "")


def _first(log: Columns, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in log and len(known(log, name)[0])), None)


def _chart(
    title: str, columns: Sequence[tuple[str, Columns, str | None]], smoothed_only: bool
) -> Chart:
    """A line for each (label, log, column); those without a column keep their colour free."""
    lines, tops = [], []
    for index, (label, log, column) in enumerate(columns):
        if column is None:
            continue
        steps, values = known(log, column)
        many = len(values) > SMOOTHED
        raw = values if many and not smoothed_only else None
        lines.append(Line(label, steps, smooth(values) if many else values, raw, index))
        tops.append(ceiling(values) if column in LOSS else float(values.max()))
    column = next(column for _, _, column in columns if column)
    share = words(column) in _SCORE_WORDS
    return Chart(title, lines, 1.0 if share else max(tops), share)


def smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean over a window of a thirtieth of the curve, narrower towards its ends."""
    half = max(1, len(values) // 60)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    reach = np.minimum(np.minimum(place, place[::-1]), half)
    return (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)


def ceiling(values: npt.NDArray[np.float64]) -> float:
    """Cuts off the first spikes, which would press the rest of the curve flat."""
    return float(np.quantile(values, 0.99)) * 1.15
