"""Seconds and memory of a forward: each net in a process of its own, all in turn in each round."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fullconv.benchmark.candidates import Candidate
from fullconv.benchmark.process import ask

TIMED = 3  # forwards of a process that count; the one before them warms up

Progress = Callable[[int, int], object]
"""Called with the parts done and the parts in all."""


@dataclass(frozen=True)
class Timing:
    """What one photo took: seconds of each forward that counts, and the most memory, MiB.

    The memory is the GPU's, or on a CPU that of the whole process: Python, torch, weights, maps.
    """

    seconds: tuple[float, ...]
    peak_mib: int

    @property
    def median(self) -> float:
        """The middle of the seconds, which a disturbed round does not move."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Machine:
    """The hardware of the measurement, as the measuring processes report it."""

    device: str
    threads: int
    precision: str
    torch: str


def measure(
    candidates: Sequence[Candidate],
    size: tuple[int, int],
    device: str = "auto",
    precision: str = "fp32",
    rounds: int = 3,
    progress: Progress | None = None,
) -> tuple[list[Timing], Machine]:
    """Run every net on a photo of ``size`` (H, W), batch 1, in ``rounds``; one Timing a candidate.

    In each round every net has its turn, so that a machine that slows down slows all of them. A
    turn is a new process, so that a peak is the net's own and no net waits in memory meanwhile.
    Raises UserError where a net cannot run.
    """
    answers: list[list[dict[str, Any]]] = [[] for _ in candidates]
    for turn in range(rounds * len(candidates)):
        place = turn % len(candidates)
        answers[place].append(_forward(candidates[place], size, device, precision))
        if progress:
            progress(turn + 1, rounds * len(candidates))
    timings = [
        Timing(
            seconds=tuple(second for answer in given for second in answer["seconds"]),
            peak_mib=max(answer["peak_mib"] for answer in given),
        )
        for given in answers
    ]
    return timings, Machine(**answers[0][0]["machine"])


def _forward(
    candidate: Candidate, size: tuple[int, int], device: str, precision: str
) -> dict[str, Any]:
    """The answer of a new process that runs the net (`fullconv.benchmark.net_process`)."""
    job = {
        "net": candidate.spec.to_dict(),
        "run": candidate.run and str(candidate.run),
        "size": size,
        "device": device,
        "precision": precision,
        "timed": TIMED,
    }
    fix = f"a photo of {size[0]}x{size[1]} is large; use a smaller --size"
    return ask("fullconv.benchmark.net_process", job, candidate.name, fix)
