"""The suggested photos with what the net predicts, as a folder to correct them in."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.curation.photo_views import PhotoMaps
from fullconv.data.export_folder import mask_png
from fullconv.files.atomic import write_atomically

MASKS = "masks"
"""The one form that needs no labelling tool: a folder data set, images/ with masks/."""


@dataclass(frozen=True, eq=False)
class Prelabelled:
    """A photo's ``file``, what it is called below the folder, without ending, and its maps."""

    file: Path
    name: str
    maps: PhotoMaps


def check_form(form: str) -> None:
    """UserError for a labelling tool that is not known."""
    if form != MASKS:
        from fullconv.data.exporters import exporter

        exporter(form)


def write_prelabelled(
    form: str, photos: Iterable[Prelabelled], folder: Path, classes: ClassSet
) -> None:
    """Write ``photos`` into ``folder``: as 'masks', or for a labelling tool.

    They are taken one by one. The classes are those of a net's first output.
    """
    own = classes.outputs[0].classes
    if form == MASKS:
        _write_masks(photos, folder, own)
        return
    from fullconv.data.exporters import Item, write_labels

    items = (
        Item(each.name, each.file, each.maps.prediction, each.maps.probability) for each in photos
    )
    write_labels(form, items, folder, own)


def _write_masks(photos: Iterable[Prelabelled], folder: Path, classes: ClassSet) -> None:
    for each in photos:
        photo = folder / "images" / f"{each.name}{each.file.suffix.lower()}"
        write_atomically(photo, each.file.read_bytes())
        mask = mask_png(each.maps.prediction, classes)
        write_atomically(folder / "masks" / f"{each.name}.png", mask)
    write_atomically(folder / "classes.toml", classes.to_toml())
