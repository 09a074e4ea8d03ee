"""Arrays as the bytes of small picture files, for pages."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.visualize import layer

RGB = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.integer]


def jpeg(image: RGB, quality: int = 80) -> bytes:
    """A photo (H, W, 3) as JPEG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def sized(image: RGB, side: int, enlarge: bool = False) -> RGB:
    """A photo (H, W, 3), its longer side ``side``, or what it was where that is less."""
    scale = side / max(image.shape[:2])
    if scale >= 1 and not enlarge:
        return image
    height, width = (max(1, round(n * scale)) for n in image.shape[:2])
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))


def picked(mask: Mask, side: int) -> Mask:
    """A mask (H, W), its longer side at most ``side``: pixels are picked, never averaged."""
    scale = max(1.0, max(mask.shape) / side)
    rows, columns = (
        ((np.arange(max(1, round(n / scale))) + 0.5) * n / max(1, round(n / scale))).astype(int)
        for n in mask.shape
    )
    return mask[np.ix_(rows, columns)]


def layer_png(mask: Mask, classes: ClassSet) -> bytes:
    """Class values (H, W) as a PNG to lie over the photo: see `fullconv.visualize.layer`."""
    file = io.BytesIO()
    Image.fromarray(layer(mask, classes)).save(file, "PNG", optimize=True)
    return file.getvalue()
