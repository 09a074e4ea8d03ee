"""Many photos in a pipeline: read ahead, predict, write behind; errors are reported per photo."""

import io
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from fullconv.classes import ClassSet
from fullconv.classes.palettes import Palette
from fullconv.data.reading.image import size_said
from fullconv.data.reading.modality_files import named
from fullconv.device import Precision
from fullconv.errors import UserError
from fullconv.files.atomic import remove_abandoned
from fullconv.files.file_errors import file_error, file_errors
from fullconv.inference.engines.engine import Image
from fullconv.inference.engines.registry import AUTO
from fullconv.inference.multilabel_prediction import mask_stems
from fullconv.inference.photos.find_photos import Input, find_inputs
from fullconv.inference.photos.read_ahead import threads
from fullconv.inference.photos.refuse_overwriting import refuse_name_clashes
from fullconv.inference.photos.remote_photos import fetched
from fullconv.inference.prediction import DrawOptions, Prediction
from fullconv.inference.predictor import Predictor
from fullconv.inference.storage.addresses import MOST_PHOTO, read_stored
from fullconv.inference.tiled_prediction import Tile
from fullconv.inference.tta import TTA
from fullconv.modalities import MAX_MEGAPIXELS
from fullconv.notebook_progress import ProgressBar, in_notebook
from fullconv.python_arguments import as_path, said
from fullconv.visualize import Legend, check_drawing

AHEAD = 2  # photos read before their turn
BEHIND = 2  # photos that may wait to be written
ROOM = 2**26  # pixels at hand at a time, 192 MiB of photos; a larger photo is taken alone
_PIXELS_PER_BYTE = 8  # of a JPEG that lies in storage, about
_ENDINGS = (".png", ".jpg", ".npy", ".tif", ".xml", ".json", ".qml")

Timed = tuple[Prediction | UserError, float]
"""The prediction of a photo, or its error, and the seconds of the net."""
Keep = Callable[[Input, Prediction], object]
"""Called with each photo and its prediction."""
Write = Callable[[Input, Prediction], Iterable[Path]]
"""Writes the prediction of a photo; the files."""


@dataclass(frozen=True)
class PhotoResult:
    """One predicted photo: the files ``written``, or the ``error``.

    ``seconds`` is how long the net took. The rest, reading and writing, is done beside it.
    """

    photo: Input
    written: tuple[Path, ...] = ()
    error: UserError | None = None
    seconds: float = 0.0


def predict(
    run: str | Path,
    inputs: str | Path | Sequence[str | Path],
    out: str | Path = "pictures",
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    engine: str = AUTO,
    tile: Tile | None = None,
    tta: str | TTA | None = None,
    palette: Palette = "classes",
    borders: bool = True,
    overlay: bool = True,
    alpha: float = 0.6,
    legend: Legend = "below",
    scores: bool = False,
    probability: bool = False,
    extra_inputs: Mapping[str, Path] | None = None,
    bands: Sequence[int] | None = None,
    range: Sequence[float] | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    frames: bool = False,
    threshold: float | Sequence[float] | None = None,
) -> list[PhotoResult]:
    """Predict photos with a trained run and write masks and overlays below ``out``.

    ``inputs`` are files, folders and patterns (`find_inputs`), one or several. The options are
    those of ``Predictor``, then those of ``Prediction.save``. Returns all results at once, where
    ``predict_files`` yields them.
    """
    paths = _paths(inputs)
    as_path(out, "out")
    predictor = Predictor(
        run, device, precision, engine, tile, palette, borders, tta,
        bands=bands, range=range, max_megapixels=max_megapixels, threshold=threshold,
    )  # fmt: skip
    drawn: DrawOptions = {
        "overlay": overlay, "alpha": alpha, "legend": legend, "scores": scores,
        "probability": probability,
    }  # fmt: skip
    photos = find_inputs(paths, out, frames)
    bar = ProgressBar("photos predicted") if in_notebook() else None
    results: list[PhotoResult] = []
    for result in predict_each(predictor, photos, extra_inputs=extra_inputs, **drawn):
        results.append(result)
        if bar:
            bar(len(results), len(photos))
    return results


