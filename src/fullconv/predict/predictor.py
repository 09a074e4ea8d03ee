"""The short way from a trained run to a prediction: ``Predictor(run)(photo)``."""

import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv import pictures
from fullconv.classes import ClassSet
from fullconv.data import read_photo
from fullconv.device import Precision
from fullconv.files import write_atomically
from fullconv.predict.engine import Engine, TorchEngine

RGB = npt.NDArray[np.uint8]
Photo = str | Path | IO[bytes] | Image.Image | RGB
"""A picture file (path or open), a Pillow image, or a uint8 RGB array (H, W, 3)."""

JPEG_SIDE = 65500  # JPEG cannot be larger


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a net says about a photo.

    ``image`` is the photo, uint8 RGB (H, W, 3), EXIF orientation applied; ``mask`` its classes,
    (H, W), uint8 or, with more than 256 classes, uint16.
    """

    image: RGB
    mask: npt.NDArray[np.uint8 | np.uint16]
    classes: ClassSet
    engine: Engine = field(repr=False)

    @cached_property
    def scores(self) -> npt.NDArray[np.float32]:
        """Scores before any softmax, float32 (K, H, W); computed when first asked for."""
        return self.engine.scores(self.image)

    @property
    def overlay(self) -> RGB:
        """The photo tinted by its classes with a legend below, uint8 RGB."""
        return pictures.overlay(self.image, self.mask, self.classes)

    @property
    def palette_image(self) -> Image.Image:
        """The mask as a palette picture in the colours of the classes.

        With more than 255 classes a palette does not suffice: 16-bit grey.
        """
        palette = self.classes.palette()
        if len(palette) > 256:
            return Image.fromarray(self.mask.astype(np.uint16))
        picture = Image.fromarray(self.mask.astype(np.uint8))
        picture.putpalette(palette.tobytes())
        return picture

    def save(
        self, stem: str | Path, *, overlay: bool = True, scores: bool = False, alpha: float = 0.6
    ) -> list[Path]:
        """Write STEM.png (the mask), STEM_overlay.jpg and, on request, STEM_scores.npy.

        ``stem`` is a path without an ending. A picture too large for JPEG becomes
        STEM_overlay.png. Each file appears whole or not at all. Returns the paths written.
        """
        written = [_beside(stem, ".png")]
        write_atomically(written[0], lambda file: self.palette_image.save(file, "PNG"))
        if overlay:
            shown = pictures.overlay(self.image, self.mask, self.classes, alpha)
            written.append(_save_picture(shown, stem))
        if scores:
            written.append(_beside(stem, "_scores.npy"))
            write_atomically(written[-1], lambda file: np.save(file, self.scores))
        return written


class Predictor:
    """Predicts photos with a trained run.

    ``path`` is a run folder or a checkpoint file; it holds all that is needed. ``device`` and
    ``precision`` as in TorchEngine. Raises UserError for a file that is no checkpoint.
    """

    def __init__(
        self, path: str | Path, device: str = "auto", precision: Precision = "fp32"
    ) -> None:
        from fullconv.weights import load

        checkpoint = load(path)
        self.classes = checkpoint.classes
        self.engine: Engine = TorchEngine(checkpoint, device, precision)

    def __call__(self, photo: Photo, scores: bool = False) -> Prediction:
        """Predict one photo of any size; UserError when it cannot be read.

        With ``scores`` the scores are kept from the same pass of the net.
        """
        image = _as_image(photo)
        if not scores:
            return Prediction(image, self.engine.class_map(image), self.classes, self.engine)
        found = self.engine.scores(image)
        dtype = np.uint8 if len(found) <= 256 else np.uint16
        prediction = Prediction(image, found.argmax(0).astype(dtype), self.classes, self.engine)
        prediction.__dict__["scores"] = found  # where cached_property keeps it
        return prediction


def _as_image(photo: Photo) -> RGB:
    if isinstance(photo, np.ndarray):
        return photo
    if isinstance(photo, Image.Image):
        buffer = io.BytesIO()  # by way of a file, so that modes and EXIF are treated as in files
        photo.save(buffer, "TIFF" if photo.mode == "CMYK" else "PNG", exif=photo.getexif())
        buffer.seek(0)
        return read_photo(buffer, "the picture")
    return read_photo(photo)


def _beside(stem: str | Path, ending: str) -> Path:
    return Path(f"{stem}{ending}")


def _save_picture(picture: RGB, stem: str | Path) -> Path:
    image = Image.fromarray(picture)
    if max(image.size) > JPEG_SIDE:
        path = _beside(stem, "_overlay.png")
        write_atomically(path, lambda file: image.save(file, "PNG"))
    else:
        path = _beside(stem, "_overlay.jpg")
        write_atomically(path, lambda file: image.save(file, "JPEG", quality=92, subsampling=0))
    return path
