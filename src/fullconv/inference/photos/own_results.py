"""Pictures in a folder of photos that are none: results of a prediction, label images."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

_MARK = "fullconv prediction"
_HEAD = 512  # bytes; both formats have the mark near their beginning
_LABELS = {"masks": "images", "SegmentationClass": "JPEGImages", "ann_dir": "img_dir",
           "annotations": "images"}  # fmt: skip
"""Folders of label images, and those of the photos that lie beside them."""


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


def is_label_image(file: Path, below: Path | None = None) -> bool:
    """Whether a file lies in the masks of a data set, whose photos are in a folder beside them.

    With ``below`` only folders below that one count.
    """
    folders = file.parents if below is None else file.relative_to(below).parents
    base = below or Path()
    return any(
        folder.name in _LABELS and (base / folder.parent / _LABELS[folder.name]).is_dir()
        for folder in folders
    )


def is_of_data_set(folder: Path) -> bool:
    """Whether a folder is, or is below, one of the photos or the label images of a data set."""
    return is_of_its_photos(folder) or _is_below(folder, _LABELS.items())


def is_of_its_photos(folder: Path) -> bool:
    """Whether a folder is, or is below, that of the photos of a data set, with masks beside it."""
    return _is_below(folder, ((photos, labels) for labels, photos in _LABELS.items()))


def _is_below(folder: Path, pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether ``folder`` is, or is below, the first of a pair of folders that lie side by side."""
    return any(
        above.name == name and (above.parent / beside).is_dir()
        for name, beside in pairs
        for above in (folder, *folder.parents)
    )
