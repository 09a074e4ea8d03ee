"""Many photos, one after the other: a bad one is reported and the rest go on."""

import io
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.photo import size_said
from fullconv.data.planes import named
from fullconv.errors import UserError
from fullconv.predict.engine import Image
from fullconv.predict.inputs import Input, find_inputs, standard_input
from fullconv.predict.pipeline import overlapped
from fullconv.predict.predictor import Prediction, Predictor

ASKED = 20  # photos whose size is looked up to estimate that of all


@dataclass(frozen=True)
class Outcome:
    """What became of one photo: the files written, or the fault in one line.

    ``seconds`` is how long the net took, with making it ready where `FastestEngine` does so. The
    rest, reading and writing, is done beside it.
    """

    photo: Input
    written: tuple[Path, ...] = ()
    fault: str | None = None
    seconds: float = 0.0


def predict(
    run: str | Path, inputs: str | Path | Sequence[str | Path], out: str | Path
) -> list[Outcome]:
    """Predict photos with a trained run and write masks and overlays below ``out``.

    The short form of ``predict_files(Predictor(run), inputs, out)``, once it has gone through.
    """
    paths = [inputs] if isinstance(inputs, str | Path) else inputs
    return list(predict_files(Predictor(run), paths, out))


def predict_files(
    predictor: Predictor,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    overlay: bool = True,
    scores: bool = False,
    alpha: float = 0.6,
    others: Mapping[str, Path] | None = None,
) -> Iterator[Outcome]:
    """Predict all photos that ``inputs`` name and write the results below ``out``.

    See ``find_inputs`` for what can be named and ``Prediction.save`` for what is written.
    ``others`` gives for further inputs of the net (depth, ...) a file, or the folder in which they
    are called as the photos; without it they are looked for where data sets have them. Yields
    one Outcome a photo, in order, as soon as its files are there. Raises UserError when nothing is
    found or ``out`` cannot be written.
    """
    yield from predict_each(
        predictor,
        find_inputs(inputs, out),
        overlay=overlay,
        scores=scores,
        alpha=alpha,
        others=others,
    )


def predict_each(
    predictor: Predictor,
    photos: Sequence[Input],
    *,
    overlay: bool = True,
    scores: bool = False,
    alpha: float = 0.6,
    others: Mapping[str, Path] | None = None,
) -> Generator[Outcome, None, None]:
    """As ``predict_files``, of photos that ``find_inputs`` has found.

    The next photos are read and the last results written in threads while the net runs in this
    one (`fullconv.predict.pipeline`), so an Outcome comes when the net has done the next photo.
    """
    _refuse_meeting(photos, [output.name for output in predictor.classes.outputs[1:]])
    job = _Job(predictor, overlay, scores, alpha, others or {})
    yield from overlapped(photos, job.read, job.run, job.write, pixels_said)


@dataclass(frozen=True)
class _Job:
    """What is done with each photo; a fault of its own takes the place of its array."""

    predictor: Predictor
    overlay: bool
    scores: bool
    alpha: float
    others: Mapping[str, Path]

    def read(self, photo: Input) -> Image | UserError | None:
        """The photo's array; None for what has to be waited for, which Ctrl-C must be able to."""
        return self._read(photo) if photo.file and photo.file.is_file() else None

    def run(self, photo: Input, image: Image | UserError | None) -> tuple[Prediction | str, float]:
        """What the net says of it, and the seconds that it took."""
        if image is None:
            image = self._read(photo)
        if isinstance(image, UserError):
            return str(image), 0.0
        start = time.perf_counter()
        try:
            return self.predictor(image, scores=self.scores), time.perf_counter() - start
        except UserError as fault:
            return str(fault), time.perf_counter() - start

    def write(self, photo: Input, made: tuple[Prediction | str, float]) -> Outcome:
        """The files, with the photo's result as their name."""
        found, seconds = made
        if isinstance(found, str):
            return Outcome(photo, fault=found, seconds=seconds)
        options = {"overlay": self.overlay, "scores": self.scores}
        try:
            written = found.save(photo.result, alpha=self.alpha, **options)
        except OSError as fault:
            reason = fault.strerror or fault
            raise UserError(f"{photo.result}: cannot be written: {reason}") from fault
        return Outcome(photo, tuple(written), seconds=seconds)

    def _read(self, photo: Input) -> Image | UserError:
        try:
            source = photo.file or io.BytesIO(standard_input())
            beside = {kind: _beside(photo, path) for kind, path in self.others.items()}
            return self.predictor.read(source, beside)
        except UserError as fault:
            return fault


def pixels_in_all(photos: Sequence[Input]) -> float:
    """About how many pixels ``photos`` have, by the headers of some, spread over them."""
    asked = photos[:: max(1, len(photos) // ASKED)]
    return sum(map(pixels_said, asked)) * len(photos) / max(len(asked), 1)


def pixels_said(photo: Input) -> int:
    """Pixels of a photo by its header; 0 where there is none to be read."""
    size = size_said(photo.file) if photo.file and photo.file.is_file() else None
    return size[0] * size[1] if size else 0


def _beside(photo: Input, path: Path) -> Path:
    """The file of a further input: ``path``, or the one in it that is called as the photo."""
    return named(path / photo.file.name) if path.is_dir() and photo.file else path


def _refuse_meeting(photos: Sequence[Input], outputs: Sequence[str]) -> None:
    """UserError where the mask of a further output has the name of another photo, or its mask."""
    taken = {photo.result for photo in photos} | {p.file.with_suffix("") for p in photos if p.file}
    for photo in photos:
        for output in outputs:
            if Path(f"{photo.result}_{output}") in taken:
                raise UserError(
                    f"{photo.result}_{output}.png: would be the output {output!r} of {photo} and "
                    "another photo's; predict them apart"
                )
