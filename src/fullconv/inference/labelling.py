"""Predictions on their way into a labelling tool (`fullconv.data.exporters`)."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.data.exporters import Item, ShapeOptions, exporter, written_labels
from fullconv.errors import UserError, UserErrors
from fullconv.inference.batch_predict import Keep, PhotoResult, predict_each, stated_pixels
from fullconv.inference.photos.find_photos import Input
from fullconv.inference.prediction import Prediction
from fullconv.inference.predictor import Predictor

MOST_SCORES = 2**29
"""Scores of a photo, 2 GiB, above which its shapes get no confidence."""


def item_of(
    prediction: Prediction, name: str, photo: Path | bytes | None = None, confident: bool = True
) -> Item:
    """A prediction as an item called ``name``, if ``confident`` with its probability.

    ``photo`` is its file or the bytes of it, in place of the pixels that the net was shown.
    """
    source = prediction.image if photo is None else photo
    probability = probability_of(prediction) if confident else None
    return Item(name, source, prediction.mask, probability)


def probability_of(prediction: Prediction) -> npt.NDArray[np.float32] | None:
    """The probability of each pixel's class, float32 (H, W), of overlapping ones (H, W, K).

    None of an exported file that gives no scores, and where they need more than 2 GiB.
    """
    height, width = prediction.mask.shape[:2]
    if height * width * len(prediction.classes) > MOST_SCORES:
        return None
    try:
        return prediction.confidence
    except UserError:
        return None


def predict_labels(
    predictor: Predictor,
    photos: Sequence[Input],
    tool: str,
    out: Path,
    options: ShapeOptions,
    *,
    extra_inputs: Mapping[str, Path] | None = None,
    keep: Keep | None = None,
) -> Generator[PhotoResult, None, None]:
    """Predict photos and write them for ``tool`` into the folder ``out``, which appears whole.

    ``photos`` are those of ``find_inputs(inputs, out)``. Yields a result for each, in order; one
    with an error is left out. The first output of a net with several is written. Shapes have no
    confidence where the file gives no scores, or those of a photo need more than `MOST_SCORES`.
    Raises UserError where ``out`` is not empty, and where no photo could be predicted: then nothing
    is written.
    """
    exporter(tool)
    items: deque[Item] = deque()
    results: deque[PhotoResult] = deque()
    errors: list[UserError] = []
    classes = predictor.classes
    if not classes.is_overlapping:
        classes = classes.outputs[0].classes
    largest = max(map(stated_pixels, photos), default=0)
    scores = predictor.has_scores and largest * len(predictor.classes) <= MOST_SCORES

    def write(photo: Input, prediction: Prediction) -> tuple[Path, ...]:
        name = photo.result.relative_to(out).as_posix()
        items.append(item_of(prediction, name, _file(photo), scores))
        return ()

    def predicted() -> Iterator[Item]:
        predictions = predict_each(
            predictor, photos, extra_inputs=extra_inputs, keep=keep, write=write, scores=scores
        )
        with closing(predictions):
            for result in predictions:
                results.append(result)
                if result.error:
                    errors.append(result.error)
                else:
                    yield items.popleft()
        if len(errors) == len(photos):
            raise _nothing_predicted(errors)

    with closing(written_labels(tool, predicted(), out, classes, options)) as written:
        for _ in written:
            while results:
                yield results.popleft()
    yield from results


def _nothing_predicted(errors: Sequence[UserError]) -> UserError:
    if len(errors) == 1:
        return errors[0]
    codes = {error.code for error in errors}
    code = codes.pop() if len(codes) == 1 else "FC-LABELS-006"
    last = f"none of the {len(errors)} photos could be predicted, nothing is written"
    return UserErrors([*map(str, errors), last], code)


def _file(photo: Input) -> Path | bytes | None:
    return photo.content if photo.file is None else photo.file
