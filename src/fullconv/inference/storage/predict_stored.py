"""Photos predicted with a record of what is done, from and to addresses or folders."""

import os
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from fullconv.errors import UserError
from fullconv.inference.batch_predict import PhotoResult, output_suffixes, predict_each
from fullconv.inference.photos.find_photos import Input
from fullconv.inference.photos.refuse_overwriting import refuse_name_clashes
from fullconv.inference.prediction import DrawOptions, Prediction
from fullconv.inference.predictor import Predictor
from fullconv.inference.storage.addresses import stored_file
from fullconv.inference.storage.manifest import Done, Recorder
from fullconv.inference.storage.outputs import FolderOutput, Output
from fullconv.modalities import is_of_photo

AHEAD, WRITERS = 6, 4
"""Photos read before their turn, and written at a time: an object takes tens of milliseconds."""


def predict_recorded(
    predictor: Predictor,
    photos: Sequence[Input],
    output: Output,
    job: str,
    *,
    extra_inputs: Mapping[str, Path] | None = None,
    **drawn: Unpack[DrawOptions],
) -> Generator[PhotoResult, None, None]:
    """As `predict_each`, with results relative to ``output``, each noted when it is there.

    Yields a result for each photo, in order; ``written`` are names in ``output``. A killed call
    leaves no result that is noted and not there.
    """
    recorder = Recorder(output, job)

    def write(photo: Input, prediction: Prediction) -> Iterable[Path]:
        names = _written(photo, prediction, output, drawn)
        recorder.add(record_of(photo, names))
        return [Path(name) for name in names]

    try:
        results = predict_each(
            predictor,
            photos,
            extra_inputs=extra_inputs,
            write=write,
            ahead=AHEAD,
            writers=WRITERS,
            **drawn,
        )
        with closing(results):
            yield from results
    finally:
        recorder.flush()


def _written(photo: Input, prediction: Prediction, output: Output, drawn: DrawOptions) -> list[str]:
    """Write what `Prediction.save` does; the names in ``output``."""
    if isinstance(output, FolderOutput):
        saved = prediction.save(output.folder / photo.result, **drawn)
        return [path.relative_to(output.folder).as_posix() for path in saved]
    names = []
    with tempfile.TemporaryDirectory(prefix="fullconv-") as folder:
        for path in prediction.save(Path(folder) / photo.result.name, **drawn):
            names.append((photo.result.parent / path.name).as_posix())
            output.put(names[-1], path)
    return names


def key_of(photo: Input) -> str:
    """The key of a photo in the records, the same from every folder."""
    if photo.file:
        frame = f"#{photo.frame}" if photo.frames else ""
        return f"{os.path.abspath(photo.file)}{frame}"
    return photo.url or "-"


def record_of(photo: Input, results: Sequence[str]) -> Done:
    """The record of a photo with these results."""
    return Done(key_of(photo), version_of(photo), photo.result.as_posix(), tuple(results))


def version_of(photo: Input) -> str:
    """The version of a photo, which changes with its content; '' where unknown, as of a URL."""
    if photo.stored:
        return photo.stored.version
    try:
        return stored_file(str(photo.file)).version if photo.file else ""
    except OSError:
        return ""


def not_done(photos: Sequence[Input], done: dict[str, Done]) -> tuple[list[Input], int]:
    """The photos that are still to be predicted, and how many are done."""
    left = [
        photo
        for photo in photos
        if (record := done.get(key_of(photo))) is None
        or (record.version, record.stem) != (version_of(photo), photo.result.as_posix())
    ]
    return left, len(photos) - len(left)


def with_relative_results(photos: Sequence[Input], out: Path) -> list[Input]:
    """The photos with their results relative to the folder ``out``."""
    return [
        replace(photo, result=photo.result.relative_to(out))
        if photo.result.is_relative_to(out)
        else photo
        for photo in photos
    ]


def check_photos(predictor: Predictor, photos: Sequence[Input], probability: bool = False) -> None:
    """UserError where results of two photos would meet, or photos need files beside them."""
    refuse_name_clashes(photos, output_suffixes(predictor.classes, probability))
    further = [kind for kind in predictor.inputs if not is_of_photo(kind)]
    stored = [photo for photo in photos if photo.stored]
    if further and stored:
        raise UserError(
            f"{stored[0]}: the net needs the inputs {', '.join(further)} too, which are looked for "
            "beside photos on this disk only: copy the data here",
            "FC-STORAGE-009",
        )
