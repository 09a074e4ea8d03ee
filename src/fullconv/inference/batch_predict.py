"""Many photos without waiting: read, predicted, written; a bad one is reported, the rest go on."""

import io
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.modality_files import named
from fullconv.data.reading.image import size_said
from fullconv.errors import UserError
from fullconv.inference.engines.engine import Image
from fullconv.inference.find_photos import Input, find_inputs, standard_input
from fullconv.inference.predictor import Prediction, Predictor
from fullconv.inference.read_ahead import threads

AHEAD = 2  # photos read before their turn
BEHIND = 2  # photos that may wait to be written
ROOM = 2**26  # pixels at hand at a time, 192 MiB of photos; a larger photo is taken alone

Result = tuple[Prediction | UserError, float]
"""What became of a photo in the net, and the seconds that it took."""


@dataclass(frozen=True)
class Outcome:
    """What became of one photo: the files written, or the error in one line.

    ``seconds`` is how long the net took. The rest, reading and writing, is done beside it.
    """

    photo: Input
    written: tuple[Path, ...] = ()
    error: str | None = None
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

    The net runs in the calling thread, and meanwhile `AHEAD` photos are read before their turn and
    the last results are written in threads, as long as all photos that are at hand have no more
    than `ROOM` pixels. So an Outcome comes when the net has done the next photo. What else than a
    UserError is raised ends the iteration in the photo's turn; what has been predicted by then is
    still written, and the rest is dropped. No thread outlives the iteration.
    """
    _refuse_meeting(photos, [output.name for output in predictor.classes.outputs[1:]])
    others = others or {}
    waiting, reading, writing = deque(photos), deque(), deque()
    sizes: deque[int] = deque()  # pixels of all photos that are at hand
    with threads(AHEAD) as readers, threads(1, drop=False) as writer:
        while waiting or reading or writing:
            while waiting and len(reading) <= AHEAD:
                size = pixels_said(waiting[0])
                if sizes and sum(sizes) + size > ROOM:
                    break
                sizes.append(size)
                photo = waiting.popleft()
                # What has to be waited for is read here, where Ctrl-C ends it: a pipe, stdin.
                early = photo.file is not None and photo.file.is_file()
                image = readers.submit(_read, predictor, photo, others) if early else None
                reading.append((photo, image))
            if reading:
                photo, image = reading.popleft()
                pixels = image.result() if image else _read(predictor, photo, others)
                result = _predicted(predictor, pixels, scores)
                writing.append(writer.submit(_written, photo, result, overlay, scores, alpha))
                del image, pixels, result  # the photo goes when it has been written
            while writing and (not reading or len(writing) > BEHIND or writing[0].done()):
                outcome = writing.popleft().result()
                sizes.popleft()
                yield outcome


def _read(predictor: Predictor, photo: Input, others: Mapping[str, Path]) -> Image | UserError:
    """The photo's array with its further inputs, or what is wrong with it."""
    try:
        source = photo.file or io.BytesIO(standard_input())
        beside = {kind: _beside(photo, path) for kind, path in others.items()}
        return predictor.read(source, beside)
    except UserError as error:
        return error


def _predicted(predictor: Predictor, image: Image | UserError, scores: bool) -> Result:
    """What the net says of an array, or what is wrong with it, and the seconds that it took."""
    if isinstance(image, UserError):
        return image, 0.0
    start = time.perf_counter()
    try:
        return predictor.predict_batch([image], scores)[0], time.perf_counter() - start
    except UserError as error:
        return error, time.perf_counter() - start


def _written(photo: Input, result: Result, overlay: bool, scores: bool, alpha: float) -> Outcome:
    """The files of a prediction, with the photo's result as their name."""
    prediction, seconds = result
    if isinstance(prediction, UserError):
        return Outcome(photo, error=str(prediction), seconds=seconds)
    try:
        written = prediction.save(photo.result, overlay=overlay, scores=scores, alpha=alpha)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{photo.result}: cannot be written: {reason}") from error
    return Outcome(photo, tuple(written), seconds=seconds)


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
