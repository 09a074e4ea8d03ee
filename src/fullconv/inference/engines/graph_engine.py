"""What the engines of exported graphs share: from a photo to what the graph takes, and back."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes, Decision, Head, classes_of
from fullconv.inference.engines.engine import Engine, Image, check_image
from fullconv.inference.export_metadata import CLASSES, SCORES, Description
from fullconv.inference.open_predictor import OpenedNet
from fullconv.inference.verify_golden import GoldenCheck
from fullconv.models.fcn import upscores_of

KEY = "fullconv"


class GraphEngine(Engine, ABC):
    """Runs an exported graph, one photo at a time; ``description`` is what its file says.

    ``outputs`` are the tensors that ``run`` gives: those of `Description.maps` where the runtime
    could cut the graph at them, and their enlargement is as in torch; else (None) what the graph
    gives, scores or classes. The graph proves itself at the first photo
    (`fullconv.inference.verify_golden`);
    ``exact`` says whether its runtime computes in fp32 what is so in the file.
    """

    def __init__(
        self,
        path: Path,
        description: Description,
        outputs: tuple[str, ...] | None = None,
        exact: bool = True,
    ) -> None:
        self.path = path
        self.description = description
        self.outputs = outputs or (description.output,)
        self.head = Head(upscores_of(description.spec), Decision.of(description.classes))
        self.proof: GoldenCheck | None = None
        if description.golden is not None:
            exact = exact and description.precision == "fp32"
            kinds, decision = description.preprocessing.inputs, self.head.decision
            name = f"{path} in {self.runtime}"
            self.proof = GoldenCheck(description.golden, kinds, decision, exact, name)

    @property
    def runtime(self) -> str:
        """What computes, for messages."""
        return "its runtime"

    @property
    def channels(self) -> int:
        """How many classes the net scores."""
        return self.description.spec.classes

    @property
    def in_blocks(self) -> bool:
        return self.outputs != (self.description.output,)

    @abstractmethod
    def run(self, batch: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """What goes into the graph (`Description.shape`) to ``outputs``.

        Each float32 N,K,h,w; of a graph that gives classes `Description.shape_out`.
        """

    def decide(self, classes: ClassSet) -> None:
        self.head = replace(self.head, decision=Decision.of(classes))

    def class_map(self, image: Image) -> Classes:
        """The class of the highest score at each pixel of ``image``, for each output."""
        outputs, size = self._run(image), (image.shape[0], image.shape[1])
        if self.description.output == CLASSES:
            return outputs[0][0].numpy()
        if self.in_blocks:
            return self.head.class_map(self._maps(outputs), size)
        return classes_of(outputs[0][0], self.head.decision)

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """Scores of ``image`` before any softmax, float32 (K, H, W).

        UserError for a graph that gives classes alone.
        """
        if self.description.output == CLASSES:
            raise no_scores(self.path)
        outputs = self._run(image)
        if self.in_blocks:
            return self.head.scores(self._maps(outputs), (image.shape[0], image.shape[1]))
        return outputs[0][0].numpy()

    def _maps(self, outputs: list[Tensor]) -> dict[int, Tensor]:
        return dict(zip(self.description.maps, outputs, strict=True))

    def _run(self, image: Image) -> list[Tensor]:
        """``outputs`` for a photo; UserError for one that the graph does not take."""
        known = self.description
        check_image(image, known.channels)
        height, width = image.shape[:2]
        if known.size and known.size != (height, width):
            h, w = known.size
            raise UserError(
                f"{self.path}: takes photos of {w} x {h} only, this one is {width} x {height}: "
                "resize it, or export without --size",
                "FC-PREDICT-014",
            )
        if min(height, width) < known.smallest:
            raise UserError(
                f"{self.path}: takes photos from {known.smallest} x {known.smallest} on, this one "
                f"is {width} x {height}",
                "FC-PREDICT-014",
            )
        batch = feed(image[None], known)
        proof, self.proof = self.proof, None
        if proof is not None:
            proof(None if known.output == CLASSES else self.scores, self.class_map)
        try:
            outputs = self.run(batch)
        except Exception as error:  # the runtimes' exceptions have no common base
            reason = str(error).strip().splitlines() or ["no memory"]
            raise UserError(
                f"{self.path}: cannot be run on a photo of {width} x {height}: {reason[0]}",
                "FC-PREDICT-015",
            ) from error
        return [torch.from_numpy(np.require(output, requirements=["C", "W"])) for output in outputs]


def opened_by(engine: GraphEngine) -> OpenedNet:
    """``engine`` with what its file says."""
    known = engine.description
    said = known.spec, known.classes, known.preprocessing, known.origin
    return OpenedNet(engine, *said, has_scores=known.output == SCORES)


def no_scores(path: Path) -> UserError:
    """Why a graph that gives classes has no scores."""
    return UserError(
        f"{path}: gives classes alone, no scores or probabilities: predict by the run itself, or "
        "export without --output classes",
        "FC-PREDICT-016",
    )


def feed(images: npt.NDArray[Any], description: Description) -> npt.NDArray[Any]:
    """Images N,H,W,C to what the graph of ``description`` takes."""
    if description.preprocess:
        return np.ascontiguousarray(images, description.dtype)
    pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return description.preprocessing(pixels).contiguous().numpy()  # N,C,H,W


def describe(path: Path, text: str | None) -> Description:
    """The description in a file; UserError when there is none."""
    if text is None:
        raise UserError(
            f"{path}: no file of 'fullconv export' (it has no {KEY!r} in its metadata), so its "
            "classes and preprocessing are unknown",
            "FC-PREDICT-012",
        )
    return Description.from_json(path, text)


def missing(package: str, extra: str = "export") -> NoReturn:
    """UserError for a package that is not installed; ``extra`` is the one that brings it."""
    raise UserError(
        f"{package} is not installed: pip install 'fullconv[{extra}]'", "FC-PREDICT-010"
    )


def only_fp32(precision: str, why: str) -> None:
    """UserError unless ``precision`` can be fp32."""
    if precision not in ("auto", "fp32", "bf16"):
        raise UserError(
            f"precision {precision!r} is unknown: use auto, fp32 or bf16", "FC-PREDICT-011"
        )
    if precision == "bf16":
        raise UserError(f"{why}: use --precision fp32", "FC-PREDICT-011")
