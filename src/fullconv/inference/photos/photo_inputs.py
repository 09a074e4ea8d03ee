"""Any kind of photo (path, bytes, Pillow, array, tensor) -> uint8 RGB (H, W, 3), or an error."""

import io
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from fullconv.data import read_photo
from fullconv.data.reading.arrays import image_of
from fullconv.data.reading.image import rgb_of
from fullconv.errors import UserError, printable
from fullconv.inference.photos.find_photos import is_unreadable_address, unreadable_address
from fullconv.inference.photos.remote_photos import fetched, is_remote
from fullconv.inference.storage.addresses import is_stored, local_path, read_stored

RGB = npt.NDArray[np.uint8]
Photo = str | Path | bytes | IO[bytes] | Image.Image | npt.NDArray[Any] | torch.Tensor
"""A picture file (path, open, or its bytes), a Pillow image, an array (H, W), (H, W, 3) in RGB or
(H, W, 4), or a tensor (3, H, W); of uint8, or floats from 0 to 1. Of a net that is shown N bands
arrays are (H, W, N), tensors (N, H, W)."""

TAKEN = (
    "a photo is a path, an open file or its bytes, a Pillow image, an array (H, W, 3) or (H, W), "
    "or a tensor (3, H, W)"
)
_NAME = "the photo"


def is_array(photo: Any) -> bool:
    """Whether ``photo`` is an array or a tensor."""
    return isinstance(photo, np.ndarray | torch.Tensor)


def array_input(array: npt.NDArray[Any] | torch.Tensor) -> RGB:
    """An array or tensor of one photo as uint8 RGB, (H, W, 3).

    Grey is repeated, transparency is laid over white as in files, floats from 0 to 1 are taken to
    255. Raises UserError for other shapes, types and ranges.
    """
    if isinstance(array, np.ndarray) and array.dtype == np.uint8 and _is_rgb(array):
        return array
    if 0 in array.shape:
        raise UserError(
            f"the photo has no pixels: its shape is {tuple(array.shape)}", "FC-PREDICT-005"
        )
    if isinstance(array, torch.Tensor):
        tensor = array.detach().cpu()
        return image_of(tensor.float() if tensor.is_floating_point() else tensor, _NAME)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3, 4):
        raise UserError(
            f"the photo has its channels first, {array.shape}: give (H, W, 3), "
            "numpy.moveaxis(photo, 0, 2)",
            "FC-PREDICT-005",
        )
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    return image_of(array, _NAME)


def bands_input(array: npt.NDArray[Any] | torch.Tensor, channels: int) -> RGB:
    """An array (H, W, channels) or tensor (channels, H, W) of one photo as uint8 (H, W, channels).

    Floats from 0 to 1 are taken to 255; UserError for other shapes, types and ranges.
    """
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu()
        array = array.float() if array.is_floating_point() else array
    elif array.ndim == 3 and array.shape[0] == channels != array.shape[2]:
        raise UserError(
            f"the photo has its channels first, {array.shape}: give (H, W, {channels}), "
            "numpy.moveaxis(photo, 0, 2)",
            "FC-PREDICT-005",
        )
    return image_of(array, _NAME, channels)


def _is_rgb(array: npt.NDArray[Any]) -> bool:
    return array.ndim == 3 and array.shape[2] == 3 and array.size > 0


def read_input(photo: Any, name: str = _NAME, **read: Any) -> RGB:
    """Any `Photo` as uint8 RGB, (H, W, 3), EXIF orientation applied; UserError for what is none.

    ``name`` is what bytes and open files are called in messages; ``read`` are further arguments of
    ``read_photo``.
    """
    if isinstance(photo, str | os.PathLike):
        file = os.fsdecode(photo)
        if is_remote(file) and not os.path.lexists(file):
            with fetched(file) as fetched_file:
                return read_photo(fetched_file, printable(file), **read)
        file = local_path(file)
        if is_stored(file) and not os.path.lexists(file):
            return read_photo(io.BytesIO(read_stored(file)), printable(file), **read)
        path = _checked_path(file)
        return read_photo(path, printable(str(path)), **read)
    if isinstance(photo, bytes | bytearray | memoryview):
        return read_photo(io.BytesIO(photo), name, **read)
    if isinstance(photo, Image.Image):
        return _of_pillow(photo, **read)
    if is_array(photo):
        return array_input(photo)
    if hasattr(photo, "read"):
        return read_photo(_as_binary(photo), name, **read)
    raise UserError(_what_it_is(photo), "FC-PREDICT-007")


def _checked_path(name: str) -> Path:
    if is_unreadable_address(name):
        raise unreadable_address(name)
    return Path(name).expanduser()


def _of_pillow(photo: Image.Image, **read: Any) -> RGB:
    try:
        return rgb_of(photo, _NAME, **read)
    except UserError:
        raise
    except Exception as error:  # a picture that was opened, not read: as in a file
        raise UserError(f"the photo cannot be decoded: {error}", "FC-PREDICT-005") from error


def _as_binary(file: Any) -> IO[bytes]:
    """An open file as one that can be sought in; UserError for one of text."""
    content = file.read(0)
    if not isinstance(content, bytes):
        raise UserError("the open file gives text: open it with 'rb'", "FC-PREDICT-007")
    seekable = getattr(file, "seekable", lambda: False)()
    return file if seekable else io.BytesIO(file.read())


def _what_it_is(photo: Any) -> str:
    """The text of an error: the type given instead of a photo, and the types that are taken."""
    if isinstance(photo, list | tuple | set):
        count = "1 entry" if len(photo) == 1 else f"{len(photo)} entries"
        return (
            f"a {type(photo).__name__} of {count} is no single photo: [predictor(p) for p in "
            "photos], or fullconv.predict(run, paths, out) for files"
        )
    shown = repr(photo) if isinstance(photo, int | float | bool | None) else ""
    kind = f"{type(photo).__name__} {shown}".strip()
    return f"{kind} is no photo: {TAKEN}"