def _paths(inputs: Any) -> list[str]:
    """``inputs`` as a list; UserError for what names no file, as a picture or an array."""
    listed = isinstance(inputs, Iterable) and not isinstance(inputs, str | os.PathLike)
    each: list[Any] = list(inputs) if listed and not hasattr(inputs, "shape") else [inputs]
    for value in each:
        if not isinstance(value, str | os.PathLike):
            raise UserError(
                f"predict takes names of files, not {said(value)}; for a picture in memory: "
                "fullconv.Predictor(run)(photo)",
                "FC-PREDICT-007",
            )
    if not each:
        raise UserError("no photos are named: the list is empty", "FC-PREDICT-001")
    return [os.fsdecode(value) for value in each]


def predict_files(
    predictor: Predictor,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    extra_inputs: Mapping[str, Path] | None = None,
    frames: bool = False,
    **drawn: Unpack[DrawOptions],
) -> Iterator[PhotoResult]:
    """Predict all photos that ``inputs`` name and write the results below ``out``.

    See ``find_inputs`` for what can be named and ``Prediction.save`` for what is written.
    ``extra_inputs`` gives for further inputs of the net (depth, ...) a file, or the folder in which
    they are called as the photos; without it they are looked for where data sets have them. Yields
    a PhotoResult for each photo, in order, as soon as its files are there, then one with an error
    for each input that is not there. Raises UserError when nothing is there or ``out`` cannot be
    written.
    """
    photos = find_inputs(inputs, out, frames)
    yield from predict_each(predictor, photos, extra_inputs=extra_inputs, **drawn)


def predict_each(
    predictor: Predictor,
    photos: Sequence[Input],
    *,
    extra_inputs: Mapping[str, Path] | None = None,
    keep: Keep | None = None,
    write: Write | None = None,
    ahead: int = AHEAD,
    writers: int = 1,
    **drawn: Unpack[DrawOptions],
) -> Generator[PhotoResult, None, None]:
    """Predict the ``photos`` of ``find_inputs``, as ``predict_files`` does.

    ``keep`` is called with each prediction, in a thread; ``write`` writes it in place of
    `Prediction.save`.

    The net runs in the calling thread. Meanwhile up to ``ahead`` photos are read in threads, and
    earlier results are written in ``writers`` threads, while all photos in memory have at most
    `ROOM` pixels together. So a result is yielded when the net has predicted the next photo. An
    exception other than UserError ends the iteration at its photo: earlier predictions are still
    written. No thread outlives the iteration. Half-written files that a killed call has left in the
    folders of the results are removed.
    """
    check_drawing(drawn.get("alpha", 0.6), drawn.get("legend", "below"))
    probability = drawn.get("probability", False)
    refuse_name_clashes(photos, output_suffixes(predictor.classes, probability))
    remove_abandoned_results(photos)
    extra_inputs = extra_inputs or {}
    asked = drawn.get("scores", False), drawn.get("probability", False)
    waiting, reading, writing = deque(photos), deque(), deque()
    sizes: deque[int] = deque()  # pixels of all photos in memory
    with threads(ahead) as readers, threads(writers, drop=False) as writer:
        while waiting or reading or writing:
            while waiting and len(reading) <= ahead:
                size = stated_pixels(waiting[0])
                if sizes and sum(sizes) + size > ROOM:
                    break
                sizes.append(size)
                photo = waiting.popleft()
                # A pipe may block, so it is read in this thread, where Ctrl-C ends it.
                in_thread = photo.content is not None or photo.url or _is_file(photo)
                image = readers.submit(_read, predictor, photo, extra_inputs) if in_thread else None
                reading.append((photo, image))
            if reading:
                photo, image = reading.popleft()
                pixels = image.result() if image else _read(predictor, photo, extra_inputs)
                result = _predicted(predictor, pixels, *asked)
                writing.append(writer.submit(_written, photo, result, drawn, keep, write))
                del image, pixels, result  # so that the photo is freed when it has been written
            while writing and (
                not reading or len(writing) >= BEHIND + writers or writing[0].done()
            ):
                photo_result = writing.popleft().result()
                sizes.popleft()
                yield photo_result


