"""The prediction of a photo: classes, logits, probabilities, pictures and files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from fullconv import visualize
from fullconv.classes import ClassSet
from fullconv.files.atomic import write_atomically
from fullconv.inference.class_map import Decision
from fullconv.inference.confidence import Confidence, Softmaxes, as_grey, of_scores
from fullconv.inference.lazy_scores import lazy
from fullconv.inference.notebook import described, notebook_png, prediction_html
from fullconv.inference.photos.own_results import save_jpeg, save_png
from fullconv.visualize import Legend

if TYPE_CHECKING:
    from fullconv.data.exporters import Item, Region

RGB = npt.NDArray[np.uint8]


class DrawOptions(TypedDict, total=False):
    """The options of ``Prediction.save``: which files it writes, and how overlays are drawn."""

    overlay: bool
    scores: bool
    probability: bool
    alpha: float
    legend: Legend


JPEG_SIDE = 65500  # JPEG cannot be larger
PNG_LEVEL = 3  # of a class map: a third of the time of Pillow's 6, for a third more bytes


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The prediction of a photo.

    ``image`` is the photo, uint8 RGB (H, W, 3), EXIF orientation applied; ``mask`` its classes,
    (H, W), uint8 or, with more than 256 classes, uint16. Of a net with several outputs they are
    those of the first; ``other_outputs`` has the predictions of the others by name. ``output`` is
    the output's name, empty where there is one; ``borders`` says whether pictures have them.
    ``temperature`` is that of the softmax, by the calibration of the net, else 1.

    ``compute`` gives the scores when they are first asked for (`LazyScores`). Copies share it; a
    pickle has the scores that were computed before and no others.
    """

    image: RGB
    mask: npt.NDArray[np.uint8 | np.uint16]
    classes: ClassSet
    compute: Callable[[], npt.NDArray[np.float32]] = field(repr=False)
    output: str = ""
    other_outputs: "dict[str, Prediction]" = field(default_factory=dict)
    borders: bool = True
    temperature: float = 1.0
    known_confidence: Confidence | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compute", lazy(self.compute))  # frozen

    def __getstate__(self) -> dict[str, Any]:
        """All but what follows from the rest and is computed anew when it is asked for."""
        derived = {
            n for n in vars(self) if isinstance(getattr(type(self), n, None), cached_property)
        }
        return {name: value for name, value in vars(self).items() if name not in derived}

    @cached_property
    def scores(self) -> npt.NDArray[np.float32]:
        """Scores before any softmax, float32 (K, H, W); computed when first asked for.

        With test-time augmentation the logarithm of the mean probabilities of the views, at
        temperature 1.
        """
        return self.compute()

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """The softmax of scores / temperature, float32 (K, H, W), 0..1."""
        return (torch.from_numpy(self.scores) / self.temperature).softmax(0).numpy()

    @cached_property
    def confidence(self) -> Confidence:
        """The probability of each pixel's class, float32 (H, W), 0..1."""
        if self.known_confidence is not None:
            return self.known_confidence
        softmaxes = Softmaxes(Decision((slice(0, len(self.scores)),)), (self.temperature,))
        return of_scores(self.scores, softmaxes)[1]

    @property
    def mean_confidence(self) -> float:
        """The mean of `confidence`: the share of pixels that should be right, 0..1."""
        return float(self.confidence.mean(dtype=np.float64))

    @property
    def probability_image(self) -> RGB:
        """`confidence` as grey, uint8 (H, W): 255 is certain."""
        return as_grey(self.confidence)

    @cached_property
    def masks(self) -> npt.NDArray[np.bool_]:
        """Where each class is, bool (K, H, W)."""
        return self.mask[None] == np.arange(len(self.classes), dtype=self.mask.dtype)[:, None, None]

    @property
    def overlay(self) -> RGB:
        """The photo tinted by its classes with a legend below, uint8 RGB."""
        return self.draw()

    def draw(self, alpha: float = 0.6, legend: Legend = "below") -> RGB:
        """The photo tinted by ``alpha`` (0..1), uint8 RGB; see `fullconv.visualize.overlay`.

        With ``legend`` 'none' of the photo's own size, with 'right' of its height.
        """
        return visualize.overlay(
            self.image, self.mask, self.classes, alpha, legend, borders=self.borders
        )

    @property
    def color_mask(self) -> RGB:
        """The classes in their colours, uint8 RGB (H, W, 3)."""
        return visualize.colorize(self.mask, self.classes)

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of the pixels of each class that occurs, 0..1, the largest first."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes))
        pairs = zip(self.classes.names, (counts / self.mask.size).tolist(), strict=False)
        return dict(sorted(((n, s) for n, s in pairs if s), key=lambda pair: -pair[1]))

    def __repr__(self) -> str:
        return described(self.mask.shape, self.shares, self.output)

    def _repr_png_(self) -> bytes:
        return notebook_png(self.overlay)

    def _repr_html_(self) -> str:
        every = [self, *self.other_outputs.values()]
        parts = [
            (e.output, notebook_png(e.draw(legend="none")), e.classes, e.shares) for e in every
        ]
        return prediction_html(parts)

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

    def write_mask(self, file: IO[bytes]) -> None:
        """The mask as the PNG that ``save`` writes, into an open file."""
        save_png(self.palette_image, file, compress_level=PNG_LEVEL)

    def to_shapes(
        self, tolerance: float = 1.0, smallest: int = 0, with_background: bool = False
    ) -> "list[Region]":
        """The regions as outlines with holes and confidence; see `fullconv.data.exporters`.

        Without the class called background, unless it is wanted.
        """
        from fullconv.data.exporters import ShapeOptions

        options = ShapeOptions(tolerance, smallest, with_background)
        return options.regions(self.to_item(), self.classes)

    def to_item(self, name: str = "photo", photo: Path | bytes | None = None) -> "Item":
        """An item for `fullconv.data.exporters.write_labels`; ``photo`` replaces the pixels.

        ``name`` is what the photo will be called there, without ending.
        """
        from fullconv.inference.labelling import item_of

        return item_of(self, name, photo)

    def save(self, stem: str | Path, **options: Unpack[DrawOptions]) -> list[Path]:
        """Write STEM.png (the mask), STEM_overlay.jpg; on request STEM_scores.npy and more.

        ``stem`` is a path without an ending. Options: ``overlay`` (True) and ``scores`` (False) say
        what is written, ``probability`` (False) whether STEM_probability.png is, which is
        `probability_image`; ``alpha`` and ``legend`` are as in ``draw``. A picture too large for
        JPEG becomes STEM_overlay.png. The other outputs go to STEM_OUTPUT.png and so on. Each file
        appears whole or not at all. Returns the paths written.
        """
        written = self._save_masks(stem)
        if options.get("overlay", True):
            drawn = self.draw(options.get("alpha", 0.6), options.get("legend", "below"))
            written.append(save_picture(drawn, stem))
        if options.get("scores", False):
            written.append(beside(stem, "_scores.npy"))
            write_atomically(written[-1], lambda file: np.save(file, self.scores))
        if options.get("probability", False):
            written += self._save_probabilities(stem)
        for name, other in self.other_outputs.items():
            written += other.save(f"{stem}_{name}", **options)
        return written

    def _save_masks(self, stem: str | Path) -> list[Path]:
        """Write STEM.png."""
        path = beside(stem, ".png")
        write_atomically(path, self.write_mask)
        return [path]

    def _save_probabilities(self, stem: str | Path) -> list[Path]:
        """Write STEM_probability.png."""
        path, grey = beside(stem, "_probability.png"), Image.fromarray(self.probability_image)
        write_atomically(path, lambda file: save_png(grey, file))
        return [path]


def beside(stem: str | Path, ending: str) -> Path:
    """The path of a result, of its ``stem`` without an ending."""
    return Path(f"{stem}{ending}")


def save_picture(picture: RGB, stem: str | Path) -> Path:
    """Write STEM_overlay.jpg, or .png of a picture that JPEG cannot hold; its path."""
    image = Image.fromarray(picture)
    if max(image.size) > JPEG_SIDE:
        path = beside(stem, "_overlay.png")
        write_atomically(path, lambda file: save_png(image, file))
    else:
        path = beside(stem, "_overlay.jpg")
        write_atomically(path, lambda file: save_jpeg(image, file))
    return path
