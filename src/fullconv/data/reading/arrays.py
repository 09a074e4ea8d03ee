"""Images and masks of other libraries, in memory -> a Sample's arrays, with nothing guessed."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from fullconv.classes import ClassSet
from fullconv.data.mask_classes import mask_of
from fullconv.data.reading.image import rgb_of
from fullconv.data.reading.mask import values_of
from fullconv.data.sample import Image, Mask
from fullconv.errors import DataError

_RAW = "give it as it is in the file, without normalisation"


def image_of(content: Any, name: str, channels: int = 3) -> Image:
    """An image as uint8 RGB, (H, W, 3), or with other ``channels`` (H, W, channels).

    ``content`` is a Pillow image; a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); or a
    tensor with the channels first. Floats must lie within 0 and 1, and count up to 255 then.
    Other ``channels`` than 3 are taken as they are: an array (H, W, channels), (H, W) for one.
    Raises DataError naming the photo ``name`` for anything else.
    """
    if isinstance(content, Pillow.Image):
        if channels == 3:
            return rgb_of(content, name)
        content = np.asarray(content)
    values = _array(content, name, "image")
    if _is_tensor(content) and values.ndim == 3:
        values = np.moveaxis(values, 0, 2)
    if channels != 3:
        return _of_channels(values, content, name, channels)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        what = f"the image has the shape {content.shape}"
        raise DataError(name, what, "", "arrays are (H, W, 3), tensors (3, H, W)",
                        "FC-DATA-017")  # fmt: skip
    return rgb_of(Pillow.fromarray(np.ascontiguousarray(_bytes(values, name))), name)


def _of_channels(values: npt.NDArray[Any], content: Any, name: str, channels: int) -> Image:
    """An array of so many channels, (H, W, channels); DataError naming its shape for another."""
    if values.ndim == 2 and channels == 1:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] != channels or not values.size:
        what = f"the image has the shape {tuple(content.shape)}, not {channels} channels"
        fix = f"arrays are (H, W, {channels}), tensors ({channels}, H, W)"
        raise DataError(name, what, "", fix, "FC-DATA-017")
    return np.ascontiguousarray(_bytes(values, name))


def mask_in(content: Any, classes: ClassSet, name: str, ignore: int) -> Mask:
    """A mask as class values, (H, W); the value ``ignore`` becomes that of the ``classes``.

    ``content`` is a Pillow image, an array (H, W) or (H, W, 1), or a tensor (H, W) or (1, H, W), of
    class numbers; or an image of the classes' colours. Of K overlapping ones arrays are (H, W, K)
    and tensors (K, H, W). Raises DataError for anything else.
    """
    if classes.is_overlapping and not isinstance(content, Pillow.Image):
        return _planes_in(content, classes, name, ignore)
    if isinstance(content, Pillow.Image):
        values = values_of(content, name)
    else:
        values = _array(content, name, "mask")
        if _is_tensor(content) and values.ndim == 3 and len(values) == 1:
            values = values[0]
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
    colors = values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if not np.issubdtype(values.dtype, np.integer) or not (values.ndim == 2 or colors):
        what = f"the mask is {values.dtype} of the shape {values.shape}"
        fix = "give class numbers (H, W): numpy.array of a mask, where ToTensor would divide by 255"
        raise DataError(name, what, "", fix, "FC-DATA-017")
    if values.ndim == 2 and ignore != classes.ignore:
        values = np.where(values == ignore, classes.ignore, values.astype(np.int64))
    return mask_of(values, classes, name)


def _planes_in(content: Any, classes: ClassSet, name: str, ignore: int) -> Mask:
    """The masks of overlapping classes, (H, W, K), of one (H, W)."""
    values = _array(content, name, "mask")
    if _is_tensor(content) and values.ndim == 3:
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 3 and values.shape[2] == len(classes) == 1:
        values = values[..., 0]
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if not np.issubdtype(values.dtype, np.integer):
        what, fix = f"the mask is {values.dtype}", "give whole numbers: 0, 1 and what is ignored"
        raise DataError(name, what, "", fix, "FC-DATA-017")
    if ignore != classes.ignore:
        values = np.where(values == ignore, classes.ignore, values.astype(np.int64))
    return mask_of(values, classes, name)


def _array(content: Any, name: str, what: str) -> npt.NDArray[Any]:
    if _is_tensor(content):
        return content.detach().cpu().numpy()
    if isinstance(content, np.ndarray):
        return content
    kind = type(content).__name__
    fix = "give a Pillow image, an array or a tensor"
    raise DataError(name, f"the {what} is a {kind}", "", fix, "FC-DATA-017")


def _is_tensor(content: Any) -> bool:
    torch = sys.modules.get("torch")  # nobody has a tensor who has not imported it
    return torch is not None and isinstance(content, torch.Tensor)


def _bytes(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    if not np.issubdtype(values.dtype, np.floating):
        raise DataError(name, f"the image is {values.dtype}, not uint8", "", _RAW, "FC-DATA-017")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        what = f"the image has floats from {low:.3g} to {high:.3g}, not from 0 to 1"
        raise DataError(name, what, "it was normalised", _RAW, "FC-DATA-018")
    return np.rint(values * 255).astype(np.uint8)
