"""Engines side by side on photos of the job: how fast each is, and how often it agrees."""

import hashlib
import json
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fullconv.errors import UserError
from fullconv.files import write_atomically
from fullconv.predict.engine import Engine, Image
from fullconv.predict.prepared import RUNTIMES, installed, version

EXACT = 0.995  # of the pixels must have the class that torch gives them in fp32

_CHOICE = "choice-"

Kind = tuple[str, str]
"""Engine and precision."""


@dataclass(frozen=True)
class Trial:
    """An engine's median seconds a photo, and the share of pixels with the class of torch fp32."""

    engine: str
    precision: str
    seconds: float
    same: float

    @property
    def kind(self) -> Kind:
        """Engine and precision."""
        return self.engine, self.precision

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"


@dataclass(frozen=True)
class Choice:
    """The trials that led to a choice, torch in fp32 first."""

    trials: tuple[Trial, ...]
    allowed: tuple[str, ...]  # precisions

    @property
    def best(self) -> Trial:
        """The fastest of those that are exact enough and of an allowed precision."""
        allowed = [each for each in self.trials if each.precision in self.allowed]
        fit = [each for each in allowed if each.same >= EXACT]
        return min(fit or allowed[:1], key=lambda each: each.seconds)

    def __str__(self) -> str:
        best, reference = self.best, self.trials[0]
        said = f"engine: {best}"
        if best is reference:
            return f"{said} (the best of {', '.join(map(str, self.trials))})"
        times = reference.seconds / best.seconds
        return f"{said} ({times:.1f} times torch; {best.same:.1%} equal)"


def tried(engines: Mapping[Kind, Engine], photos: Sequence[Image]) -> tuple[Trial, ...]:
    """All ``engines``, the first of which is the reference, on each photo in turn.

    One that cannot run a photo is left out; the reference's UserError passes through.
    """
    reference = next(iter(engines))
    seconds: dict[Kind, list[float]] = {kind: [] for kind in engines}
    same: dict[Kind, list[float]] = {kind: [] for kind in engines}
    for photo in [photos[0], *photos]:  # the first time warms up
        wanted = None
        for kind in list(seconds):
            before = time.perf_counter()
            try:
                found = engines[kind].class_map(photo)
            except UserError:
                if kind == reference:
                    raise
                del seconds[kind]
                continue
            seconds[kind].append(time.perf_counter() - before)
            wanted = found if wanted is None else wanted
            same[kind].append(float(np.mean(found == wanted)))
    return tuple(
        Trial(*kind, statistics.median(spent[1:]), statistics.mean(same[kind][1:]))
        for kind, spent in seconds.items()
    )


class Memory:
    """The choices for a checkpoint, in the cache beside its graphs: one for each circumstance.

    ``folder`` is `prepared.graph_folder`; ``told`` is what else a choice hangs on.
    """

    def __init__(self, folder: Path, **told: Any) -> None:
        self.told = {**circumstances(), **told}
        name = hashlib.sha256(json.dumps(self.told, sort_keys=True).encode()).hexdigest()[:16]
        self.file = folder / f"{_CHOICE}{name}.json"

    def recall(self) -> Choice | None:
        """The choice, or None where there is none that can be read."""
        try:
            content = json.loads(self.file.read_text("utf-8"))
            trials = tuple(Trial(**each) for each in content["trials"])
            found = Choice(trials, tuple(content["allowed"]))
            known = {"torch", "winograd", *RUNTIMES} >= {each.engine for each in trials}
            return found if known and found.best.seconds > 0 else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def keep(self, choice: Choice) -> None:
        """Write it; OSError passes through."""
        content = {"for": self.told, **asdict(choice)}
        write_atomically(self.file, json.dumps(content, indent=1) + "\n")


def has_choices(folder: Path) -> bool:
    """Whether any choice was kept there; a `Memory` has to load the runtimes to tell which."""
    return any(folder.glob(f"{_CHOICE}*.json"))


def circumstances() -> dict[str, Any]:
    """What a timing holds for: the processor, the threads, the versions of all that is timed."""
    return {
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "runtimes": [version(runtime) for runtime in installed()],
    }


def cpu_name() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        return next(
            line.partition(":")[2].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
