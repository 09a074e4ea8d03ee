"""Several photos of one size through the net together."""

from collections.abc import Sequence

import numpy as np

from fullconv.predict.engine import Classes, Engine, Image, TorchEngine
from fullconv.predict.tiled import TiledEngine


def class_maps(engine: Engine, images: Sequence[Image]) -> list[Classes]:
    """As ``engine.class_map`` of each of ``images``, which are of one size.

    In one pass where torch runs the net and the photos are not taken in pieces; else one by one.
    """
    whole = _of_whole_photos(engine, images[0])
    if len(images) > 1 and isinstance(whole, TorchEngine):
        return whole.class_maps(np.stack(images))
    return [engine.class_map(image) for image in images]


def _of_whole_photos(engine: Engine, image: Image) -> Engine:
    """The engine itself, below the pieces where such a photo is not cut into any."""
    if not isinstance(engine, TiledEngine):
        return engine
    height, width = image.shape[:2]
    is_whole = engine.tile == "auto" and height * width <= engine.length**2
    return engine.engine if is_whole else engine
