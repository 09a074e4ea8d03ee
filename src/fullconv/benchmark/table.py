"""The comparison as columns: texts for people, and every value in full for programs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from fullconv.benchmark.candidates import Candidate
from fullconv.benchmark.timing import Machine, Timing
from fullconv.benchmark.verdicts import BEST, WORSE, Evaluated, Verdicts, verdicts
from fullconv.metrics import SUMMARY, Scores, percent
from fullconv.models import Summary

COMPUTED = (
    "net",
    "conv layers",
    "parameters",
    "receptive field",
    "stride",
    "multiply-adds",
)
MEASURED = ("forward", "peak memory")
SCORED = ("pixel acc.", "mean acc.", "mean IU", "f.w. IU")
VERDICT = "against the best"


@dataclass(frozen=True, eq=False)
class Row:
    """One net. ``scores`` are None for an untrained one; ``scored_on`` says on which photos.

    ``classes`` are those that the run was trained for.
    """

    candidate: Candidate
    summary: Summary
    timing: Timing
    scores: Scores | None = None
    scored_on: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Comparison:
    """The rows in the order asked for; ``size`` (H, W) of the photo; ``command`` repeats it."""

    rows: Sequence[Row]
    size: tuple[int, int]
    machine: Machine
    rounds: int
    command: str

    @property
    def scored(self) -> bool:
        """True where at least one net has scores."""
        return any(row.scores for row in self.rows)

    @cached_property
    def verdicts(self) -> Verdicts:
        """Which runs are better than which."""
        return verdicts(
            [
                Evaluated(row.candidate.name, row.classes, row.scores.photos, row.scores.mean_iu)
                for row in self.rows
                if row.scores and row.scores.photos
            ]
        )


def computed_cells(row: Row) -> list[str]:
    """The texts of COMPUTED: what follows from the net alone."""
    net, billions = row.summary, row.summary.multiply_adds / 1e9
    field = "all" if net.has_global_field else str(net.receptive_field)
    if net.classifier_field != net.receptive_field:
        field += f" ({net.classifier_field})"
    stride = str(net.stride) if net.finest == net.stride else f"{net.stride} / {net.finest}"
    return [
        row.candidate.name,
        str(net.conv_layers),
        f"{net.parameters / 1e6:.1f} M",
        field,
        stride,
        f"{billions:.{1 if billions >= 1 else 3}f} G",
    ]


def measured_cells(row: Row) -> list[str]:
    """The texts of MEASURED."""
    milliseconds = 1000 * row.timing.median
    digits = 0 if milliseconds >= 100 else 1
    return [f"{milliseconds:.{digits}f} ms", f"{row.timing.peak_mib} MiB"]


def scored_head(comparison: Comparison) -> list[str]:
    """The columns of what the runs reach; none where no net is scored."""
    if not comparison.scored:
        return []
    return [*SCORED, VERDICT] if comparison.verdicts.best else [*SCORED]


def scored_cells(row: Row, comparison: Comparison) -> list[str]:
    """The texts of ``scored_head``, in percent; '-' for an untrained net."""
    if not comparison.scored:
        return []
    values = row.scores.summary().values() if row.scores else [float("nan")] * len(SCORED)
    cells = [percent(value) for value in values]
    return [*cells, _verdict_cell(row, comparison)] if comparison.verdicts.best else cells


def _verdict_cell(row: Row, comparison: Comparison) -> str:
    name, verdict = row.candidate.name, comparison.verdicts.of(row.candidate.name)
    if name in comparison.verdicts.best:
        return BEST
    if verdict is None:
        return "-"
    worse = verdict.word == WORSE
    return f"{WORSE} by {percent(verdict.difference.value)}" if worse else verdict.word


def values(row: Row, comparison: Comparison) -> dict[str, str | int | float | None]:
    """Every value by the name of its column in comparison.csv; None where there is none."""
    spec, net, seconds = row.candidate.spec, row.summary, row.timing.seconds
    scores = row.scores.summary() if row.scores else {}
    return {
        "name": row.candidate.name,
        "net": spec.name,
        "classes": spec.classes,
        "padding": spec.padding,
        "net_width": spec.width,
        "conv_layers": net.conv_layers,
        "parameters": net.parameters,
        "receptive_field": net.receptive_field,
        "classifier_field": net.classifier_field,
        "stride": net.stride,
        "finest_stride": net.finest,
        "photo_height": comparison.size[0],
        "photo_width": comparison.size[1],
        "multiply_adds": net.multiply_adds,
        "forward_seconds": row.timing.median,
        "fastest_seconds": min(seconds),
        "slowest_seconds": max(seconds),
        "peak_mib": row.timing.peak_mib,
        **{key: _known(scores.get(key, math.nan)) for key in SUMMARY},
        **_verdict_values(row, comparison),
        "scored_on": row.scored_on or None,
        "device": comparison.machine.device,
        "threads": comparison.machine.threads,
        "precision": comparison.machine.precision,
        "torch": comparison.machine.torch,
    }


def _verdict_values(row: Row, comparison: Comparison) -> dict[str, str | float | None]:
    """The interval of the mean IU, and by how much it lies above (below 0) that of the best."""
    name, verdict = row.candidate.name, comparison.verdicts.of(row.candidate.name)
    interval = row.scores.intervals if row.scores else None
    low, high = (interval.mean_iu.low, interval.mean_iu.high) if interval else (math.nan, math.nan)
    values: dict[str, str | float | None] = {
        "mean_iu_low": _known(low),
        "mean_iu_high": _known(high),
        "compared_with": verdict.best if verdict else None,
        "difference": None,
        "difference_low": None,
        "difference_high": None,
        "verdict": BEST if name in comparison.verdicts.best else verdict.word if verdict else None,
    }
    if verdict:
        lead = verdict.difference
        values |= {
            "difference": _known(-lead.value),
            "difference_low": _known(-lead.interval.high),
            "difference_high": _known(-lead.interval.low),
        }
    return values


def _what_it_is(run: Candidate) -> str:
    """A run's folder does not say which net is in it."""
    spec = run.spec
    return (
        f"{run.name} is {spec.name} for {spec.classes} classes, width {spec.width:g}, padding "
        f"{spec.padding}."
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def notes(comparison: Comparison) -> list[str]:
    """How the numbers were measured, in one or two sentences a line."""
    height, width = comparison.size
    machine, seconds = comparison.machine, comparison.rows[0].timing.seconds
    memory = "the GPU's" if machine.device.startswith("cuda") else "of the whole process"
    threads = "1 thread" if machine.threads == 1 else f"{machine.threads} threads"
    lines = [
        f"Forward: median of {len(seconds)} warm forwards of one photo of {height}x{width} in "
        f"{comparison.rounds} rounds, all nets in turn in each round, each in a new process.",
        f"Machine: {machine.device}, {threads}, {machine.precision}, "
        f"torch {machine.torch}. Peak memory: {memory}.",
    ]
    if any(r.summary.classifier_field != r.summary.receptive_field for r in comparison.rows):
        lines.append(
            "Receptive field in parentheses: that of the classifier, with the average pooling that "
            "the FCN drops."
        )
    lines += [_what_it_is(row.candidate) for row in comparison.rows if row.candidate.run]
    places: dict[str, list[str]] = {}
    for row in comparison.rows:
        if row.scores:
            places.setdefault(row.scored_on, []).append(row.candidate.name)
    lines += [
        f"Scores of {', '.join(names)}: in percent, of {place}, from one confusion matrix."
        for place, names in places.items()
    ]
    lines += [*map(str, comparison.verdicts.verdicts), *comparison.verdicts.obstacles]
    if comparison.verdicts.verdicts:
        lines.append(
            "Better and worse: in mean IU, by 1000 bootstrap draws of the photos, the same ones "
            "for both. Of frames of one film, which are not independent, the intervals are too "
            "narrow."
        )
    return lines
