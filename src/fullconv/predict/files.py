"""Many photos, one after the other: a bad one is reported and the rest go on."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.planes import named
from fullconv.errors import UserError
from fullconv.predict.inputs import Input, find_inputs, standard_input
from fullconv.predict.predictor import Predictor


@dataclass(frozen=True)
class Outcome:
    """What became of one photo: the files written, or the fault in one line."""

    photo: Input
    written: tuple[Path, ...] = ()
    fault: str | None = None


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
) -> Iterator[Outcome]:
    """As ``predict_files``, of photos that ``find_inputs`` has found."""
    _refuse_meeting(photos, [output.name for output in predictor.classes.outputs[1:]])
    for photo in photos:
        try:
            source = photo.file or io.BytesIO(standard_input())
            beside = {kind: _beside(photo, path) for kind, path in (others or {}).items()}
            prediction = predictor(source, scores=scores, others=beside)
        except UserError as fault:
            yield Outcome(photo, fault=str(fault))
            continue
        try:
            written = prediction.save(photo.result, overlay=overlay, scores=scores, alpha=alpha)
        except OSError as fault:
            raise UserError(f"{photo.result}: cannot be written: {fault.strerror}") from fault
        yield Outcome(photo, tuple(written))


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
