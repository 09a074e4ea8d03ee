"""Files that say which colour is which class."""

from pathlib import Path
from typing import Any

from fullconv.classes import MOST_CLASSES, ClassSet, Color
from fullconv.classes.class_files import read_classes
from fullconv.errors import UserError
from fullconv.parsing import read_csv, read_json

NAMES = (
    "obj_class_to_machine_color.json",
    "classes.toml",
    "labelmap.txt",
    "class_dict.csv",
    "classes.csv",
    "colors.csv",
    "classes.json",
    "colors.json",
    "meta.json",
)
"""What they are usually called, in the order in which they are looked for."""


def find_table(*folders: Path) -> Path | None:
    """The first colour table in one of ``folders``."""
    places = (folder / name for folder in folders for name in NAMES)
    return next((place for place in places if place.is_file()), None)


def read_colors(file: Path) -> ClassSet:
    """Names and colours, told apart by the file's ending.

    JSON: ``{"car": [1, 1, 1]}`` (Supervisely's masks), a list of objects with ``name`` or
    ``title`` and ``color`` as numbers or '#rrggbb', or one under ``classes`` (Supervisely's
    meta.json). CSV: ``name,r,g,b``, with or without a heading. Anything else is a class file.
    Raises UserError naming file and entry, also where two classes have one colour.
    """
    if file.suffix == ".json":
        pairs = _of_json(file)
    elif file.suffix == ".csv":
        pairs = _of_csv(file)
    else:
        return read_classes(file)
    if not pairs:
        raise UserError(f"{file}: no class is in it", "FC-IMPORT-016")
    seen: dict[Color, str] = {}
    for name, color in pairs:
        if seen.setdefault(color, name) != name:
            raise UserError(
                f"{file}: {seen[color]!r} and {name!r} have the same colour {color}",
                "FC-IMPORT-016",
            )
    try:
        ignore = 255 if len(pairs) <= 255 else MOST_CLASSES
        return ClassSet(tuple(n for n, _ in pairs), tuple(c for _, c in pairs), ignore)
    except UserError as error:
        raise UserError(f"{file}: {error}", error.code) from None


def _of_json(file: Path) -> list[tuple[str, Color]]:
    content = read_json(file)
    if isinstance(content, dict) and isinstance(content.get("classes"), list):
        content = content["classes"]
    if isinstance(content, list):
        content = {_name(entry, file): entry.get("color") for entry in content}
    if not isinstance(content, dict):
        raise UserError(f"{file}: is no table of classes and colours", "FC-IMPORT-016")
    return [(str(name), _color(color, str(name), file)) for name, color in content.items()]


def _name(entry: Any, file: Path) -> str:
    name = (entry.get("name") or entry.get("title")) if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise UserError(f"{file}: a class in it has no name", "FC-IMPORT-016")
    return name


def _of_csv(file: Path) -> list[tuple[str, Color]]:
    rows = read_csv(file)
    if rows and not rows[0][-1].isdecimal():
        rows = rows[1:]  # name, r, g, b
    return [(row[0], _color(row[1:4], row[0], file)) for row in rows]


def _color(value: Any, name: str, file: Path) -> Color:
    try:
        if isinstance(value, str):
            red, green, blue = bytes.fromhex(value.removeprefix("#"))
        else:
            red, green, blue = (int(part) for part in value)
        if min(red, green, blue) < 0 or max(red, green, blue) > 255:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"{file}: the colour of {name[:40]!r}, {str(value)[:40]}, is no RGB colour",
            "FC-IMPORT-016",
        ) from None
    return red, green, blue
