"""From a prediction to the bytes of an answer: JSON, the mask, the overlay, the probabilities."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv import visualize as pictures
from fullconv.data.run_lengths import coco_counts
from fullconv.inference import Prediction
from fullconv.serve.schema import Found, Png, Rle, Segmentation
from fullconv.serve.served_models import Model

PNG_LEVEL = 3  # a third of the time of Pillow's 6, for a few more bytes
SCORE_BYTES = 2**30
"""Most that the scores of a photo may take when probabilities are asked for."""
_STRIP = 2**18  # pixels whose probabilities are computed at a time


@dataclass(frozen=True)
class Answer:
    """The body of an answer and its media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Wish:
    """What a request asks for; ``kind`` is a key of ``KINDS``, ``alpha`` the overlay's tint.

    With ``with_mask`` the JSON brings the mask as a PNG, too.
    """

    kind: str
    alpha: float = 0.6
    with_mask: bool = False

    @property
    def scores(self) -> bool:
        """Whether it needs the scores."""
        return self.kind == "probability"


def answer(wish: Wish, model: Model, prediction: Prediction, seconds: float) -> Answer:
    """The answer to ``wish``; ``seconds`` is how long it waited and the net took."""
    if wish.kind == "json":
        said = segmentation(model, prediction, seconds)
        if wish.with_mask:
            said.mask = Png(png=base64.b64encode(mask_png(prediction)).decode())
        # Unset is the mask that nobody asked for.
        return Answer(said.model_dump_json(exclude_unset=True).encode(), "application/json")
    make: dict[str, Callable[[], bytes]] = {
        "mask": lambda: mask_png(prediction),
        "overlay": lambda: overlay_png(prediction, wish.alpha),
        "probability": lambda: _png(Image.fromarray(probability(prediction))),
    }
    return Answer(make[wish.kind](), "image/png")


KINDS = {
    "json": "application/json",
    "mask": "image/png",
    "overlay": "image/png; picture=overlay",
    "probability": "image/png; picture=probability",
}
"""What can be asked for, and the media type that asks for it in `Accept`."""


def segmentation(model: Model, prediction: Prediction, seconds: float) -> Segmentation:
    """What the JSON says: size, and of each class its share and, where it occurs, its pixels."""
    height, width = prediction.mask.shape
    known, counts = prediction.classes, coco_counts(prediction.mask)
    pixels = np.bincount(prediction.mask.ravel(), minlength=len(known)).tolist()
    classes = [
        Found(
            index=index,
            name=name,
            color=list(color),
            pixels=pixels[index],
            share=pixels[index] / (height * width),
            rle=Rle(size=[height, width], counts=counts[index]) if index in counts else None,
        )
        for index, (name, color) in enumerate(zip(known.names, known.colors, strict=True))
    ]
    return Segmentation(
        model=model.name,
        output=prediction.output,
        width=width,
        height=height,
        seconds=round(seconds, 4),
        classes=classes,
    )


def mask_png(prediction: Prediction) -> bytes:
    """The file NAME.png of ``fullconv predict``."""
    file = io.BytesIO()
    prediction.write_mask(file)
    return file.getvalue()


def overlay_png(prediction: Prediction, alpha: float) -> bytes:
    """The photo tinted by its classes, with the legend below."""
    shown = pictures.overlay(prediction.image, prediction.mask, prediction.classes, alpha)
    return _png(Image.fromarray(shown))


def probability(prediction: Prediction) -> npt.NDArray[np.uint8]:
    """How probable the net holds the class of each pixel, by softmax: 0..255 for 0..1, (H, W)."""
    scores, mask = prediction.scores, prediction.mask
    found = np.empty(mask.shape, np.uint8)
    step = max(1, _STRIP // (mask.shape[1] * len(scores)))
    for top in range(0, len(mask), step):
        rows = slice(top, top + step)
        part = scores[:, rows] - scores[:, rows].max(0)  # K,R,W
        np.exp(part, out=part)
        chosen = np.take_along_axis(part, mask[None, rows].astype(np.intp), 0)[0]
        found[rows] = np.rint(255 * chosen / part.sum(0))
    return found


def score_bytes(model: Model, image: npt.NDArray[Any]) -> int:
    """What the scores of a photo take."""
    return len(model.classes) * image.shape[0] * image.shape[1] * 4


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()
