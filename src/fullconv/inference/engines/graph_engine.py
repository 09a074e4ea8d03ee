"""Common parts of the engines of exported graphs: from a photo to the graph's input, and back."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.checkpoints.export_checksum import damaged
from fullconv.checkpoints.export_parts import Change
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference.class_map import Classes, Decision, Head, classes_of
from fullconv.inference.confidence import Confidence, Softmaxes, confident_classes, of_scores
from fullconv.inference.engines.engine import Engine, Image, check_image
from fullconv.inference.export_metadata import CLASSES, SCORES, Description
from fullconv.inference.open_predictor import GoldenCheck, OpenedNet
from fullconv.models.cpu_kernels.banded_upsampling import blocks
from fullconv.models.fcn import upscores_of

KEY = "fullconv"


class ChangedExportWarning(UserWarning):
    """An exported file was changed by another program, and computes what it did: one line."""


class GraphEngine(Engine, ABC):
    """Runs an exported graph, one photo at a time; ``description`` is what its file says.

    ``outputs`` are the tensors that ``run`` gives: those of `Description.maps` where the runtime
    could cut the graph at them, and their enlargement is as in torch; else (None) what the graph
    gives, scores or classes. The graph proves itself at the first photo
    (`fullconv.inference.open_predictor`);
    ``exact`` says whether its runtime computes in fp32 what is so in the file. Of a file that is
    not as it was exported, ``change`` says what differs: it has to prove itself at once. UserError
    where it is damaged, or does not; else a ChangedExportWarning.
    """

    def __init__(
        self,
        path: Path,
        description: Description,
        outputs: tuple[str, ...] | None = None,
        exact: bool = True,
        change: Change | None = None,
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
        if change is not None:
            self._prove_changed(change)

    def _prove_changed(self, change: Change) -> None:
        """UserError where a changed file is damaged, or computes something else than it did."""
        proof, self.proof = self.proof, None
        if change.is_damage or proof is None:
            raise damaged(self.path, change.what)
        try:
            agreement = proof.compared(self._scores_or_none(), self.class_map)
        except UserError as error:
            raise damaged(self.path, f"{change.what}; it does not run") from error
        if not proof.golden.holds(agreement, exact=False):
            lost = f"on its test picture {1 - agreement.same:.1%} of the pixels get another class"
            raise damaged(self.path, f"{change.what}; {lost}")
        warnings.warn(
            f"{self.path}: is not as it was exported: {change.what}; on its test picture "
            f"{agreement.same:.1%} of the pixels keep their class",
            ChangedExportWarning,
            stacklevel=2,
        )

    def _scores_or_none(self) -> Any:
        return None if self.description.output == CLASSES else self.scores

    @property
    def runtime(self) -> str:
        """The name of the runtime, for messages."""
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
        """Run the graph on an input (`Description.shape`); its ``outputs``.

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

    def confident_maps(
        self, images: Image, softmaxes: Softmaxes
    ) -> list[tuple[Classes, Confidence]]:
        """As ``class_map``, of each photo; UserError for a graph that gives classes alone."""
        return [self._confident_map(image, softmaxes) for image in images]

    def _confident_map(self, image: Image, softmaxes: Softmaxes) -> tuple[Classes, Confidence]:
        if not self.in_blocks or self.description.output == CLASSES:
            return of_scores(self.scores(image), softmaxes)
        maps, size = self._maps(self._run(image)), (image.shape[0], image.shape[1])
        return confident_classes(blocks(self.head.upscore, maps, size), size, softmaxes)

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
            proof(self._scores_or_none(), self.class_map)
        try:
            outputs = self.run(batch)
        except Exception as error:  # the runtimes' exceptions have no common base
            reason = str(error).strip().splitlines() or ["no memory"]
            raise UserError(
                f"{self.path}: cannot be run on a photo of {width} x {height}: {reason[0]}",
                "FC-PREDICT-015",
            ) from error
        return [torch.from_numpy(np.require(output, requirements=["C", "W"])) for output in outputs]


@contextmanager
def opening(path: Path, change: Change | None) -> Iterator[None]:
    """While a file is opened: what cannot be read of one that has a ``change`` is damage."""
    try:
        if change is not None and change.is_damage:
            raise damaged(path, change.what)
        yield
    except UserError as error:
        if change is None or error.code in ("FC-EXPORT-009", "FC-PREDICT-010", "FC-PREDICT-011"):
            raise  # what is not installed, and a device that is not there
        raise damaged(path, change.what) from error


def opened_by(engine: GraphEngine) -> OpenedNet:
    """``engine`` with what its file says."""
    known = engine.description
    described = known.spec, known.classes, known.preprocessing, known.origin
    scored = known.output == SCORES
    return OpenedNet(engine, *described, has_scores=scored, calibration=known.calibration)


def no_scores(path: Path) -> UserError:
    """Why a graph that gives classes has no scores."""
    return UserError(
        f"{path}: gives classes alone, no scores or probabilities: predict with the run itself, or "
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
