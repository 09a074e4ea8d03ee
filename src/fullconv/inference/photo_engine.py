"""A wrapper around an engine for tiles (``--tile``) and test-time augmentation (``--tta``)."""

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.inference.class_map import Classes, Decision, classes_of
from fullconv.inference.confidence import Confidence, Softmaxes
from fullconv.inference.engines.engine import Engine, Image
from fullconv.inference.engines.registry import Say
from fullconv.inference.tiled_prediction import Tile, Tiling
from fullconv.inference.tta import TTA, Views, parse_tta
from fullconv.models import NetSpec


class PhotoEngine(Engine):
    """An Engine that runs ``engine`` on photos by ``tiling``, in several ``views``, or both.

    With both, each view is cut into tiles. For a net with a global receptive field
    (`TileGeometry.has_global_field`) ``say`` is called at the first photo that is cut, with how
    much its classes differ from those of the whole photo.
    """

    def __init__(
        self,
        engine: Engine,
        tiling: Tiling | None = None,
        views: Views | None = None,
        say: Say | None = None,
    ) -> None:
        self.engine, self.tiling, self.views, self.say = engine, tiling, views, say

    @property
    def channels(self) -> int:
        return self.engine.channels

    @property
    def in_blocks(self) -> bool:
        return self.views is None and self.engine.in_blocks

    @property
    def warning(self) -> str | None:
        """A line about tiles that are an approximation, or costly; None for others."""
        return self.tiling.warning if self.tiling else None

    def class_map(self, image: Image) -> Classes:
        """As the engine's, (H, W) or (H, W, outputs); with views the most probable class.

        In tiles without views, scores exist for one tile at a time.
        """
        if self.views:
            mean, decision = self.views.mean(image, self._logits), self.views.decision
            return classes_of(
                decision.logits_of(mean) if decision.threshold_logits else mean, decision
            )
        if not self.tiling:
            return self.engine.class_map(image)
        tiling, length = self.tiling, self.tiling.length
        classes = tiling.run(image, self.engine.class_map, 0, length)
        if self.say and tiling.geometry.has_global_field and tiling.needs_tiles(image, length):
            self.say(tiling.difference(image, classes, self.engine.class_map))
            self.say = None
        return classes

    def class_maps(self, images: Image) -> list[Classes]:
        """Predict the photos together where each is one tile and one view, else one by one."""
        if self.views or (self.tiling and self.tiling.needs_tiles(images[0], self.tiling.length)):
            return super().class_maps(images)
        return self.engine.class_maps(images)

    def confident_maps(
        self, images: Image, softmaxes: Softmaxes
    ) -> list[tuple[Classes, Confidence]]:
        if self.views:
            return super().confident_maps(images, softmaxes)
        if not self.tiling or not self.tiling.needs_tiles(images[0], self.tiling.length):
            return self.engine.confident_maps(images, softmaxes)
        tiling, length = self.tiling, self.tiling.length

        def both(tile: Image) -> npt.NDArray[np.float32]:
            (classes, confidence), *_ = self.engine.confident_maps(tile[None], softmaxes)
            return np.stack([classes.astype(np.float32), confidence])  # 2,h,w

        dtype = np.uint8 if self.channels <= 256 else np.uint16
        pairs = (tiling.run(image, both, 1, length) for image in images)
        return [(classes.astype(dtype), confidence) for classes, confidence in pairs]

    def scores(self, image: Image) -> npt.NDArray[np.float32]:
        """As the engine's, (K, H, W); with views the logarithm of the mean probabilities.

        So the softmax over an output's classes gives the mean probabilities, as with any engine.
        Of overlapping classes it is their logit, of which that is the sigmoid.
        """
        if not self.views:
            return self._logits(image)
        mean = self.views.mean(image, self._logits)
        return self.views.decision.logits_of(mean).numpy()

    def probabilities(self, image: Image) -> npt.NDArray[np.float32]:
        """The probabilities, float32 (K, H, W), which add up to 1 over an output's classes.

        Of an engine with views.
        """
        if not self.views:
            raise ValueError(
                "mean probabilities are those of test-time augmentation: there is none here"
            )
        return self.views.mean(image, self._logits).numpy()

    def _logits(self, image: Image) -> npt.NDArray[np.float32]:
        if not self.tiling:
            return self.engine.scores(image)
        return self.tiling.run(image, self.engine.scores, 1, self.tiling.length_for_scores)


def with_tiles(engine: Engine, spec: NetSpec, tile: Tile | None, say: Say | None = None) -> Engine:
    """``engine`` as it is, or, with a ``tile``, tile by tile (`Tiling`)."""
    if tile is None:
        return engine
    return PhotoEngine(engine, Tiling(spec, tile, in_blocks=engine.in_blocks), say=say)


def with_tta(engine: Engine, classes: ClassSet, tta: str | TTA | None) -> Engine:
    """``engine`` as it is, or, with a ``tta`` (`parse_tta`), with test-time augmentation.

    ``classes`` say which score channels belong to one output.
    """
    chosen = parse_tta(tta) if isinstance(tta, str) else tta
    if chosen is None:
        return engine
    views = Views(chosen, Decision.of(classes))
    if isinstance(engine, PhotoEngine) and engine.views is None:
        return PhotoEngine(engine.engine, engine.tiling, views, engine.say)
    return PhotoEngine(engine, views=views)
