"""Which of two runs is better, and whether the photos suffice to say so."""

from collections.abc import Sequence
from dataclasses import dataclass

from fullconv.metrics import Difference, PhotoMetrics, difference, obstacle

BEST, WORSE, SAME = "best", "worse", "no significant difference"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A run by its name, with the classes that it was trained for and what each photo counted."""

    name: str
    classes: tuple[str, ...]
    photos: PhotoMetrics
    mean_iu: float


@dataclass(frozen=True)
class Verdict:
    """About ``other``, compared with the ``best``; ``difference`` is the best's lead in mean IU."""

    best: str
    other: str
    difference: Difference

    @property
    def word(self) -> str:
        """'worse' or 'no significant difference'."""
        return WORSE if self.difference.is_told and self.difference.value > 0 else SAME

    def __str__(self) -> str:
        points = [100 * self.difference.value]
        ends = self.difference.interval
        if not ends.is_known:
            return (
                f"One photo shows no significant difference between {self.best} and {self.other}."
            )
        points += [100 * ends.low, 100 * ends.high]
        by, low, high = (f"{point:.1f}".replace("-0.0", "0.0") for point in points)
        margin = f"(by {by}, 95 % interval {low} to {high})"
        if self.word == WORSE:
            return f"{self.best} is better than {self.other} {margin}."
        return f"No significant difference between {self.best} and {self.other} {margin}."


@dataclass(frozen=True)
class Verdicts:
    """All ``verdicts``, the best of each group of two or more, and why some are in none."""

    verdicts: Sequence[Verdict]
    best: Sequence[str]
    obstacles: Sequence[str]

    def of(self, name: str) -> Verdict | None:
        """The verdict about a run; None for the best, and for one that is alone."""
        return next((verdict for verdict in self.verdicts if verdict.other == name), None)


def verdicts(runs: Sequence[Evaluated]) -> Verdicts:
    """Compare each run with the best of those that can be compared, by a paired bootstrap.

    Only runs of the same classes that were evaluated on the same photos are.
    """
    groups: list[list[Evaluated]] = []
    for run in runs:
        fitting = [group for group in groups if why_not(group[0], run) is None]
        fitting[0].append(run) if fitting else groups.append([run])
    pairs, best = [], []
    for group in groups:
        leader = max(group, key=lambda run: run.mean_iu)
        best += [leader.name] if len(group) > 1 else []
        for run in group:
            if run is not leader:
                lead = difference(leader.photos, run.photos)
                pairs.append(Verdict(leader.name, run.name, lead))
    obstacles = [_obstacle(groups[0], group) for group in groups[1:]]
    return Verdicts(pairs, best, obstacles)


def why_not(first: Evaluated, second: Evaluated) -> str | None:
    """Why two runs are not compared; None where they are."""
    if {*first.classes} != {*second.classes}:
        return "their classes differ"
    return obstacle(first.photos, second.photos)


def _obstacle(first: Sequence[Evaluated], second: Sequence[Evaluated]) -> str:
    reason = why_not(first[0], second[0])
    return f"{_names(first)} and {_names(second)} are not compared: {reason}."


def _names(group: Sequence[Evaluated]) -> str:
    return ", ".join(run.name for run in group)
