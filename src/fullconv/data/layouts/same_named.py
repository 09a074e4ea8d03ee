"""Masks beside their photos under the same names: ``street1.png`` for ``street1.jpg``."""

from dataclasses import dataclass
from pathlib import Path

from fullconv.data.layouts.picture_listing import is_picture
from fullconv.data.reading.walk import composed, is_debris
from fullconv.errors import printable
from fullconv.files.result_mark import is_result

PHOTOS = (".jpg", ".jpeg", ".jfif", ".webp")
"""Endings of files that can be no mask. Not HEIC's: a PNG beside one is the photo, converted."""


@dataclass(frozen=True)
class SameNamed:
    """Photos, and masks by their photos' names; ``orphans`` are masks without a photo."""

    photos: dict[str, Path]
    masks: dict[str, Path]
    orphans: tuple[Path, ...]


def same_named(folder: Path) -> SameNamed | None:
    """The photos and masks of a folder; None unless most files that could be masks are beside one.

    What a prediction wrote there is neither.
    """
    photos: dict[str, Path] = {}
    others: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if is_picture(file) and not is_debris(file.name) and file.is_file():
            name = printable(composed(file.stem), None)
            is_photo = file.suffix.lower() in PHOTOS
            if (photos if is_photo else others).setdefault(name, file) != file:
                return None  # two of one name: which one is meant?
    beside = [name for name in others if name in photos]
    if 2 * len(beside) <= len(others):
        return None
    photos = {name: photo for name, photo in photos.items() if not is_result(photo)}
    masks = {name: mask for name, mask in others.items() if not is_result(mask)}
    orphans = tuple(masks.pop(name) for name in sorted(masks.keys() - photos.keys()))
    return SameNamed(photos, masks, orphans) if masks else None
