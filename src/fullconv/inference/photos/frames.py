"""Animations and stacks (GIF, TIFF, WebP, PNG), one frame or page at a time."""

from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image

from fullconv.data.reading.formats import open_picture, unreadable
from fullconv.data.reading.image import check_size, rgb_of
from fullconv.data.reading.recognize_file import pages_of
from fullconv.errors import UserError, printable
from fullconv.modalities import ReadOptions


class Frames:
    """The frames of a picture file. Any thread may read; in order is quickest.

    Raises UserError for a file that is no picture.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.label = file, printable(str(file))
        self._lock, self._image = Lock(), self._opened()
        pages = pages_of(file) if self._image.format == "TIFF" else None
        try:
            count = pages or getattr(self._image, "n_frames", 1)
        except Exception as error:  # damaged data makes Pillow raise nearly anything
            raise unreadable(file, self.label, error) from error
        # The second picture of an MPO is a preview, or the other eye's.
        self.count: int = 1 if self._image.format == "MPO" else count

    def _opened(self) -> Image.Image:
        return open_picture(self.file, self.label, None)

    def read(self, number: int, options: ReadOptions) -> Any:
        """Frame ``number``, from 0, as `fullconv.data.read_photo` reads a photo."""
        label = f"{self.label}, frame {number + 1}"
        with self._lock:
            if self._image.tell() > number:
                self._image = self._opened()
            try:
                self._image.seek(number)
                check_size((self._image.height, self._image.width), label, options)
                return rgb_of(self._image, label, options)
            except UserError:
                raise
            except Exception as error:
                raise unreadable(self.file, label, error) from error
