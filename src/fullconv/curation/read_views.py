"""Photos and labelled data sets as views: what `suggest` compares."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.curation.photo_scores import check_classes
from fullconv.curation.photo_views import PhotoView, photo_view
from fullconv.data import Sample, Source
from fullconv.data.checks.duplicates import Fingerprint, fingerprint
from fullconv.errors import UserError
from fullconv.evaluation import open_for
from fullconv.inference import Input, OpenedNet, Predictor
from fullconv.inference.engines.engine import Image
from fullconv.inference.engines.torch_engine import TorchEngine
from fullconv.inference.photos.read_ahead import read_ahead
from fullconv.visualize import as_photo

Progress = Callable[[int, int], object]


def torch_engine(predictor: Predictor) -> TorchEngine:
    """The engine that gives features; UserError for one of an exported file, or other classes."""
    check_classes(predictor.classes)
    if not isinstance(predictor.engine, TorchEngine):
        raise UserError(
            f"{predictor.path}: photos are compared by the features of the net, which an exported "
            "file does not give: name the run folder or its model.safetensors",
            "FC-CURATE-001",
        )
    return predictor.engine


@dataclass
class Labelled:
    """The photos that a net has learnt from: views, labelled ``pixels`` (K,) of each class, and
    the fingerprints of the photos ``held_out`` to score it; ``errors`` of those left out."""

    views: list[PhotoView] = field(default_factory=list)
    pixels: npt.NDArray[np.int64] | None = None
    held_out: list[Fingerprint] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)


def labelled_views(
    predictor: Predictor,
    data: str | Path,
    splits: Sequence[str],
    progress: Progress | None = None,
    class_file: Path | None = None,
) -> Labelled:
    """The first of ``splits`` as labelled photos, the others as held out.

    ``class_file`` takes the place of the data's own, for a net of one output.
    Photos that cannot be read are left out, and their errors listed. Raises UserError as
    ``open_for``.
    """
    engine, classes = torch_engine(predictor), predictor.classes
    opened = OpenedNet(engine, predictor.spec, classes, engine.preprocessing, predictor.origin)
    sources = [open_for(opened, data, split, class_file, run=predictor.path) for split in splits]
    total, done, labelled = sum(map(len, sources)), 0, Labelled()
    labelled.pixels = np.zeros(len(classes), np.int64)
    for number, source in enumerate(sources):
        for place, sample in enumerate(_samples(source)):
            if isinstance(sample, UserError):
                labelled.errors.append(sample)
            elif number == 0:
                name = str(source.files(place)[0] or source.names[place])
                labelled.views.append(photo_view(engine, classes, name, sample.image))
                if sample.mask is not None:
                    counts = np.bincount(sample.mask.ravel(), minlength=len(classes))
                    labelled.pixels += counts[: len(classes)]
            else:
                labelled.held_out.append(fingerprint(as_photo(sample.image)))
            done += 1
            if progress:
                progress(done, total)
    return labelled


def _samples(source: Source) -> Iterable[Sample | UserError]:
    """The samples of a source, or the error of one that cannot be read."""

    def read(place: int) -> Sample | UserError:
        try:
            return source[place]
        except UserError as error:
            return error

    with closing(read_ahead(read, len(source))) as samples:
        yield from samples


@dataclass
class Viewed:
    """Unlabelled photos: the ``views`` of those that can be read, these ``photos``, and the
    ``errors`` of the others, in the order of the photos."""

    views: list[PhotoView] = field(default_factory=list)
    photos: list[Input] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)


def view_photos(
    predictor: Predictor, photos: Sequence[Input], progress: Progress | None = None
) -> Viewed:
    """The views of photos (`find_inputs`); UserError as `torch_engine`."""
    engine, viewed = torch_engine(predictor), Viewed()

    def read(place: int) -> Image | UserError:
        photo = photos[place]
        try:
            if photo.error is not None or photo.file is None:
                return photo.error or UserError(f"{photo}: is no file", "FC-PREDICT-001")
            return predictor.read(photo.file)
        except UserError as error:
            return error

    with closing(read_ahead(read, len(photos))) as images:
        for place, image in enumerate(images):
            if isinstance(image, UserError):
                viewed.errors.append(image)
            else:
                view = photo_view(engine, predictor.classes, str(photos[place]), image)
                viewed.views.append(view)
                viewed.photos.append(photos[place])
            if progress:
                progress(place + 1, len(photos))
    return viewed
