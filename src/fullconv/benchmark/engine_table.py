"""The engines side by side on one photo: `fullconv benchmark`.

Each engine runs in processes of its own, all in turn in each round, so that a peak of memory is its
own and a machine that slows down slows all. Classes are compared with those of torch.
"""

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.benchmark.process import Answer, ask
from fullconv.benchmark.timing import Timing
from fullconv.checkpoints.golden import picture
from fullconv.errors import UserError
from fullconv.inference.engines.registry import (
    EngineEntry,
    Say,
    engines_for,
    exported_graph,
    is_exported,
)
from fullconv.inference.open_predictor import quiet
from fullconv.inference.predictor import Predictor
from fullconv.python_arguments import as_path

SIZE = (480, 640)
"""Height and width of the built-in picture, where no photo is given."""
TIMED = 3  # photos of a process that count; the one before them warms up

Progress = Callable[[int, int], object]
"""Called with the turns done and the turns in all."""


@dataclass(frozen=True)
class EngineRun:
    """An engine and the file that it runs; ``typed`` is what the user names for it."""

    engine: EngineEntry
    file: Path
    typed: Path


@dataclass(frozen=True)
class EngineRow:
    """The measurements of an engine and its agreement with the reference, or why it is out."""

    name: str
    typed: Path
    timing: Timing | None = None
    same: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class EngineBenchmark:
    """The engines of one net on one photo of ``size`` (H, W); the first row is the reference."""

    rows: tuple[EngineRow, ...]
    size: tuple[int, int]
    device: str
    precision: str

    @property
    def fastest(self) -> EngineRow:
        """The fastest of all that were measured."""
        return min((row for row in self.rows if row.timing), key=_median)

    @property
    def recommended(self) -> EngineRow:
        """The fastest of those that gave every pixel the class of the reference."""
        return min((row for row in self.rows if row.timing and row.same == 1), key=_median)

    def command(self, row: EngineRow) -> str:
        """The command that predicts with this engine."""
        device = "" if self.device == "auto" else f" --device {self.device}"
        precision = "" if self.precision == "fp32" else f" --precision {self.precision}"
        run = shlex.quote(str(row.typed))
        return f"fullconv predict {run} PHOTO --engine {row.name}{device}{precision}"


def benchmark_engines(
    run: str | Path,
    photo: str | Path | None = None,
    *,
    device: str = "auto",
    precision: str = "fp32",
    rounds: int = 3,
    progress: Progress | None = None,
    say: Say = quiet,
) -> EngineBenchmark:
    """Measure every engine that is installed on a photo: seconds, peak memory, equal classes.

    ``run`` is all that ``Predictor`` takes. Where it is a run folder, the files that were exported
    into it (int8 among them) are measured too. ``photo`` is a picture file; None: the built-in
    picture of 480 x 640. An engine that needs a graph gets it exported first, in this process. The
    reference is torch in the same precision, of an exported file its own runtime. Raises UserError
    for a run or photo that cannot be used, and where the reference cannot run it.
    """
    if rounds < 1:
        raise UserError(f"rounds {rounds}: at least one is needed", "FC-REPORT-005")
    run = as_path(run, "run")
    entrants, rows = _entrants(run, say)
    with tempfile.TemporaryDirectory() as folder:
        image = _image(entrants[0], photo)
        np.save(Path(folder) / "photo.npy", image)
        measured = _in_turn(entrants, Path(folder), device, precision, rounds, progress)
    if isinstance(measured[0], str):
        raise UserError(measured[0], "FC-REPORT-006")
    wanted = measured[0][1]
    for entrant, outcome in zip(entrants, measured, strict=True):
        row = EngineRow(entrant.engine.name, entrant.typed)
        if isinstance(outcome, str):
            rows.append(replace(row, error=outcome))
        else:
            timing, classes = outcome
            rows.append(replace(row, timing=timing, same=float((classes == wanted).mean())))
    rows.sort(key=lambda row: row.timing is None)  # what is left out stands last
    return EngineBenchmark(tuple(rows), (image.shape[0], image.shape[1]), device, precision)


def _entrants(run: Path, say: Say) -> tuple[list[EngineRun], list[EngineRow]]:
    """The engines to measure, the reference first, and those left out, with the reason."""
    entrants, left_out = [], []
    for file in (run, *_exports(run)):
        for engine in engines_for(file)[: 1 if file != run else None]:
            try:
                entrants.append(_entrant(engine, file, say))
            except UserError as error:
                left_out.append(EngineRow(engine.name, file, error=str(error)))
    if not entrants:
        raise UserError(left_out[0].error or f"{run}: no engine runs it", "FC-REPORT-006")
    return entrants, left_out


def _entrant(engine: EngineEntry, file: Path, say: Say) -> EngineRun:
    """An engine on a file, exported now where it needs that; UserError where it is not there."""
    if not engine.is_installed:
        raise UserError(
            f"{engine.package} is not installed: pip install 'fullconv[export]'", "FC-PREDICT-010"
        )
    if engine.form is None or is_exported(file):
        return EngineRun(engine, file, file)
    return EngineRun(engine, exported_graph(file, engine, say), file)


def _exports(run: Path) -> list[Path]:
    """The exported files in a run folder."""
    return [file for file in sorted(run.glob("*")) if is_exported(file)] if run.is_dir() else []


def _image(reference: EngineRun, photo: str | Path | None) -> npt.NDArray:
    """The input of the net, as `Predictor.read` reads it."""
    predictor = Predictor(reference.file, "cpu", engine=reference.engine.name)
    return picture(predictor.inputs, SIZE) if photo is None else predictor.read(photo)


Measured = tuple[Timing, npt.NDArray] | str
"""The times and the classes; or what is wrong."""


def _in_turn(
    entrants: Sequence[EngineRun],
    folder: Path,
    device: str,
    precision: str,
    rounds: int,
    progress: Progress | None,
) -> list[Measured]:
    """Every engine once in each round; one that fails is not tried again."""
    answers: list[list[Answer]] = [[] for _ in entrants]
    errors: dict[int, str] = {}
    for turn in range(rounds * len(entrants)):
        index = turn % len(entrants)
        if index not in errors:
            try:
                answers[index].append(_turn(entrants[index], folder, index, device, precision))
            except UserError as error:
                errors[index] = str(error)
        if progress:
            progress(turn + 1, rounds * len(entrants))
    return [
        errors[index] if index in errors else (_timing(timings), np.load(folder / f"{index}.npy"))
        for index, timings in enumerate(answers)
    ]


def _turn(entrant: EngineRun, folder: Path, place: int, device: str, precision: str) -> Answer:
    """The answer of a new process that runs an engine (`fullconv.benchmark.engine_process`)."""
    job = {
        "path": str(entrant.file),
        "engine": entrant.engine.name,
        "photo": str(folder / "photo.npy"),
        "classes": str(folder / f"{place}.npy"),
        "device": device,
        "precision": precision,
        "timed": TIMED,
    }
    return ask("fullconv.benchmark.engine_process", job, entrant.engine.name, "use a smaller photo")


def _timing(answers: Sequence[Answer]) -> Timing:
    seconds = tuple(second for answer in answers for second in answer["seconds"])
    return Timing(seconds, max(answer["peak_mib"] for answer in answers))


def _median(row: EngineRow) -> float:
    assert row.timing
    return row.timing.median
