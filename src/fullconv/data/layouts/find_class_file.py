"""Finding the class file of a data set."""

from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes
from fullconv.classes.lists import built_in, class_list
from fullconv.errors import UserError

NAMES = ("classes.toml", "labelmap.txt", "labels.txt", "classes.txt")


def classes_of_set(data: Path, given: Path | None, name: str) -> ClassSet:
    """The classes ``given``, else ``classes.toml`` in the folder ``data``, else those of ``name``.

    For published data sets: their own ``labels.txt`` and ``classes.txt`` are no class files.
    """
    if given is not None:
        return given_classes(given)
    own = data / "classes.toml"
    return read_classes(own) if own.is_file() else class_list(name)


def given_classes(given: Path) -> ClassSet:
    """The classes of --classes: a class file, or one of the built-in lists."""
    if str(given) in built_in() and not given.is_file():
        return class_list(str(given))
    if not given.exists():
        known = ", ".join(built_in())
        raise UserError(
            f"{given}: there is no such class file; built-in lists are {known}",
            "FC-CLASS-011",
        )
    return read_classes(given)


def classes_in(data: Path, given: Path | None = None, default: ClassSet | None = None) -> ClassSet:
    """The class file ``given``, else the one in the folder ``data``, else ``default``."""
    if given is not None:
        return given_classes(given)
    for name in NAMES:
        if (data / name).is_file():
            return read_classes(data / name)
    if default is not None:
        return default
    raise UserError(
        f"{data}: no class file ({', '.join(NAMES)}) is in it; write classes.toml with a [[class]] "
        'and name = "..." for each class, or name a file with --classes',
        "FC-CLASS-011",
    )
