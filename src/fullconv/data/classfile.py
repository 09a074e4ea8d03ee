"""Finding the class file of a data set."""

from pathlib import Path

from fullconv.classes import ClassSet, read_classes
from fullconv.errors import UserError

NAMES = ("classes.toml", "labelmap.txt", "labels.txt", "classes.txt")


def classes_in(data: Path, given: Path | None = None, default: ClassSet | None = None) -> ClassSet:
    """The class file ``given``, else the one in the folder ``data``, else ``default``."""
    if given is not None:
        return read_classes(given)
    for name in NAMES:
        if (data / name).is_file():
            return read_classes(data / name)
    if default is not None:
        return default
    raise UserError(
        f"{data}: no class file ({', '.join(NAMES)}) is in it; write classes.toml with a [[class]] "
        'and name = "..." for each class, or name a file with --classes'
    )
