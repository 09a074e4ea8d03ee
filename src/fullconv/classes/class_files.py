"""Class files: this project's TOML, and what CVAT, labelme and other tools write."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullconv.classes import (
    CREAM,
    MOST_CLASSES,
    ClassSet,
    Color,
    default_colors,
    named_background,
)
from fullconv.classes.class_tables import ENDINGS, Pair, colored_lines, table_of
from fullconv.errors import DataError, UserError, printable
from fullconv.legacy_text import how_to_convert
from fullconv.parsing import decode_text, parser_errors, pointer_error

LARGEST = 16 * 2**20  # bytes; 65,535 long names are less


def read_classes(path: str | Path) -> ClassSet:
    """Read a class file, told apart by its content.

    ``classes.toml`` (``ignore = 255``, then ``[[class]]`` with ``name`` and optional ``color``
    and ``background`` (`fullconv.classes.ClassSet`);
    ``bands`` and ``range`` say how the photos are read, `fullconv.data.reading.options`),
    CVAT's ``labelmap.txt`` (lines ``name:r,g,b:parts:actions``), labelme's ``labels.txt`` (one
    name a line; ``__ignore__`` in these two names the ignored value, not a class), or lines
    ``number: name`` that count up from 0 or 1, as PASCAL-Context has them, lines ``name r g b`` or
    ``r g b name``, and tables in CSV, JSON and YAML (`class_tables.table_of`).
    Raises UserError naming the file and the error.
    """
    path = Path(path)
    text = _text(path)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    try:
        if path.suffix.lower() in ENDINGS:
            return _of_pairs(table_of(path), path)
        if path.suffix.lower() == ".toml" or any(line.startswith("[[") for line in lines):
            return _from_toml(text, path)
        if not lines:
            raise UserError("no class is named in it; write one name a line", "FC-CLASS-002")
        if all(re.match(r"[0-9]{1,6}\s*:\s*[^\d\s]", line) for line in lines):
            return _from_numbered(lines)
        if all(":" in line for line in lines):
            return _from_labelmap(lines)
        pairs = colored_lines(lines, path)
        return _from_names(lines) if pairs is None else _of_pairs(pairs, path)
    except DataError:  # names the file
        raise
    except UserError as error:
        raise UserError(f"{path}: {error}", error.code) from None


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UserError(
                f"{path}: {size} bytes are no class file; name the right one", "FC-CLASS-001"
            )
        content = path.read_bytes()
        if pointer := pointer_error(path, content):
            raise pointer
        text = decode_text(content)
    except OSError as error:
        raise UserError(
            f"{path}: the class file cannot be read: {error.strerror}", "FC-FILE-001"
        ) from error
    except UnicodeDecodeError:
        what, fix = how_to_convert(content, str(path))
        raise UserError(f"{path}: the class file {what}; {fix}", "FC-CLASS-001") from None
    if "\0" in text:
        raise UserError(
            f"{path}: holds bytes that are no text; the class file is damaged", "FC-CLASS-001"
        )
    return text


def _from_toml(text: str, path: Path) -> ClassSet:
    with parser_errors(path, "is not valid TOML", "FC-CLASS-001", "correct it"):
        content = tomllib.loads(text)
    entries = content.get("class")
    if not isinstance(entries, list) or not entries:
        raise UserError(
            'no [[class]] in it; write [[class]] and name = "..." for each class', "FC-CLASS-002"
        )
    _check_keys("the file", content, {"ignore", "ignore_color", "class", "bands", "range"})
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise UserError(
                f'class {number} has no name; write name = "..." below its [[class]]',
                "FC-CLASS-003",
            )
        name = printable(entry["name"], 60)
        _check_keys(f"class {name!r}", entry, {"name", "color", "background"})
        if not isinstance(entry.get("background", False), bool):
            raise UserError(f"class {name!r}: background is true or false", "FC-CLASS-003")
    ignore = content.get("ignore", 255 if len(entries) <= 255 else MOST_CLASSES)
    names = tuple(entry["name"] for entry in entries)
    by_name = named_background(names)
    background = tuple(
        i for i, entry in enumerate(entries) if entry.get("background", i in by_name)
    )
    default = default_colors(len(entries), background=0 in background)
    return ClassSet(
        names=names,
        colors=tuple(e.get("color", c) for e, c in zip(entries, default, strict=True)),
        ignore=ignore,
        ignore_color=content.get("ignore_color", CREAM),
        background=background,
    )


def _check_keys(where: str, content: Mapping[str, Any], known: set[str]) -> None:
    strange = sorted(set(content) - known)
    if strange:
        raise UserError(
            f"{where} has an unknown key {printable(strange[0], 60)!r}; known: {sorted(known)}",
            "FC-CLASS-003",
        )


def _from_labelmap(lines: list[str]) -> ClassSet:
    names, colors, ignore_color = [], [], CREAM
    for line in lines:
        name, rgb = line.split(":")[:2]
        try:
            red, green, blue = (int(part) for part in rgb.split(","))
        except ValueError:
            raise UserError(
                f"line {printable(line, 200)!r} is not name:r,g,b:parts:actions", "FC-CLASS-001"
            ) from None
        if name.strip() == "__ignore__":
            ignore_color = red, green, blue
        else:
            names.append(name.strip())
            colors.append((red, green, blue))
    return _of_names(names, tuple(colors), ignore_color)


def _from_numbered(lines: list[str]) -> ClassSet:
    """'1: aeroplane' and so on, in order."""
    pairs = [line.split(":", 1) for line in lines]
    numbers = [int(number) for number, _ in pairs]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] > 1:
        raise UserError(
            "its numbers do not count up from 0 or 1; put the lines in order", "FC-CLASS-001"
        )
    return _of_names([name.strip() for _, name in pairs], (), CREAM)


def _from_names(lines: list[str]) -> ClassSet:
    names = ["background" if n == "_background_" else n for n in lines if n != "__ignore__"]
    return _of_names(names, (), CREAM)


def _of_pairs(pairs: list[Pair], path: Path) -> ClassSet:
    """Classes that have a color each, or none."""
    colors = tuple(color for _, color in pairs if color is not None)
    if colors and len(colors) < len(pairs):
        name = next(name for name, color in pairs if color is None)
        raise UserError(
            f"class {printable(name, 60)!r} has no color, and others have one; give each its color",
            "FC-CLASS-005",
        )
    return _of_names([name for name, _ in pairs], colors, CREAM)


def _of_names(names: list[str], colors: tuple[Color, ...], ignore_color: Color) -> ClassSet:
    ignore = 255 if len(names) <= 255 else MOST_CLASSES
    return ClassSet(tuple(names), colors, ignore, ignore_color)
