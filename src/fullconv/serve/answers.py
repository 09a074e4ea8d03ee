"""Which answer a request asks for, and its bytes: JSON, the mask, the overlay, probabilities.

A header ``Accept`` is read as RFC 9110, section 12.5.1, says.
"""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fullconv import visualize as pictures
from fullconv.data.reading.run_lengths import coco_counts
from fullconv.inference import MultilabelPrediction, Prediction
from fullconv.serve.request_errors import RequestError
from fullconv.serve.schema import Png, Region, Rle, Segmentation
from fullconv.serve.served_models import Model

PNG_LEVEL = 3  # a third of the time of Pillow's 6, for a few more bytes


@dataclass(frozen=True)
class Answer:
    """The body of an answer, its media type, and how far it can be trusted (`Segmentation`)."""

    content: bytes
    media_type: str
    confidence: float | None = None


@dataclass(frozen=True)
class AnswerOptions:
    """The options of an answer; ``kind`` is a key of ``KINDS``, ``alpha`` the overlay's tint.

    With ``with_mask`` and ``with_probability`` the JSON brings those as PNGs, too.
    """

    kind: str
    alpha: float = 0.6
    with_mask: bool = False
    with_probability: bool = False


def answer(options: AnswerOptions, model: Model, prediction: Prediction, seconds: float) -> Answer:
    """The answer to ``options``; ``seconds`` is how long it waited and the net took."""
    if options.kind == "json":
        content = segmentation(model, prediction, seconds)
        if options.with_mask and len(prediction.classes.thresholds) > 1:
            _add_masks(content, prediction)
        elif options.with_mask:
            content.mask = _base64(mask_png(prediction))
        if options.with_probability:
            _add_probability(content, prediction)
        # Unset are the pictures that nobody asked for.
        text = content.model_dump_json(exclude_unset=True).encode()
        return Answer(text, "application/json", content.confidence)
    encode: dict[str, Callable[[], bytes]] = {
        "mask": lambda: mask_png(prediction),
        "overlay": lambda: overlay_png(prediction, options.alpha),
        "probability": lambda: probability_png(prediction),
    }
    return Answer(encode[options.kind](), "image/png", trust(prediction))


def check_one_mask(kind: str, model: Model, output: str) -> None:
    """RequestError (422) where one mask is asked for of a net that gives one for each class."""
    if kind in ("mask", "probability") and len(model.classes.thresholds) > 1 and not output:
        names = model.classes.names
        known = ", ".join(names[:8])
        raise RequestError(
            422,
            f"{model.name} has a mask for each class: name one, as output={names[0]} ({known}), or "
            "ask for JSON, which has all",
            "FC-SERVE-024",
        )


KINDS = {
    "json": "application/json",
    "mask": "image/png",
    "overlay": "image/png; picture=overlay",
    "probability": "image/png; picture=probability",
}
"""The kinds of answers, and the media type of each in `Accept`."""


MediaRange = tuple[str, dict[str, str], float]
"""A media range, its parameters, and how much it is wanted."""


def accepted_kind(accept: str | None) -> str:
    """The kind of answer (a key of ``KINDS``); JSON where any will do.

    ``image/png`` is the mask; the other pictures are asked for by the parameter ``picture``.
    Raises RequestError (406) where none fits.
    """
    if accept is None or not accept.strip():
        return "json"
    ranges = [_range(text) for text in accept.split(",") if text.strip()]
    rated = [(_quality(kind, ranges), kind) for kind in KINDS]
    quality = max(quality for quality, _ in rated)
    if quality <= 0:
        offered = ", ".join(KINDS.values())
        raise RequestError(406, f"Accept: {accept[:200]}: there are {offered}", "FC-SERVE-006")
    return next(kind for rating, kind in rated if rating == quality)


def _range(text: str) -> MediaRange:
    media, *parts = (part.strip() for part in text.split(";"))
    options: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        options[name.strip().lower()] = value.strip().strip('"').lower()
    try:
        quality = float(options.pop("q", "1"))
    except ValueError:
        quality = 1.0
    return media.lower(), options, quality


