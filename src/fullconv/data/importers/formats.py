"""The formats by name, and which of them a source is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.importers import ade20k, cityscapes, coco, cvat, labelme
from fullconv.data.importers import color_masks as colors
from fullconv.data.importers import trainable_layouts as layouts
from fullconv.data.importers.annotations import Export
from fullconv.data.importers.import_request import Request
from fullconv.errors import UserError


@dataclass(frozen=True)
class Format:
    """``what`` it looks like, for messages; how it is recognised and read."""

    what: str
    looks_like: Callable[[Path], bool]
    read: Callable[[Path, Request], Export]


FORMATS = {
    "labelme": Format(labelme.WHAT, labelme.looks_like, labelme.read),
    "coco": Format(coco.WHAT, coco.looks_like, coco.read),
    "cvat": Format(cvat.WHAT, cvat.looks_like, cvat.read),
    "voc": Format(layouts.WHAT_VOC, layouts.looks_like_voc, layouts.read_voc),
    "cityscapes": Format(cityscapes.WHAT, cityscapes.looks_like, cityscapes.read),
    "ade20k": Format(ade20k.WHAT, ade20k.looks_like, ade20k.read),
    "colors": Format(colors.WHAT, colors.looks_like, colors.read),
    "masks": Format(layouts.WHAT_OTHERS, layouts.looks_like, layouts.read),
}


def recognise(source: Path, name: str | None = None) -> str:
    """The name of the format of ``source``, which ``name`` may say.

    The first that fits, except where photos are labelled in more than one way: that is for the
    user to say. Raises UserError for an unknown name, a source that is not there, or fits nothing.
    """
    if not source.exists():
        raise UserError(f"{source}: there is no such file or folder")
    if source.suffix.lower() in (".zip", ".tar", ".gz", ".rar", ".7z"):
        raise UserError(f"{source}: is an archive; unpack it, and import the folder")
    if name is not None:
        if name not in FORMATS:
            raise UserError(f"--from {name}: there is no such format; known: {', '.join(FORMATS)}")
        return name
    found = [each for each, format in FORMATS.items() if format.looks_like(source)]
    rivals = [each for each in found if each in ("labelme", "coco", "cvat", "voc")]
    if len(rivals) > 1:
        raise UserError(
            f"{source}: is labelled in several ways ({', '.join(rivals)}); say which one is meant, "
            f"as --from {rivals[0]}"
        )
    if not found:
        looked = "; ".join(format.what for format in FORMATS.values())
        raise UserError(f"{source}: no known format. Looked for: {looked}")
    return found[0]
