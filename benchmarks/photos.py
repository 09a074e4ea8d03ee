"""The photos of the benchmarks: two of PASCAL VOC where they are at hand, else drawn scenes."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Photo = npt.NDArray[np.uint8]
ROOT = Path(__file__).resolve().parent.parent


def real_photos() -> list[Path]:
    """Those of voc_sample below FULLCONV_DATA (else beside the repository); empty without them."""
    data = Path(os.environ.get("FULLCONV_DATA", ROOT.parent / "shared" / "data"))
    return sorted((data / "voc_sample" / "JPEGImages").glob("*.jpg"))


def photo_of(size: tuple[int, int], number: int = 0) -> Photo:
    """A photo of ``size`` (H, W), uint8 RGB: the first real one, or a drawn scene, resized."""
    found = real_photos()
    image: Any = Image.open(found[number % len(found)]) if found else _scene(number)
    return np.asarray(image.convert("RGB").resize((size[1], size[0]), Image.Resampling.BICUBIC))


def mask_of(size: tuple[int, int], classes: int = 21) -> Photo:
    """Random classes (H, W): what a training step takes does not depend on them."""
    return np.random.default_rng(0).integers(0, classes, size, np.uint8)


def _scene(number: int) -> Image.Image:
    from fullconv import open_source

    return Image.fromarray(open_source("shapes", "test")[number].image)
