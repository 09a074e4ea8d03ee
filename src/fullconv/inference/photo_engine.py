"""The one wrapper around an engine: large photos in pieces, and several views of each."""

import numpy as np
import numpy.typing as npt
import torch

from fullconv.classes import ClassSet
from fullconv.inference.class_map import Classes, classes_of, parts_of
from fullconv.inference.engines.engine import Engine, Image
from fullconv.inference.engines.registry import Say
from fullconv.inference.tiled import Pieces, Tile
from fullconv.inference.tta import TTA, Views, parse_tta
from fullconv.models import NetSpec


class PhotoEngine(Engine):
    """Runs ``engine`` on photos by ``pieces``, in several ``views``, or both: an Engine itself.

    Views are put together of pieces. ``say`` is told, at the first photo that is cut, how good an
    approximation its classes are, where the net sees everything (`Flow.sees_everything`).
    """

    def __init__(
        self,
        engine: Engine,
        pieces: Pieces | None = None,
        views: Views | None = None,
        say: Say | None = None,
    ) -> None:
        self.engine, self.pieces, self.views, self.say = engine, pieces, views, say

    @property
    def channels(self) -> int:
        return self.engine.channels

    @property
    def in_blocks(self) -> bool:
        return self.views is None and self.engine.in_blocks

    @property
    def warning(self) -> str | None:
        """A line about pieces that are an approximation, or costly; None for others."""
        return self.pieces.warning if self.pieces else None

    def class_map(self, image: Image) -> Classes:
        """As the engine's, (H, W) or (H, W, outputs); with views the most probable class.

        In pieces without views, scores exist for one piece at a time.
        """
        if self.views:
            return classes_of(self.views.mean(image, self._logits), self.views.outputs)
        if not self.pieces:
            return self.engine.class_map(image)
        pieces, length = self.pieces, self.pieces.length
        found = pieces.run(image, self.engine.class_map, 0, length)
        if self.say and pieces.flow.sees_everything and pieces.cut(image, length):
            self.say(pieces.difference(image, found, self.engine.class_map))
            self.say = None
        return found

    def class_maps(self, images: Image) -> list[Classes]:
        """By the engine together where each photo is seen once and whole, else one by one."""
        if self.views or (self.pieces and self.pieces.cut(images[0], self.pieces.length)):
            return super().class_maps(images)
        return self.engine.class_maps(images)

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """As the engine's, (K, H, W); with views the logarithm of the mean probabilities.

        So the softmax over an output's classes gives the mean probabilities, as with any engine.
        """
        if not self.views:
            return self._logits(image)
        mean = self.views.mean(image, self._logits)
        return mean.clamp_(min=torch.finfo(torch.float32).tiny).log_().numpy()

    def probabilities(self, image: Image) -> npt.NDArray[np.float32]:
        """The probabilities, float32 (K, H, W), which add up to 1 over an output's classes.

        Of an engine with views.
        """
        if not self.views:
            raise ValueError("only the mean of several views is one of probabilities")
        return self.views.mean(image, self._logits).numpy()

    def _logits(self, image: Image) -> npt.NDArray[np.float32]:
        if not self.pieces:
            return self.engine.scores(image)
        return self.pieces.run(image, self.engine.scores, 1, self.pieces.length_for_scores)


def in_pieces(engine: Engine, spec: NetSpec, tile: Tile | None, say: Say | None = None) -> Engine:
    """``engine`` as it is, or, with a ``tile``, piece by piece (`Pieces`)."""
    if tile is None:
        return engine
    return PhotoEngine(engine, Pieces(spec, tile, in_blocks=engine.in_blocks), say=say)


def with_tta(engine: Engine, classes: ClassSet, tta: str | TTA | None) -> Engine:
    """``engine`` as it is, or, with a ``tta`` (`parse_tta`), with test-time augmentation.

    ``classes`` say which score channels belong to one output.
    """
    chosen = parse_tta(tta) if isinstance(tta, str) else tta
    if chosen is None:
        return engine
    views = Views(chosen, parts_of(classes))
    if isinstance(engine, PhotoEngine) and engine.views is None:
        return PhotoEngine(engine.engine, engine.pieces, views, engine.say)
    return PhotoEngine(engine, views=views)