def _quality(kind: str, ranges: list[MediaRange]) -> float:
    """How much a kind is wanted: what the most precise range that it falls under says."""
    media, options, _ = _range(KINDS[kind])
    best = (-1, 0.0)
    for asked, named, quality in ranges:
        picture = named.get("picture")
        # Without the parameter image/png is the mask alone, not whichever picture comes first.
        if asked == media and picture == options.get("picture"):
            place = 2
        elif asked in (f"{media.split('/')[0]}/*", "*/*") and not options and picture is None:
            place = 1 if asked != "*/*" else 0
        else:
            continue
        best = max(best, (place, quality))
    return best[1]


def segmentation(model: Model, prediction: Prediction, seconds: float) -> Segmentation:
    """The JSON answer: size, and of each class its share and, where it occurs, its pixels."""
    if len(prediction.classes.thresholds) > 1:
        return _all_classes(model, prediction, seconds)
    height, width = prediction.mask.shape
    classes, counts = prediction.classes.outputs[0].classes, coco_counts(prediction.mask)
    pixels = np.bincount(prediction.mask.ravel(), minlength=len(classes)).tolist()
    regions = [
        Region(
            index=index,
            name=name,
            color=list(color),
            background=index in classes.background,
            pixels=pixels[index],
            share=pixels[index] / (height * width),
            rle=Rle(size=[height, width], counts=counts[index]) if index in counts else None,
        )
        for index, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
    ]
    return _segmentation(model, prediction, seconds, regions)


def _all_classes(model: Model, prediction: Prediction, seconds: float) -> Segmentation:
    """The JSON of several overlapping classes: each has its own pixels."""
    height, width = prediction.mask.shape[:2]
    regions = []
    for index, (name, color) in enumerate(
        zip(prediction.classes.names, prediction.classes.colors, strict=True)
    ):
        mask = prediction.masks[index]
        counts, pixels = coco_counts(mask.astype(np.uint8)), int(mask.sum())
        rle = Rle(size=[height, width], counts=counts[1]) if pixels else None
        share = pixels / (height * width)
        regions.append(
            Region(
                index=index,
                name=name,
                color=list(color),
                background=False,
                pixels=pixels,
                share=share,
                rle=rle,
            )
        )
    return _segmentation(model, prediction, seconds, regions)


def _add_masks(content: Segmentation, prediction: Prediction) -> None:
    """Put the mask of each class into the JSON."""
    assert isinstance(prediction, MultilabelPrediction)
    for index, region in enumerate(content.classes):
        region.mask = _base64(prediction.class_png(index))


def _add_probability(content: Segmentation, prediction: Prediction) -> None:
    """Put the probabilities into the JSON, of several overlapping classes those of each."""
    known = prediction.known_confidence is not None
    if not isinstance(prediction, MultilabelPrediction) or len(prediction.classes) == 1:
        content.probability = _base64(probability_png(prediction)) if known else None
        return
    for index, region in enumerate(content.classes):
        image = Image.fromarray(prediction.probability_of(index)) if known else None
        region.probability = None if image is None else _base64(_png(image))


def _segmentation(
    model: Model, prediction: Prediction, seconds: float, regions: list[Region]
) -> Segmentation:
    height, width = prediction.mask.shape[:2]
    return Segmentation(
        model=model.name,
        task=model.classes.task,
        output=prediction.output,
        width=width,
        height=height,
        seconds=round(seconds, 4),
        confidence=trust(prediction),
        classes=regions,
    )


def mask_png(prediction: Prediction) -> bytes:
    """The file NAME.png of ``fullconv predict``."""
    file = io.BytesIO()
    prediction.write_mask(file)
    return file.getvalue()


def overlay_png(prediction: Prediction, alpha: float) -> bytes:
    """The photo tinted by its classes, with the legend below."""
    if isinstance(prediction, MultilabelPrediction):
        return _png(Image.fromarray(prediction.draw(alpha)))
    shown = pictures.overlay(prediction.image, prediction.mask, prediction.classes, alpha)
    return _png(Image.fromarray(shown))


def probability_png(prediction: Prediction) -> bytes:
    """How probable each pixel's class is, as a grey picture: 0..255 for 0..1.

    Of one overlapping class the probability that it is there.
    """
    return _png(Image.fromarray(prediction.probability_image))


def _base64(png: bytes) -> Png:
    return Png(png=base64.b64encode(png).decode())


def trust(prediction: Prediction) -> float | None:
    """The mean confidence; None of a net that gives classes alone."""
    if prediction.known_confidence is None:
        return None
    return round(prediction.mean_confidence, 4)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()
