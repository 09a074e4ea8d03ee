"""``--engine auto``: the fastest engine that is exact enough, found out once for each net."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy.typing as npt
import torch

from fullconv.device import Precision, computes_bf16
from fullconv.errors import UserError
from fullconv.nets.winograd import gains
from fullconv.predict.engine import Classes, Engine, Image, TorchEngine, winograd_engine
from fullconv.predict.onnxruntime_engine import OnnxRuntimeEngine
from fullconv.predict.openvino_engine import OpenVinoEngine
from fullconv.predict.prepared import (
    Say,
    graph_folder,
    graphs,
    is_prepared,
    prepared,
    quiet,
    usable,
)
from fullconv.predict.trial import Choice, Kind, Memory, has_choices, tried
from fullconv.weights import Checkpoint, load
from fullconv.weights.open import located

ENGINES = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}
TRIED = 3  # photos that torch predicts before anything is tried, and that all are tried on
LARGEST = 1024  # pixels a side of what is tried on: the middle of a larger photo

# What it takes to make a net ready: seconds, and seconds a million weights (two cores, AVX2); and
# the share of torch's time that another engine is expected to save. They only decide what is tried.
READY, READY_EACH, SAVED = 15.0, 0.15, 0.25


@dataclass
class Job:
    """What an engine is opened for: pixels in all, 0 if unknown, and who is told its decisions."""

    pixels: float = 0.0
    say: Say = quiet


class FastestEngine:
    """An Engine for a CPU that begins with torch and goes on with what is fastest.

    A choice that is in the cache holds from the first photo on. Without one, what is installed is
    tried after `TRIED` photos, if the rest of the job pays for making the net ready; the choice is
    kept for the net, this processor, its threads, all versions and photos of that size.
    ``precision`` as `fullconv.device.Precision`; 'auto' tries both where the processor computes
    in bf16. A photo that the other engine cannot take (too small for it) is left to torch.
    """

    def __init__(
        self, path: str | Path, checkpoint: Checkpoint, precision: Precision, job: Job
    ) -> None:
        self.path, self.precision, self.job = located(path), precision, job
        self.channels = checkpoint.net.spec.classes
        self.weights = sum(each.numel() for each in checkpoint.net.state_dict().values())
        self.checkpoint: Checkpoint | None = checkpoint  # None: not needed any more
        self.engine: Engine = TorchEngine(checkpoint, "cpu", precision)
        self.kind: Kind = "torch", precision
        self.is_decided = False
        self.photos: list[Image] = []
        self.spent: list[tuple[int, float]] = []  # pixels and seconds of each photo so far

    @property
    def chosen(self) -> Kind | None:
        """What predicts from now on; None while that is not decided."""
        return self.kind if self.is_decided else None

    def go_on_with(self, kind: Kind) -> None:
        """From now on what an earlier call had ``chosen``; torch, with a note, where it is gone."""
        if kind == self.chosen:
            return
        self.is_decided = True
        self.photos.clear()
        try:
            self._take(*kind)
            if kind[0] != "torch":
                self.job.say(f"engine: {' '.join(kind)}, as before")
        except UserError as fault:
            self._take("torch", self.precision)
            self.job.say(f"note: predicting by torch: {fault}")

    @property
    def in_blocks(self) -> bool:
        """As of the engine at work."""
        return self.engine.in_blocks

    def class_map(self, image: Image) -> Classes:
        """As torch's, of the engine that is fastest."""
        return self._run(image, lambda engine: engine.class_map(image))

    def scores(self, image: Image) -> npt.NDArray:
        """As torch's, of the engine that is fastest."""
        return self._run(image, lambda engine: engine.scores(image))

    def _run(self, image: Image, run: Callable[[Engine], npt.NDArray]) -> npt.NDArray:
        if not self.is_decided and image.size:
            self._decide(image)
        before = time.perf_counter()
        try:
            found = run(self.engine)
        except UserError:
            if isinstance(self.engine, TorchEngine):
                raise
            return run(self._in_torch(self.precision))  # takes it, or says better what is wrong
        if not self.is_decided:
            self.photos.append(_middle(image))
            self.spent.append((_pixels(image), time.perf_counter() - before))
        return found

    def _decide(self, image: Image) -> None:
        """By what is known at the first photo, or by trying when torch has done `TRIED`."""
        try:
            choice = None
            if not self.spent:
                known = graphs().is_dir() and has_choices(self._folder)
                choice = self._memory(image).recall() if known else None
            elif len(self.spent) == TRIED:
                self.is_decided = True
                choice = self._found() if self._pays() else None
            if choice:
                self.is_decided = True
                self.job.say(str(choice))
                self._take(*choice.best.kind)
        except UserError as fault:
            self.is_decided = True
            self.job.say(f"note: predicting by torch: {fault}")
        if self.is_decided:
            self.photos.clear()

    def _take(self, name: str, precision: str) -> None:
        self.engine, self.kind = self._open(name, precision), (name, precision)
        if name != "torch":
            self.checkpoint = None

    def _open(self, name: str, precision: str) -> Engine:
        if name == "torch":
            return self._in_torch(precision)
        if name == "winograd":
            return winograd_engine(self._loaded())
        if name not in ENGINES:
            raise UserError(f"engine {name!r} is unknown")
        return ENGINES[name](prepared(self.path, name, self.job.say), "cpu", precision)

    def _in_torch(self, precision: str) -> TorchEngine:
        return TorchEngine(self._loaded(), "cpu", precision)  # pyright: ignore

    def _loaded(self) -> Checkpoint:
        self.checkpoint = self.checkpoint or load(self.path)
        return self.checkpoint

    @cached_property
    def _folder(self) -> Path:
        return graph_folder(self.path)

    def _memory(self, image: Image) -> Memory:
        doubled = round(math.log2(_pixels(image)))  # twice the pixels are another case
        return Memory(self._folder, precision=self.precision, pixels=f"about 2**{doubled}")

    def _pays(self) -> bool:
        """Whether another engine is likely to save more time than it takes to make one ready."""
        done = sum(pixels for pixels, _ in self.spent)
        pixels, seconds = map(sum, zip(*self.spent[1:], strict=True))  # the first warmed up
        saved = SAVED * (self.job.pixels - done) * seconds / pixels
        if saved < READY:
            return False
        new = [each for each in usable(self._folder) if not is_prepared(self._folder, each)]
        return saved > len(new) * (READY + READY_EACH * self.weights / 1e6)

    def _found(self) -> Choice | None:
        """The engines that are installed, tried; None where there is only torch."""
        allowed = precisions(self.precision)
        others: dict[Kind, Engine] = {}
        if "fp32" in allowed and any(map(gains, self._loaded().net.modules())):
            others["winograd", "fp32"] = winograd_engine(self._loaded())
        for name in usable(self._folder):
            others.update(self._candidates(name, allowed))
        if not others:
            return None
        in_torch = {("torch", each): self._in_torch(each) for each in ("fp32", *allowed)}
        choice = Choice(tried({**in_torch, **others}, self.photos), allowed)
        with suppress(OSError):
            self._memory(self.photos[0]).keep(choice)
        return choice

    def _candidates(self, name: str, allowed: tuple[str, ...]) -> dict[Kind, Engine]:
        """A runtime in each precision that it has."""
        found: dict[Kind, Engine] = {}
        try:
            file = prepared(self.path, name, self.job.say)
        except UserError as fault:
            self.job.say(f"note: {name} is left out: {fault}")
            return found
        for precision in allowed:
            with suppress(UserError):  # this runtime, or this processor, has not got it
                found[name, precision] = ENGINES[name](file, "cpu", precision)
        return found


def precisions(wanted: str) -> tuple[str, ...]:
    """What ``wanted`` allows on this processor."""
    if wanted != "auto":
        return (wanted,)
    return ("fp32", "bf16") if computes_bf16(torch.device("cpu")) else ("fp32",)


def _pixels(image: Image) -> int:
    return image.shape[0] * image.shape[1]


def _middle(image: Image) -> Image:
    """The photo, or of a large one a copy of its middle."""
    height, width = image.shape[:2]
    top, left = max(0, height - LARGEST) // 2, max(0, width - LARGEST) // 2
    part = image[top : top + LARGEST, left : left + LARGEST]
    return part if part.shape == image.shape else part.copy()
