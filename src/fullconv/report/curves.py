"""Curves of a run: loss, rate and the scores on the validation split over the steps."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Columns = Mapping[str, npt.NDArray[np.float64]]
Known = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
LOSS = ("loss_per_pixel", "loss")  # the first one there is; per pixel compares between runs
WORDS = {
    "loss": "loss",
    "loss_per_pixel": "loss per pixel",
    "rate": "learning rate",
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


def png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def words(column: str) -> str:
    """How a column is called on a picture: 'val_mean_iu' is 'mean IU'."""
    short = column.removeprefix("val_").removeprefix("val/")
    return WORDS.get(short, short.replace("_", " "))


def _panels(log: Columns) -> list[list[str]]:
    filled = {name for name in log if len(known(log, name)[0])}
    loss = [name for name in LOSS if name in filled][:1]
    scores = [name for name in log if name in filled and words(name) in _SCORE_WORDS]
    return [loss, [name for name in ("rate",) if name in filled], scores]


_SCORE_WORDS = [WORDS[name] for name in ("pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu")]


def known(log: Columns, name: str) -> Known:
    """Steps and values of a column where it has one."""
    values = log[name]
    steps = log.get("step", np.arange(1.0, len(values) + 1))
    there = np.isfinite(values)
    return steps[there], values[there]


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
