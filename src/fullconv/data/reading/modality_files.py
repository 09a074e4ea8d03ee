"""Further inputs of a photo, one file each: depth, HHA, near infrared.

They lie in a folder called as the kind, beside the one of the photos, under the photo's name:
``images/train/0001.jpg`` has its depth in ``depth/train/0001.png``.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.reading.formats import HEIC_SUFFIXES, SUFFIXES, open_picture
from fullconv.data.reading.image import check_frames, decode, read_photo
from fullconv.data.sample import Image
from fullconv.errors import DataError
from fullconv.modalities import KINDS

PHOTOS = "images"


def plane_file(photo: Path, kind: str) -> Path:
    """The file of ``photo``'s input ``kind``: beside the photos, or the path that it should have.

    The folder beside is the last one in the photo's path whose name ends in ``images``
    (JPEGImages), else the photo's own.
    """
    photo = photo if len(photo.parts) > 1 else photo.absolute()
    folders = [part.lower().endswith(PHOTOS) for part in photo.parts[:-1]]
    depth = len(folders) - 1 - folders[::-1].index(True) if any(folders) else len(folders) - 1
    return named(Path(*photo.parts[:depth]) / kind / Path(*photo.parts[depth + 1 :]))


def named(like: Path) -> Path:
    """The picture called as ``like`` in its folder, whatever its ending; ``like`` as .png if none.

    Raises DataError where two have the name.
    """
    usual = like.with_suffix(".png")
    if usual.is_file():  # without a look at the whole folder, which may be long
        return usual
    pictures = [
        file
        for file in sorted(like.parent.glob(f"{_literal(like.stem)}.*"))
        if file.stem == like.stem and file.suffix.lower() in SUFFIXES - HEIC_SUFFIXES
    ]
    if len(pictures) > 1:
        raise DataError(pictures[1], f"has the same name as {pictures[0].name}", "", "remove one",
                        "FC-DATA-016")  # fmt: skip
    return pictures[0] if pictures else usual


def _literal(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def read_plane(file: Path, kind: str) -> Image:
    """The input ``kind`` in ``file``: (H, W, channels), uint8, depth float32.

    Depth is 16-bit grey in millimetres and given as its natural logarithm, as the reference reads
    it (nyud_layers.py); where it is 0, unknown, it is the usual mean. Raises DataError for a file
    that is missing, broken or of another kind.
    """
    if KINDS[kind].channels == 3:
        return read_photo(file)
    check_frames(open_picture(file, str(file)), file, str(file))
    picture = decode(file, str(file))
    if kind == "depth":
        depth = np.asarray(picture)
        if depth.ndim == 2 and depth.dtype != np.uint8 and np.issubdtype(depth.dtype, np.number):
            return log_depth(depth, file)
        raise DataError(
            file,
            f"depth of the mode {picture.mode}",
            "a picture of the depth in grey or colour",
            "save the distances in millimetres, as 16-bit grey",
            "FC-DATA-019",
        )
    if picture.mode != "L":
        raise DataError(file, f"{kind} of the mode {picture.mode}", "a photo, or another kind",
                        "save it as an 8-bit grey picture", "FC-DATA-019")  # fmt: skip
    return np.array(picture)[..., None]


def log_depth(depth: npt.NDArray[Any], file: Path) -> Image:
    """Distances in millimetres (H, W) as the net sees them, float32 (H, W, 1)."""
    known = depth > 0
    if not known.any() or not np.isfinite(depth).all():
        raise DataError(file, "holds no depth above 0, or infinity", "", "measure it again",
                        "FC-DATA-019")  # fmt: skip
    result = np.full(depth.shape, KINDS["depth"].mean[0], np.float32)
    np.log(depth, out=result, where=known, casting="same_kind")
    return result[..., None]
