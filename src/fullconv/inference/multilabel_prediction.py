"""The prediction of a binary or multi-label net: a mask for each class."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from fullconv import visualize
from fullconv.files.atomic import write_atomically
from fullconv.inference.class_map import Decision
from fullconv.inference.confidence import Confidence, Softmaxes, of_scores, probability_maps
from fullconv.inference.lazy_scores import lazy
from fullconv.inference.notebook import described, notebook_png, prediction_html
from fullconv.inference.photos.own_results import save_png
from fullconv.inference.prediction import (
    PNG_LEVEL,
    RGB,
    Prediction,
    beside,
)
from fullconv.visualize import Legend


@dataclass(frozen=True, eq=False, repr=False)
class MultilabelPrediction(Prediction):
    """As `Prediction`, of classes that may overlap.

    ``mask`` is uint8 (H, W, K), of one class (H, W): 1 where the class is, else 0. ``classes`` has
    the thresholds that decided it.
    """

    @cached_property
    def masks(self) -> npt.NDArray[np.bool_]:
        """Where each class is, bool (K, H, W)."""
        return np.stack([plane == 1 for plane in visualize.planes_of(self.mask)])

    def only(self, name: str) -> "MultilabelPrediction":
        """The prediction of one class alone, as that of a binary net; UserError for no class."""
        place = self.classes.index(name)
        one = slice(place, place + 1)
        classes = replace(
            self.classes,
            names=self.classes.names[one],
            colors=self.classes.colors[one],
            thresholds=self.classes.thresholds[one],
        )
        mask, known = self.masks[place].astype(np.uint8), self.known_confidence
        confidence = None if known is None else visualize.planes_of(known)[place]
        parts = self.image, mask, classes, lazy(self.compute).of(one), name
        return MultilabelPrediction(*parts, borders=self.borders, known_confidence=confidence)

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """The sigmoid of the scores, float32 (K, H, W), 0..1."""
        return torch.from_numpy(self.scores).sigmoid().numpy()

    @cached_property
    def confidence(self) -> Confidence:
        """The probability of what was decided, float32 (H, W, K), of one class (H, W)."""
        if self.known_confidence is not None:
            return self.known_confidence
        softmaxes = Softmaxes(Decision.of(self.classes), (1.0,) * len(self.classes))
        return of_scores(self.scores, softmaxes)[1]

    def probability_of(self, place: int) -> RGB:
        """How probable it is that a class is there as grey, uint8 (H, W): 255 is certain."""
        sure, there = visualize.planes_of(self.confidence)[place], self.masks[place]
        return probability_maps(there, sure, Decision.of(self.classes))

    @property
    def probability_image(self) -> RGB:
        """`probability_of` the class; of several that of the most probable one."""
        return np.max([self.probability_of(place) for place in range(len(self.classes))], axis=0)

    def draw(self, alpha: float = 0.6, legend: Legend = "below") -> RGB:
        """The photo with the classes in colour, uint8 RGB; see `visualize.multilabel_overlay`."""
        planes = self.masks, self.classes, alpha, legend, self.borders
        return visualize.multilabel_overlay(self.image, *planes)

    @property
    def color_mask(self) -> RGB:
        """The classes in their colours, the smallest on top, uint8 RGB (H, W, 3)."""
        flat = visualize.flattened(self.mask, self.classes)[0]
        return visualize.colorize(flat, self.classes.flat)

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of the pixels of each class that occurs, the largest first; they overlap."""
        pairs = zip(self.classes.names, self.masks.mean((1, 2)).tolist(), strict=True)
        return dict(sorted(((n, s) for n, s in pairs if s), key=lambda pair: -pair[1]))

    def __repr__(self) -> str:
        return described(self.mask.shape, self.shares, self.classes.task)

    def _repr_html_(self) -> str:
        picture = notebook_png(self.draw(legend="none"))
        return prediction_html([("", picture, self.classes, self.shares)])

    @property
    def palette_image(self) -> Image.Image:
        """The mask of one class; of several the flat picture: 0 is none, else 1 + the class."""
        if len(self.classes) == 1:
            return _binary(self.mask, self.classes.colors[0])
        flat, classes = visualize.flattened(self.mask, self.classes)[0], self.classes.flat
        if flat.dtype != np.uint8:
            return Image.fromarray(flat)
        picture = Image.fromarray(flat)
        picture.putpalette(classes.palette().tobytes())
        return picture

    def write_class(self, place: int, file: IO[bytes]) -> None:
        """The mask of one class as a PNG of 0 and 1 into an open file."""
        picture = _binary(self.masks[place], self.classes.colors[place])
        save_png(picture, file, compress_level=PNG_LEVEL)

    def class_png(self, place: int) -> bytes:
        """The same as bytes."""
        file = io.BytesIO()
        self.write_class(place, file)
        return file.getvalue()

    def _save_masks(self, stem: str | Path) -> list[Path]:
        """Write STEM_CLASS.png for each class, of 0 and 1, of one class STEM.png.

        Each class has a file, also where the photo does not show it.
        """
        names = mask_stems(self.classes.names)
        written: list[Path] = []
        for index, name in enumerate(names):
            written.append(beside(stem, f"_{name}.png" if len(names) > 1 else ".png"))
            write_atomically(written[-1], self._writer(index))
        return written

    def _save_probabilities(self, stem: str | Path) -> list[Path]:
        """Write STEM_CLASS_probability.png for each class, of one class STEM_probability.png."""
        names = mask_stems(self.classes.names)
        written: list[Path] = []
        for index, name in enumerate(names):
            part = f"_{name}" if len(names) > 1 else ""
            written.append(beside(stem, f"{part}_probability.png"))
            grey = Image.fromarray(self.probability_of(index))
            write_atomically(written[-1], lambda file, grey=grey: save_png(grey, file))
        return written

    def _writer(self, place: int) -> Callable[[IO[bytes]], None]:
        return lambda file: self.write_class(place, file)


def mask_stems(names: tuple[str, ...]) -> list[str]:
    """The stems of the files of classes: their names, as far as a file name allows."""
    stems: list[str] = []
    for index, name in enumerate(names):
        stem = _file_part(name) or f"class-{index}"
        taken = stem.lower() in map(str.lower, stems)
        stems.append(f"{stem}-{index}" if taken else stem)
    return stems


def _file_part(name: str) -> str:
    """A name with '-' for all that a file's name cannot have on some system."""
    return re.sub(r"[^\w\-. ]", "-", name).strip(" .")


def _binary(mask: npt.NDArray[Any], color: tuple[int, int, int]) -> Image.Image:
    """A palette picture of 0, black, and 1, in ``color``."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette([0, 0, 0, *color])
    return picture
