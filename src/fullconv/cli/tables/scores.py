"""The tables of a prediction and of an evaluation."""

from rich.markup import escape
from rich.table import Table

from fullconv.classes import Output
from fullconv.cli.tables.screen import table
from fullconv.duration import duration
from fullconv.metrics import Interval, MultilabelScores, Scores, percent


def predicted(photos: int, errors: int, seconds: float, net: float | None) -> str:
    """How many photos were predicted and, where the net's time is known, its share of all."""
    done = photos - errors
    line = f"{done} of {photos} photos predicted"
    if not done or net is None:
        return line
    rate = done / seconds
    speed = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
    return f"{line} in {duration(seconds)} ({speed}, net {net / seconds:.0%})"


def scores_tables(scores: Scores, output: Output) -> list[Table]:
    """The table of the classes of an output and the four scores, in percent."""
    columns = {"IU": scores.iu, "accuracy": scores.accuracy, "precision": scores.precision}
    columns |= {"Dice": scores.dice}
    if scores.boundary_iu is not None:
        columns["boundary IU"] = scores.boundary_iu
    columns["share of pixels"] = scores.shares
    cells = {name: [percent(float(value)) for value in column] for name, column in columns.items()}
    if scores.intervals and scores.intervals.mean_iu.is_known:
        ends = {f"{100 * scores.intervals.level:.0f} % interval": map(between, scores.intervals.iu)}
        cells = {"IU": cells.pop("IU"), **ends, **cells}
    classes = table(output.name, ("class", *cells))
    for name, *values in zip(output.classes.names, *cells.values(), strict=True):
        classes.add_row(escape(name), *values)
    four = {"pixel accuracy": scores.pixel_accuracy, "mean accuracy": scores.mean_accuracy}
    four |= {"mean IU": scores.mean_iu, "frequency-weighted IU": scores.fw_iu}
    if scores.mean_boundary_iu is not None:
        four["mean boundary IU"] = scores.mean_boundary_iu
    means = table("", tuple(four), left=0)
    means.add_row(*map(percent, four.values()))
    return [classes, means]


def overlap_tables(scores: MultilabelScores) -> list[Table]:
    """The table of overlapping classes and their means, in percent."""
    columns = {"IU": scores.iu, "Dice (F1)": scores.dice, "precision": scores.precision}
    columns |= {"recall": scores.accuracy}
    if scores.average_precision is not None:
        columns["average precision"] = scores.average_precision
    if scores.boundary_iu is not None:
        columns["boundary IU"] = scores.boundary_iu
    columns["share of pixels"] = scores.shares
    cells = {name: [percent(float(value)) for value in column] for name, column in columns.items()}
    cells = {"threshold": [f"{value:g}" for value in scores.thresholds], **cells}
    if scores.intervals and scores.intervals.mean_iu.is_known:
        ends = {f"{100 * scores.intervals.level:.0f} % interval": map(between, scores.intervals.iu)}
        cells = {"threshold": cells.pop("threshold"), "IU": cells.pop("IU"), **ends, **cells}
    classes = table("", ("class", *cells))
    for name, *values in zip(scores.names, *cells.values(), strict=True):
        classes.add_row(escape(name), *values)
    means = {"mean IU": scores.mean_iu, "pixel accuracy": scores.pixel_accuracy}
    if scores.mean_average_precision is not None:
        means["mean average precision"] = scores.mean_average_precision
    if scores.mean_boundary_iu is not None:
        means["mean boundary IU"] = scores.mean_boundary_iu
    summary = table("", tuple(means), left=0)
    summary.add_row(*map(percent, means.values()))
    return [classes, summary]


def mean_iu_line(scores: Scores, output: str = "") -> str | None:
    """'mean IU 63.1 (95 % interval 61.0 to 65.2, 101 photos)'; None where there is no interval.

    With the name of the output before it, where there are several.
    """
    intervals = scores.intervals
    if intervals is None or not intervals.mean_iu.is_known:
        return None
    interval = f"{100 * intervals.level:.0f} % interval {between(intervals.mean_iu)}"
    name = f"{escape(output)}: " if output else ""
    return f"{name}mean IU {percent(scores.mean_iu)} ({interval}, {intervals.photos} photos)"


def between(interval: Interval) -> str:
    """'61.0 to 65.2', in percent; '-' where there is none."""
    if not interval.is_known:
        return "-"
    return f"{percent(interval.low)} to {percent(interval.high)}"
