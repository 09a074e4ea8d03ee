"""`Predictor`: from a trained run to predictions of photos, ``Predictor(run)(photo)``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv import visualize
from fullconv.checkpoints.temperature import temperatures_of
from fullconv.classes import ClassSet
from fullconv.classes.palettes import Palette, recolored
from fullconv.data.reading.modality_files import plane_file, read_plane
from fullconv.data.splits.multimodal import stacked
from fullconv.device import Precision
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes, Decision, classes_of
from fullconv.inference.confidence import Confidence, Softmaxes
from fullconv.inference.engines.engine import Engine
from fullconv.inference.engines.graph_engine import no_scores
from fullconv.inference.engines.registry import AUTO, Say, engine_for
from fullconv.inference.lazy_scores import LazyScores
from fullconv.inference.notebook import predictor_html
from fullconv.inference.open_predictor import open_engine, quiet
from fullconv.inference.photo_engine import with_tiles, with_tta
from fullconv.inference.photos.photo_inputs import (
    Photo,
    array_input,
    bands_input,
    is_array,
    read_input,
)
from fullconv.inference.prediction import Prediction
from fullconv.inference.tiled_prediction import Tile
from fullconv.inference.tta import TTA, parse_tta
from fullconv.modalities import AS_STORED, ReadOptions, channels_of, is_of_photo
from fullconv.models import NetSpec
from fullconv.python_arguments import said


class Predictor:
    """Predicts photos with a trained run.

    ``path`` is a run folder, a checkpoint or an exported file; it holds all that is needed.
    ``device`` and ``precision`` as in TorchEngine, ``engine`` a name of `engines.registry`, or
    'auto': torch for a run, its own runtime for an exported file. With ``tile`` ('auto', or the
    longest side of a tile) large photos are predicted tile by tile, with the same result
    (`Tiling`). ``tta`` ('mirror,0.75,1,1.25', or a `TTA`) is test-time
    augmentation: the mean of the probabilities of several views. ``palette`` gives the classes
    other colours (`fullconv.classes.palettes`), ``borders`` are drawn in overlays or not.
    ``bands``, ``range`` and ``max_megapixels`` say how photos are read, where not as in the
    training (`fullconv.modalities.ReadOptions`). ``threshold`` is the probability from which a
    pixel has a class, for a binary or multi-label net: one for all, or one for each. Probabilities
    use the temperatures of `fullconv.calibrate`, if the file has them. ``say`` is called with a
    line about slow work, such as an export for an engine, and about approximations. For an exported
    file with classes as its output ``has_scores`` is False, and asking for scores raises UserError.
    The first photo gives a warning if the net does not compute what it did when it was saved
    (`fullconv.inference.open_predictor`). Raises UserError for a file that is none of these, for an
    ``engine`` that is not installed, for a ``tile`` that is too small for the net, and for a
    ``tta`` that is none.
    """

    path: Path
    spec: NetSpec
    engine_name: str
    classes: ClassSet
    origin: dict[str, Any]
    borders: bool
    has_scores: bool
    inputs: tuple[str, ...]
    read_options: ReadOptions
    softmaxes: Softmaxes

    def __init__(
        self,
        path: str | Path,
        device: str = "auto",
        precision: Precision = "fp32",
        engine: str = AUTO,
        tile: Tile | None = None,
        palette: Palette = "classes",
        borders: bool = True,
        tta: str | TTA | None = None,
        say: Say | None = None,
        bands: Sequence[int] | None = None,
        range: Sequence[float] | None = None,
        max_megapixels: float = AS_STORED.max_megapixels,
        threshold: float | Sequence[float] | None = None,
    ) -> None:
        asked = ReadOptions(
            None if bands is None else tuple(bands),
            None if range is None else tuple(range),
            max_megapixels=max_megapixels,
        )
        tta = parse_tta(tta) if isinstance(tta, str) else tta
        opened = open_engine(path, device, precision, engine, say or quiet)
        asked_for = (threshold,) if isinstance(threshold, int | float) else threshold
        opened = opened.with_thresholds(asked_for)
        self.engine_name = engine_for(Path(path), engine).name
        self.path, self.spec = Path(path), opened.spec
        self.classes, self.origin = recolored(opened.classes, palette), opened.origin
        self.borders, self.has_scores = borders, opened.has_scores
        self.inputs = opened.preprocessing.inputs
        decision = Decision.of(self.classes)
        temperatures = temperatures_of(opened.calibration, len(decision.outputs))
        self.softmaxes = Softmaxes(decision, temperatures)
        shown = channels_of([kind for kind in self.inputs if is_of_photo(kind)])
        if shown and asked.bands is not None:
            asked = asked.for_channels(shown)
        read = asked.over(opened.preprocessing.read_options)
        self.read_options = read.for_channels(shown) if shown else read
        tiled = with_tiles(opened.engine, opened.spec, tile, say)
        self.engine: Engine = with_tta(tiled, opened.classes, tta)

    def __repr__(self) -> str:
        count = len(self.classes)
        return (
            f"Predictor({str(self.path)!r}: {self.spec.name}, {count} classes, "
            f"engine {self.engine_name})"
        )

    def _repr_html_(self) -> str:
        facts = [
            ("run", str(self.path)),
            ("net", self.spec.name),
            ("inputs", ", ".join(self.inputs)),
            ("engine", self.engine_name),
        ]
        return predictor_html(facts, self.classes)

    def __call__(
        self, photo: Photo, scores: bool = False, extra_inputs: Mapping[str, Path] | None = None
    ) -> Prediction:
        """Predict one ``photo`` of any size; UserError for an object that is none (`photo_inputs`).

        With ``scores`` the scores of this pass are kept. The further inputs of a net are read from
        the files ``extra_inputs`` (kind -> file), else from beside the photo as in data sets
        (`data.reading.modality_files`); or ``photo`` is the array of all inputs (H, W, channels).
        """
        return self.predict_batch([self.read(photo, extra_inputs)], scores)[0]

    def check_scores(self) -> None:
        """UserError where an exported file gives classes alone."""
        if not self.has_scores:
            raise no_scores(self.path)

    def predict_batch(
        self, images: Sequence[npt.NDArray[Any]], scores: bool = False, confidence: bool = False
    ) -> list[Prediction]:
        """The predictions of ``images`` (arrays of one size), in one pass where possible.

        With ``scores`` the images are predicted one by one, because the scores of one are several
        times as large as the photo. With ``confidence`` the confidence is computed in the same
        pass. Raises UserError where sizes differ.
        """
        if not len(images):
            return []
        if strange := [image for image in images if not is_array(image)]:
            raise UserError(
                f"predict_batch takes arrays, not {said(strange[0])}: predictor.read(photo) gives "
                "one",
                "FC-PREDICT-007",
            )
        images = [self._shown(image) for image in images]
        if len({image.shape for image in images}) > 1:
            sizes = ", ".join(sorted({f"{i.shape[1]} x {i.shape[0]}" for i in images}))
            raise UserError(
                f"predict_batch takes photos of one size, and these are {sizes}: predict them one "
                "by one",
                "FC-PREDICT-005",
            )
        if confidence and not scores:
            self.check_scores()
            pairs = self.engine.confident_maps(np.stack(images), self.softmaxes)
            together = zip(images, pairs, strict=True)
            return [self._prediction(image, mask, None, sure) for image, (mask, sure) in together]
        if scores:
            logits = [self.engine.scores(image) for image in images]
            maps = [classes_of(scored, self.softmaxes.decision) for scored in logits]
        else:
            logits, maps = [None] * len(images), self._class_maps(images)
        together = zip(images, maps, logits, strict=True)
        return [self._prediction(image, mask, scored) for image, mask, scored in together]

    def of_scores(self, image: npt.NDArray[Any], scores: npt.NDArray[np.float32]) -> Prediction:
        """The prediction of ``image`` (H, W, 3) by ``scores`` (K, H, W) that are there already."""
        return self._prediction(image, classes_of(scores, self.softmaxes.decision), scores)

    def _class_maps(self, images: Sequence[npt.NDArray[Any]]) -> list[Classes]:
        if len(images) == 1:  # no copy of a large photo
            return [self.engine.class_map(images[0])]
        return self.engine.class_maps(np.stack(images))

    def read(
        self, photo: Photo, extra_inputs: Mapping[str, Path] | None = None, name: str = "the photo"
    ) -> npt.NDArray[Any]:
        """The input of the net, an array (H, W, channels): the photo, then the further inputs.

        The array can be passed to a call in place of ``photo``. ``name`` stands for bytes in
        messages. Threads may call this at the same time.
        """
        if is_array(photo):
            return self._shown(photo)
        path = Path(photo) if isinstance(photo, str | Path) else None
        planes: list[npt.NDArray[Any]] = []
        if any(map(is_of_photo, self.inputs)):
            planes.append(read_input(photo, name, options=self.read_options))
        for kind in self.inputs:
            if is_of_photo(kind):
                continue
            file = (extra_inputs or {}).get(kind) or _beside_photo(
                path, kind, named=kind == self.inputs[0]
            )
            planes.append(read_plane(file, kind))
            if planes[-1].shape[:2] != planes[0].shape[:2]:
                (height, width), (h, w) = planes[-1].shape[:2], planes[0].shape[:2]
                raise UserError(
                    f"{file}: is {width} x {height}, its photo {w} x {h}", "FC-PREDICT-005"
                )
        return stacked(planes)

    def _shown(self, array: Any) -> npt.NDArray[Any]:
        """An array or tensor as an input of the net; for a net with further inputs as it is."""
        channels = self.spec.in_channels
        if channels == 3:
            return array_input(array)
        if all(map(is_of_photo, self.inputs)):
            return bands_input(array, channels)
        return np.asarray(array)

    def _prediction(
        self,
        image: npt.NDArray[Any],
        mask: npt.NDArray[Any],
        scores: Any,
        confidence: Confidence | None = None,
    ) -> Prediction:
        """The prediction of the first output with those of the others."""
        whole = LazyScores(lambda: self.engine.scores(image), scores)
        photo, predictions = visualize.as_photo(image), []
        if self.classes.is_overlapping:
            from fullconv.inference.multilabel_prediction import MultilabelPrediction

            return MultilabelPrediction(
                photo, mask, self.classes, whole, borders=self.borders, known_confidence=confidence
            )
        planes = visualize.planes_of(mask)
        confidences = (
            [None] * len(planes) if confidence is None else visualize.planes_of(confidence)
        )
        temperatures = self.softmaxes.temperatures
        outputs = zip(self.classes.outputs, planes, temperatures, confidences, strict=True)
        for output, plane, temperature, sure in outputs:
            values = plane if output.first == 0 else plane - plane.dtype.type(output.first)
            predictions.append(
                Prediction(
                    photo, values, output.classes, whole.of(output.channels), output.name,
                    borders=self.borders, temperature=temperature, known_confidence=sure,
                )
            )  # fmt: skip
        predictions[0].other_outputs.update({other.output: other for other in predictions[1:]})
        return predictions[0]


def _beside_photo(photo: Path | None, kind: str, named: bool) -> Path:
    """The file of a further input of ``photo``; the one that was ``named`` may be it itself."""
    if photo is None:
        raise UserError(
            f"the net needs the input {kind}: name its file, or give an array of all inputs",
            "FC-PREDICT-006",
        )
    beside = plane_file(photo, kind)
    return photo if named and not beside.is_file() else beside
