"""Rasters from and to addresses: a copy on this disk while one is predicted, then the results."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from fullconv.data.reading.recognize_file import is_photo_tiff, is_raster, tiff_of
from fullconv.download.cache import cache_folder, exclusive
from fullconv.errors import UserError
from fullconv.inference.photos.find_photos import Input
from fullconv.inference.rasters.job import RasterOutcome
from fullconv.inference.storage.addresses import fetch_stored, open_stored, storage_errors
from fullconv.inference.storage.outputs import FolderOutput, Output
from fullconv.inference.storage.predict_stored import key_of, version_of

PredictRaster = Callable[[Path, Path], RasterOutcome]
"""Predicts a raster file to a path without an ending."""
_AT_ONCE = 32
_TIFF = (".tif", ".tiff")


def split_rasters(photos: Sequence[Input]) -> tuple[list[Input], list[Input]]:
    """The photos, and the rasters among them; of storage only a TIFF can be a raster."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rasters = list(pool.map(_is_raster, photos))
    pairs = list(zip(photos, rasters, strict=True))
    return [photo for photo, is_one in pairs if not is_one], [p for p, is_one in pairs if is_one]


def _is_raster(photo: Input) -> bool:
    if photo.file and not photo.frames:
        return is_raster(photo.file)
    if photo.table or not photo.stored or not photo.stored.address.lower().endswith(_TIFF):
        return False
    try:
        with storage_errors(photo.stored.address), open_stored(photo.stored.address) as file:
            tiff = tiff_of(file)
    except UserError:  # its reader says what is wrong
        return False
    return tiff is not None and not is_photo_tiff(tiff)


def predict_raster_to(
    output: Output, photo: Input, predict: PredictRaster
) -> tuple[RasterOutcome, list[str]]:
    """Predict a raster by ``predict`` and put its results into ``output``; their names there.

    ``photo.result`` is relative. What is on the way lies in the cache, so that a call that was
    killed resumes.
    """
    with _place(output, photo) as place:
        if photo.stored:
            source = place / "source" / Path(photo.stored.address).name
            if not source.exists():
                source.parent.mkdir(exist_ok=True)
                part = source.with_name(f"{source.name}.part")
                fetch_stored(photo.stored.address, part)
                part.rename(source)
        else:
            assert photo.file is not None
            source = photo.file
        if isinstance(output, FolderOutput):
            outcome = predict(source, output.folder / photo.result)
            names = [path.relative_to(output.folder).as_posix() for path in outcome.written]
        else:
            outcome = predict(source, place / photo.result.name)
            names = [(photo.result.parent / path.name).as_posix() for path in outcome.written]
            for name, path in reversed(list(zip(names, outcome.written, strict=True))):
                output.put(name, path)  # the class map last
    return outcome, names


@contextmanager
def _place(output: Output, photo: Input) -> Iterator[Path]:
    """A folder for this raster and output, which a failed block leaves for the next call.

    Of several calls at once one has it, and the others wait.
    """
    key = f"{output.address}\n{photo.result}\n{key_of(photo)}\n{version_of(photo)}"
    place = cache_folder() / "rasters" / hashlib.sha256(key.encode()).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(place):
        place.mkdir(exist_ok=True)
        yield place
        shutil.rmtree(place, ignore_errors=True)
