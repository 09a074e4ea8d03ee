"""One photo on its way into the data set: its size, its turn, its file."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.data.importers.annotations import Item, Size
from fullconv.data.reading import image as photo
from fullconv.data.reading.formats import opened
from fullconv.data.reading.orientation import orientation
from fullconv.errors import DataError, UserError
from fullconv.modalities import ReadOptions

Map = npt.NDArray[np.integer]
UPRIGHT = 1
ANY_VALUES = ReadOptions(bands=(1,), range=(0.0, 1.0))
"""For photos that are decoded to see that they are whole, not what they mean."""
# EXIF 2.3, tag 0x0112: how a picture as stored becomes upright.
_TURNS: dict[int, Callable[[Map], Map]] = {
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
_SWAPS_AXES = (5, 6, 7, 8)


def upright(stored: Map, orientation: int) -> Map:
    """A label map (H, W) or (H, W, K) of a photo as stored, turned as EXIF says."""
    return _TURNS[orientation](stored) if orientation in _TURNS else stored


class PhotoFile:
    """The photo of an item, a file or bytes inside of one; UserError where it cannot be read."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.content = None if isinstance(item.photo, Path) else item.photo()
        self.name = str(item.photo) if isinstance(item.photo, Path) else f"the photo in {item.file}"
        self.size = photo.probe(self._open(), self.name, ANY_VALUES)
        self.orientation = orientation(self._open())

    def _open(self):
        return (
            self.item.photo
            if isinstance(self.item.photo, Path)
            else io.BytesIO(self.content or b"")
        )

    def drawn_size(self, exif: str) -> Size:
        """Height and width of what was labelled; UserError where the labels state others."""
        height, width = self.size
        swapped = self.orientation in _SWAPS_AXES
        size = (width, height) if exif == "stored" and swapped else (height, width)
        stated = self.item.size
        if stated is not None and stated != size:
            raise self._of_another_size(stated, size, exif)
        return size

    def _of_another_size(self, stated: Size, size: Size, exif: str) -> DataError:
        what = (
            f"its labels are for {stated[1]} x {stated[0]} pixels, but the photo {self.name} is "
            f"{size[1]} x {size[0]}"
        )
        if self.orientation in _SWAPS_AXES and stated == size[::-1]:
            way, other = ("before", "stored") if exif == "upright" else ("after", "upright")
            cause = f"they were drawn {way} its EXIF orientation ({self.orientation}) was applied"
            fix = f"import with --exif {other}"
            return DataError(self.item.file, what, cause, fix, "FC-IMPORT-023")
        cause = "the photo was resized or exchanged after it was labelled"
        fix = "import the photos that were labelled"
        return DataError(self.item.file, what, cause, fix, "FC-IMPORT-023")

    @property
    def suffix(self) -> str:
        """Of its file; for bytes, by what they are."""
        if isinstance(self.item.photo, Path):
            return self.item.photo.suffix.lower()
        with opened(self._open()) as image:
            return {"JPEG": ".jpg", "MPO": ".jpg"}.get(
                image.format or "", f".{image.format}".lower()
            )

    def put(self, target: Path, link: bool) -> None:
        """The file as it is, never encoded anew: a copy, or the same one under a second name."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(self.item.photo, Path):
            target.write_bytes(self.content or b"")
        elif link:
            try:
                os.link(self.item.photo.resolve(), target)
            except OSError as error:
                reason = error.strerror or error
                raise UserError(
                    f"{self.name}: cannot be linked ({reason}); use --copy", "FC-IMPORT-028"
                ) from error
        else:
            shutil.copyfile(self.item.photo, target)
