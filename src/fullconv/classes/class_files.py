"""Class files: this project's TOML, and what CVAT, labelme and PASCAL-Context write."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullconv.classes import CREAM, MOST_CLASSES, ClassSet, Color, default_colors
from fullconv.errors import UserError


def read_classes(path: str | Path) -> ClassSet:
    """Read a class file, told apart by its content.

    ``classes.toml`` (``ignore = 255``, then ``[[class]]`` with ``name`` and optional ``color``;
    ``bands`` and ``range`` say how the photos are read, `fullconv.data.reading.options`),
    CVAT's ``labelmap.txt`` (lines ``name:r,g,b:parts:actions``), labelme's ``labels.txt`` (one
    name a line; ``__ignore__`` in these two names the ignored value, not a class), or lines
    ``number: name`` that count up from 0 or 1, as PASCAL-Context has them.
    Raises UserError naming the file and the error.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path}: the class file cannot be read: {reason}") from error
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    try:
        if path.suffix == ".toml" or any(line.startswith("[[") for line in lines):
            return _from_toml(text)
        if not lines:
            raise UserError("no class is named in it; write one name a line")
        if all(re.match(r"\d+\s*:\s*[^\d\s]", line) for line in lines):
            return _from_numbered(lines)
        return _from_labelmap(lines) if all(":" in line for line in lines) else _from_names(lines)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _from_toml(text: str) -> ClassSet:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"not valid TOML: {error}") from error
    entries = content.get("class")
    if not isinstance(entries, list) or not entries:
        raise UserError('no [[class]] in it; write [[class]] and name = "..." for each class')
    _known("the file", content, {"ignore", "ignore_color", "class", "bands", "range"})
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise UserError(f"class {number} has no name")
        _known(f"class {entry['name']!r}", entry, {"name", "color"})
    ignore = content.get("ignore", 255 if len(entries) <= 255 else MOST_CLASSES)
    if not isinstance(ignore, int):
        raise UserError(f"ignore = {ignore!r} is not a whole number")
    default = default_colors(len(entries))
    return ClassSet(
        names=tuple(entry["name"] for entry in entries),
        colors=tuple(e.get("color", c) for e, c in zip(entries, default, strict=True)),
        ignore=ignore,
        ignore_color=content.get("ignore_color", CREAM),
    )


def _known(where: str, content: Mapping[str, Any], known: set[str]) -> None:
    strange = sorted(set(content) - known)
    if strange:
        raise UserError(f"{where} has an unknown key {strange[0]!r}; known: {sorted(known)}")


def _from_labelmap(lines: list[str]) -> ClassSet:
    names, colors, ignore_color = [], [], CREAM
    for line in lines:
        name, rgb = line.split(":")[:2]
        try:
            red, green, blue = (int(part) for part in rgb.split(","))
        except ValueError:
            raise UserError(f"line {line!r} is not name:r,g,b:parts:actions") from None
        if name == "__ignore__":
            ignore_color = red, green, blue
        else:
            names.append(name)
            colors.append((red, green, blue))
    return _of_names(names, tuple(colors), ignore_color)


def _from_numbered(lines: list[str]) -> ClassSet:
    """'1: aeroplane' and so on, in order."""
    pairs = [line.split(":", 1) for line in lines]
    numbers = [int(number) for number, _ in pairs]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] > 1:
        raise UserError("its numbers do not count up from 0 or 1; put the lines in order")
    return _of_names([name.strip() for _, name in pairs], (), CREAM)


def _from_names(lines: list[str]) -> ClassSet:
    names = ["background" if n == "_background_" else n for n in lines if n != "__ignore__"]
    return _of_names(names, (), CREAM)


def _of_names(names: list[str], colors: tuple[Color, ...], ignore_color: Color) -> ClassSet:
    ignore = 255 if len(names) <= 255 else MOST_CLASSES
    return ClassSet(tuple(names), colors, ignore, ignore_color)
