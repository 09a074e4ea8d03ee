"""The pictures that are written for each frame, and the files that they are written to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.errors import UserError, printable
from fullconv.inference.multilabel_prediction import MultilabelPrediction, mask_stems
from fullconv.inference.prediction import Prediction
from fullconv.inference.predictor import Predictor
from fullconv.inference.video.encoder import MUXERS, Coding, Encoder, Picture, Show
from fullconv.modalities import is_of_photo
from fullconv.visualize import Legend, check_drawing, flattened

FrameProgress = Callable[[int, int | None], object]
"""Called with the number of frames done and in all; None where that is not known."""


@dataclass(frozen=True)
class Look:
    """How frames become pictures: the options of `predict_video` with these names.

    Raises UserError for a value that an option cannot have.
    """

    show: Show = "overlay"
    smooth: float = 0.0
    alpha: float = 0.6
    legend: Legend = "right"
    probability: bool = False

    def __post_init__(self) -> None:
        if self.show not in ("overlay", "classes"):
            raise UserError(f"{self.show!r} is unknown: show overlay or classes", "FC-VIDEO-003")
        if not 0 <= self.smooth < 1:  # nor nan
            raise UserError(
                f"smooth {self.smooth}: lies from 0 (each frame alone) to below 1", "FC-VIDEO-003"
            )
        if self.legend == "below":  # a video keeps the size of its frames
            object.__setattr__(self, "legend", "right")
        check_drawing(self.alpha, self.legend)


@dataclass(frozen=True)
class Timing:
    """The times of a video: in ticks of ``time_base`` seconds, ``rate`` frames a second on average.

    ``aspect`` is the width of a pixel by its height, None where it is a square.
    """

    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None = None


class FramePictures:
    """Predicts frames and draws them by ``look``: the video's picture, then the probabilities.

    ``targets`` are the files of these pictures; ``target`` is the first. Frames must come in order:
    ``mean`` is the moving average of their logits, None before the first frame. Raises UserError
    for a net with other inputs than a photo, and for an exported file without logits where
    ``look`` needs them.
    """

    def __init__(self, predictor: Predictor, look: Look, target: Path) -> None:
        _check_net(predictor)
        if look.smooth or look.probability:
            predictor.check_scores()
        self.predictor, self.look = predictor, look
        self.mean: npt.NDArray[np.float32] | None = None
        self.targets = (target, *self._probability_targets(target))

    def _probability_targets(self, target: Path) -> list[Path]:
        if not self.look.probability:
            return []
        classes = self.predictor.classes
        several = classes.is_overlapping and len(classes) > 1
        return probability_results(target, mask_stems(classes.names) if several else [""])

    def __call__(self, image: npt.NDArray[np.uint8]) -> list[npt.NDArray[Any]]:
        """The pictures of an upright frame (H, W, 3), one for each of ``targets``."""
        prediction = self._prediction(image)
        pictures = [self._drawn(prediction)]
        if not self.look.probability:
            return pictures
        if isinstance(prediction, MultilabelPrediction):
            indices = range(len(prediction.classes))
            return pictures + [prediction.probability_of(index) for index in indices]
        return [*pictures, prediction.probability_image]

    def encoders(self, pictures: Sequence[npt.NDArray[Any]], timing: Timing) -> list[Encoder]:
        """An encoder for each of ``pictures``, of its size."""
        return [
            Encoder(self.coding(number, (picture.shape[0], picture.shape[1]), timing), self.classes)
            for number, picture in enumerate(pictures)
        ]

    def coding(self, number: int, size: tuple[int, int], timing: Timing) -> Coding:
        """How the pictures of a target, of ``size`` (H, W), are encoded."""
        picture: Picture = "probability" if number else self.look.show
        deep = picture == "classes" and len(self.classes.palette()) > 256
        return Coding(picture, size, timing.time_base, timing.rate, timing.aspect, deep)

    @property
    def classes(self) -> ClassSet:
        """The classes that the video shows; of overlapping ones the smallest lies on top."""
        classes = self.predictor.classes
        return classes.flat if classes.is_overlapping else classes.outputs[0].classes

    def _drawn(self, prediction: Prediction) -> npt.NDArray[Any]:
        if self.look.show == "classes":
            return flattened(prediction.mask, prediction.classes)[0]
        return prediction.draw(self.look.alpha, self.look.legend)

    def _prediction(self, image: npt.NDArray[np.uint8]) -> Prediction:
        if not self.look.smooth:
            return self.predictor.predict_batch([image], confidence=self.look.probability)[0]
        logits = self.predictor.engine.scores(image)
        if self.mean is None:
            self.mean = np.array(logits, np.float32)
        else:
            self.mean += np.float32(1 - self.look.smooth) * (logits - self.mean)
        return self.predictor.of_scores(image, self.mean)


def video_result(source: Path, stem: Path, show: Show = "overlay") -> Path:
    """The default name of a result: STEM_overlay.mp4, or with the suffix of the source.

    MKV where the source is neither MP4 nor MOV; class maps are written to MP4 or MOV only.
    """
    ending = source.suffix.lower()
    if ending not in MUXERS or (show == "classes" and ending == ".mkv"):
        ending = ".mkv" if show == "overlay" else ".mov"
    return Path(f"{stem}_{show}{ending}")


def probability_results(target: Path, names: Sequence[str] = ("",)) -> list[Path]:
    """The files of the probabilities beside the video ``target``: NAME_probability.mp4.

    NAME is the target's without '_overlay' and '_classes'. Of overlapping classes ``names`` are
    theirs: NAME_CLASS_probability.mp4. MOV where the target is MKV.
    """
    stem = target.stem.removesuffix("_overlay").removesuffix("_classes")
    ending = ".mov" if target.suffix.lower() == ".mkv" else target.suffix
    parts = (f"_{name}" if name else "" for name in names)
    return [target.with_name(f"{stem}{part}_probability{ending}") for part in parts]


def check_endings(target: Path, show: Show) -> None:
    """UserError unless the suffix of ``target`` is that of a format which can hold the video."""
    endings = [e for e in MUXERS if show == "overlay" or e != ".mkv"]
    if target.suffix.lower() not in endings:
        raise UserError(
            f"{printable(str(target))}: a video of {show} is written to {', '.join(endings)}",
            "FC-VIDEO-003",
        )


def _check_net(predictor: Predictor) -> None:
    further = [kind for kind in predictor.inputs if not is_of_photo(kind)]
    if further or predictor.spec.in_channels != 3:
        sees = ", ".join(further) or f"{predictor.spec.in_channels} bands"
        raise UserError(
            f"the net sees {sees}, which a video does not have: predict photos with it",
            "FC-VIDEO-007",
        )
