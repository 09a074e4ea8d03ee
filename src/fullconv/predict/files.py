"""Many photos, one after the other: a bad one is reported and the rest go on."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    named = [inputs] if isinstance(inputs, str | Path) else inputs
    return list(predict_files(Predictor(run), named, out))


def predict_files(
    predictor: Predictor,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    overlay: bool = True,
    scores: bool = False,
    alpha: float = 0.6,
) -> Iterator[Outcome]:
    """Predict all photos that ``inputs`` name and write the results below ``out``.

    See ``find_inputs`` for what can be named and ``Prediction.save`` for what is written. Yields
    one Outcome a photo, in order, as soon as its files are there. Raises UserError when nothing is
    found or ``out`` cannot be written.
    """
    yield from predict_each(
        predictor, find_inputs(inputs, out), overlay=overlay, scores=scores, alpha=alpha
    )


def predict_each(
    predictor: Predictor,
    photos: Sequence[Input],
    *,
    overlay: bool = True,
    scores: bool = False,
    alpha: float = 0.6,
) -> Iterator[Outcome]:
    """As ``predict_files``, of photos that ``find_inputs`` has found."""
    for photo in photos:
        try:
            source = photo.file or io.BytesIO(standard_input())
            prediction = predictor(source, scores=scores)
        except UserError as fault:
            yield Outcome(photo, fault=str(fault))
            continue
        try:
            written = prediction.save(photo.result, overlay=overlay, scores=scores, alpha=alpha)
        except OSError as fault:
            raise UserError(f"{photo.result}: cannot be written: {fault.strerror}") from fault
        yield Outcome(photo, tuple(written))
