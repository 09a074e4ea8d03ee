"""Pictures in a folder of photos that are none: results of a prediction, label images."""

from collections.abc import Callable, Collection
from pathlib import Path, PurePath
from typing import IO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fullconv.data.layouts.find_class_file import NAMES
from fullconv.data.layouts.mask_names import MASK_FOLDERS, PHOTO_FOLDERS
from fullconv.files.result_mark import RESULT_MARK

_LABELS = {"masks": "images", "SegmentationClass": "JPEGImages", "ann_dir": "img_dir",
           "annotations": "images"}  # fmt: skip
"""Folders of label images, and those of the photos that lie beside them."""
Exists = Callable[[PurePath], bool]


def save_png(picture: Image.Image, file: IO[bytes], **options: int) -> None:
    """Write a result as a PNG that says that it is one."""
    info = PngInfo()
    info.add_text("Software", RESULT_MARK)
    picture.save(file, "PNG", pnginfo=info, **options)


def save_jpeg(picture: Image.Image, file: IO[bytes]) -> None:
    """Write an overlay as a JPEG that says that it is one."""
    picture.save(file, "JPEG", quality=92, subsampling=0, comment=RESULT_MARK)


def _on_disk(path: PurePath) -> bool:
    return Path(path).exists()


def is_label_image(
    file: PurePath, below: PurePath | None = None, exists: Exists = _on_disk
) -> bool:
    """Whether a file lies in the masks of a data set, whose photos are in a folder beside them.

    With ``below`` only folders below that one count. ``exists`` says what there is where the file
    is not on this machine's disks.
    """
    folders = file.parents if below is None else file.relative_to(below).parents
    base = below or type(file)()
    return any(
        _has_beside(base / folder, MASK_FOLDERS, PHOTO_FOLDERS, exists)
        or (folder.name in _LABELS and exists(base / folder.parent / _LABELS[folder.name]))
        for folder in folders
    )


def is_of_data_set(folder: Path) -> bool:
    """Whether a folder is, or is below, one of the photos or the label images of a data set."""
    return is_of_its_photos(folder) or is_label_image(folder / "mask")


def is_of_its_photos(folder: PurePath, exists: Exists = _on_disk) -> bool:
    """Whether a folder is, or is below, that of the photos of a data set, with masks beside it."""
    return any(
        _has_beside(above, PHOTO_FOLDERS, MASK_FOLDERS, exists)
        or any(
            above.name == photos and exists(above.parent / labels)
            for labels, photos in _LABELS.items()
        )
        for above in (folder, *folder.parents)
    )


def _has_beside(
    folder: PurePath, names: Collection[str], others: Collection[str], exists: Exists
) -> bool:
    """Whether a folder of one of ``names`` has one of ``others`` and a class file beside it."""
    if folder.name.lower() not in names:
        return False
    return any(exists(folder.parent / name) for name in NAMES) and any(
        exists(folder.parent / form)
        for name in others
        for form in (name, name.capitalize(), name.upper())
    )