def output_suffixes(classes: ClassSet, probability: bool = False) -> list[str]:
    """The suffixes of NAME_SUFFIX.png: those of further outputs, or of classes that may overlap.

    With ``probability`` also those of the pictures of their probabilities.
    """
    if classes.is_overlapping:
        names = mask_stems(classes.names) if len(classes) > 1 else []
    else:
        names = [output.name for output in classes.outputs[1:]]
    if not probability:
        return names
    return [*names, "probability", *(f"{name}_probability" for name in names)]


def remove_abandoned_results(photos: Sequence[Input]) -> None:
    """Remove the half-written results of killed calls in the folders of these photos' results."""
    for folder in {photo.result.parent for photo in photos if photo.error is None}:
        remove_abandoned(folder, lambda name: name.endswith(_ENDINGS))


def _read(
    predictor: Predictor, photo: Input, extra_inputs: Mapping[str, Path]
) -> Image | UserError:
    """The photo's array with its further inputs, or the error."""
    if photo.error is not None:
        return photo.error
    try:
        if photo.stored or photo.table:
            return predictor.read(_content(photo), name=str(photo))
        if photo.url:
            with fetched(photo.url) as path:
                return predictor.read(path)
        if photo.frames:
            return predictor.read(photo.frames.read(photo.frame, predictor.read_options))
        source = io.BytesIO(photo.content or b"") if photo.file is None else photo.file
        beside = {kind: _beside(photo, path) for kind, path in extra_inputs.items()}
        return predictor.read(source, beside)
    except UserError as error:
        return error
    except OSError as error:
        return file_error(error, photo.file)


def _content(photo: Input) -> bytes:
    """The bytes of a photo in storage, or in a table."""
    if photo.table:
        return photo.table.read(photo.row)
    assert photo.stored
    if photo.stored.size > MOST_PHOTO:
        raise UserError(
            f"{photo}: has {photo.stored.size >> 20} MiB, more than the {MOST_PHOTO >> 20} of a "
            "photo; copy it to this disk and name the file",
            "FC-STORAGE-008",
        )
    return read_stored(photo.stored.address)


def _predicted(
    predictor: Predictor, image: Image | UserError, scores: bool, confidence: bool
) -> Timed:
    """The prediction of an array, or its error, and the seconds of the net."""
    if isinstance(image, UserError):
        return image, 0.0
    start = time.perf_counter()
    try:
        prediction = predictor.predict_batch([image], scores, confidence)[0]
        return prediction, time.perf_counter() - start
    except UserError as error:
        return error, time.perf_counter() - start


def _written(
    photo: Input, result: Timed, drawn: DrawOptions, keep: Keep | None, write: Write | None
) -> PhotoResult:
    """The files of a prediction, with the photo's result as their name."""
    prediction, seconds = result
    if isinstance(prediction, UserError):
        return PhotoResult(photo, error=prediction, seconds=seconds)
    if keep:
        keep(photo, prediction)
    with file_errors(photo.result, writing=True):
        saved = write(photo, prediction) if write else prediction.save(photo.result, **drawn)
    return PhotoResult(photo, tuple(saved), seconds=seconds)


def _is_file(photo: Input) -> bool:
    return photo.error is None and photo.file is not None and photo.file.is_file()


def stated_pixels(photo: Input) -> int:
    """Pixels of a photo by its header, or estimated from its bytes; 0 where neither is known."""
    if photo.stored and not photo.table:
        return photo.stored.size * _PIXELS_PER_BYTE
    size = size_said(photo.file) if photo.file and _is_file(photo) else None
    return size[0] * size[1] if size else 0


def _beside(photo: Input, path: Path) -> Path:
    """The file of a further input: ``path``, or the file in this folder with the photo's name."""
    return named(path / photo.file.name) if path.is_dir() and photo.file else path
