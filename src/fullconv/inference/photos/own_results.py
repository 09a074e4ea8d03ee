"""Pictures in a folder of photos that are none: results of a prediction, label images."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import IO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fullconv.data.layouts.mask_names import MASK_FOLDERS, PHOTO_FOLDERS

_MARK = "fullconv prediction"
_HEAD = 512  # bytes; both formats have the mark near their beginning
_PHOTOS = tuple(name for lower in PHOTO_FOLDERS for name in (lower, lower.capitalize()))
_MASKS = (name for lower in MASK_FOLDERS for name in (lower, lower.capitalize()))
_BESIDE = {"SegmentationClass": ("JPEGImages",)} | dict.fromkeys(_MASKS, _PHOTOS)
"""Folders of label images, and the usual names of those of the photos beside them."""


def save_png(picture: Image.Image, file: IO[bytes], **options: int) -> None:
    """Write a result as a PNG that says that it is one."""
    info = PngInfo()
    info.add_text("Software", _MARK)
    picture.save(file, "PNG", pnginfo=info, **options)


def save_jpeg(picture: Image.Image, file: IO[bytes]) -> None:
    """Write an overlay as a JPEG that says that it is one."""
    picture.save(file, "JPEG", quality=92, subsampling=0, comment=_MARK)


def is_result(file: Path) -> bool:
    """Whether a file is a picture that `save_png` or `save_jpeg` wrote."""
    if file.suffix.lower() not in (".png", ".jpg"):
        return False
    with suppress(OSError), file.open("rb") as stream:
        return _MARK.encode() in stream.read(_HEAD)
    return False


def _on_disk(folder: PurePath) -> bool:
    return Path(folder).is_dir()


def is_label_image(
    file: PurePath, below: PurePath | None = None, is_folder: Callable[[PurePath], bool] = _on_disk
) -> bool:
    """Whether a file lies in the masks of a data set, whose photos are in a folder beside them.

    With ``below`` only folders below that one count. ``is_folder`` says what is a folder where
    the file is not on this machine's disks.
    """
    folders = file.parents if below is None else file.relative_to(below).parents
    base = below or type(file)()
    return any(
        is_folder(base / folder.parent / photos)
        for folder in folders
        for photos in _BESIDE.get(folder.name, ())
    )


def is_of_data_set(folder: Path) -> bool:
    """Whether a folder is, or is below, one of the photos or the label images of a data set."""
    return is_of_its_photos(folder) or is_label_image(folder / "mask")


def is_of_its_photos(folder: PurePath, is_folder: Callable[[PurePath], bool] = _on_disk) -> bool:
    """Whether a folder is, or is below, that of the photos of a data set, with masks beside it."""
    return any(
        above.name in photos and is_folder(above.parent / labels)
        for above in (folder, *folder.parents)
        for labels, photos in _BESIDE.items()
    )
