"""Class files that are tables: CSV, JSON and YAML of other tools, and text with a color a line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fullconv.classes import Color
from fullconv.errors import DataError, UserError, printable
from fullconv.parsing import read_csv, read_json, read_yaml

CSV_ENDINGS, JSON_ENDINGS, YAML_ENDINGS = (".csv", ".tsv"), (".json",), (".yaml", ".yml")
ENDINGS = (*CSV_ENDINGS, *JSON_ENDINGS, *YAML_ENDINGS)
Pair = tuple[str, Color | None]
"""The name of a class, and its color where the file has one."""

_LISTS = ("names", "classes", "id2label", "label2id", "categories", "labels")
"""Keys under which files of other content have their classes."""
_HEADINGS = frozenset({"name", "class", "label", "category", "class name", "class_name", "names",
                       "classes", "labels", "object"})  # fmt: skip
_COLOR = re.compile(r"[\s,;]*" + r"(\d{1,3})[\s,;]+" * 3 + r"([^\s,;].*)", re.DOTALL)
"""A color before a name; of a line read backwards, one behind it."""


def table_of(path: Path) -> list[Pair]:
    """The classes of a table in the order of their values, by the file's ending.

    CSV: a name a row, with its number (counted up from 0 or 1), its color ``r,g,b`` or both, with
    or without a heading. JSON and YAML: a list of names, or of objects with ``name`` or ``title``;
    names by number, numbers or colors by name; or one of these under ``names``, ``classes``,
    ``id2label``, ``label2id``, ``categories`` or ``labels``. Raises UserError (DataError) naming
    the file for anything else.
    """
    ending = path.suffix.lower()
    if ending in CSV_ENDINGS:
        return _of_rows(read_csv(path), path)
    return _of_content(read_json(path) if ending in JSON_ENDINGS else read_yaml(path), path)


def colored_lines(lines: Sequence[str], path: Path) -> list[Pair] | None:
    """The classes of lines 'name r g b' or 'r g b name', with or without a heading; else None.

    Raises DataError where some of the lines are such and others are not.
    """
    pairs = [_colored(line) for line in lines]
    has_heading = len(pairs) > 1 and pairs[0] is None and not any(c.isdigit() for c in lines[0])
    if has_heading and None not in pairs[1:]:
        pairs = pairs[1:]
    count = sum(pair is not None for pair in pairs)
    if count < 2 and count < len(pairs):
        return None
    if count < len(pairs):
        line = next(line for line, pair in zip(lines, pairs, strict=False) if pair is None)
        raise _no_table(path, f"line {printable(line, 80)!r} has no color, and others have one")
    return [pair for pair in pairs if pair is not None]


def _colored(line: str) -> Pair | None:
    if before := _COLOR.fullmatch(line):
        *color, name = before.groups()
    elif behind := _COLOR.fullmatch(line[::-1]):
        *color, name = (text[::-1] for text in behind.groups())
        color = color[::-1]
    else:
        return None
    return (name.strip("\"' "), _color(color)) if any(map(str.isalpha, name)) else None


def _no_table(path: Path, what: str) -> DataError:
    return DataError(path, what, "", "write classes.toml, with [[class]], name and color for each "
                     "class", "FC-CLASS-001")  # fmt: skip


def _of_rows(rows: list[list[str]], path: Path) -> list[Pair]:
    """Rows of cells; all must have their name at the same place, and numbers elsewhere."""
    rows = [row[: max(i for i, cell in enumerate(row, 1) if cell)] for row in rows]
    if len(rows) > 1 and _is_heading(rows[0], rows[1]):
        rows = rows[1:]
    if not rows:
        raise _no_table(path, "has no class")
    places = {i for i, cell in enumerate(rows[0]) if not cell.isdecimal()}
    if len(places) != 1:
        raise _no_table(path, f"row {_shown(rows[0])} is not a name with its number or color")
    place = places.pop()
    numbers: list[int] = []
    pairs: list[Pair] = []
    for row in rows:
        values = [cell for i, cell in enumerate(row) if i != place]
        if len(row) != len(rows[0]) or not all(v.isdecimal() and len(v) < 6 for v in values):
            raise _no_table(path, f"row {_shown(row)} is not as the first, {_shown(rows[0])}")
        numbers += map(int, values[:1] if len(values) in (1, 4) else ())
        color = values[-3:] if len(values) in (3, 4) else None
        if len(values) not in (0, 1, 3, 4) or (len(values) == 4 and place != 1):
            raise _no_table(path, f"row {_shown(row)} is not a name with its number or color")
        pairs.append((row[place], _color(color) if color else None))
    return _counted(pairs, numbers, path)


def _is_heading(first: list[str], second: list[str]) -> bool:
    """Whether a row names the columns: it has no number and the next one has, or a usual word."""
    if any(cell.isdecimal() for cell in first):
        return False
    has_numbers = any(cell.isdecimal() for cell in second)
    return has_numbers or (len(first) == 1 and first[0].strip().lower() in _HEADINGS)


def _shown(row: Sequence[Any]) -> str:
    return repr(printable(",".join(map(str, row)), 60))


def _counted(pairs: list[Pair], numbers: list[int], path: Path) -> list[Pair]:
    """The pairs, where their numbers, if they have any, count up from 0 or 1."""
    if numbers and (numbers[0] > 1 or numbers != list(range(numbers[0], numbers[0] + len(pairs)))):
        raise _no_table(path, "has numbers that do not count up from 0 or 1, class by class")
    return pairs


def _of_content(content: Any, path: Path) -> list[Pair]:
    """What JSON or YAML holds; in YAML numbers are text."""
    while isinstance(content, dict) and (key := next((k for k in _LISTS if k in content), None)):
        if not isinstance(content[key], list | dict):
            break
        content = content[key]
    pairs: list[tuple[Any, Any]] = []  # name, and number or color
    if isinstance(content, list):
        pairs = [_entry(entry) for entry in content]
    elif isinstance(content, dict) and all(_is_number(key) for key in content):
        pairs = sorted(((v, int(k)) for k, v in content.items()), key=lambda pair: pair[1])
    elif isinstance(content, dict):
        pairs = list(content.items())
        if all(_is_number(value) for _, value in pairs):
            pairs = sorted(((k, int(v)) for k, v in pairs), key=lambda pair: pair[1])
    if not pairs or not all(isinstance(name, str) and name.strip() for name, _ in pairs):
        raise _no_table(path, "has no list of the names of classes")
    return _counted(*_apart(pairs, path), path)


def _entry(entry: Any) -> tuple[Any, Any]:
    if not isinstance(entry, dict):
        return entry, None
    name = entry.get("name", entry.get("title"))
    number = entry.get("id") if _is_number(entry.get("id")) and "title" not in entry else None
    return name, entry.get("color", None if number is None else int(number))


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.isdecimal() and len(value) < 6
    return isinstance(value, int) and not isinstance(value, bool)


def _apart(pairs: list[tuple[Any, Any]], path: Path) -> tuple[list[Pair], list[int]]:
    """Pairs of name and color, and the numbers of those that have one in its place."""
    named: list[Pair] = []
    numbers: list[int] = []
    for name, value in pairs:
        if isinstance(value, int):
            numbers.append(value)
        color = None if value is None or isinstance(value, int) else _color_of(value, name, path)
        named.append((name, color))
    return named, numbers


def _color_of(value: Any, name: str, path: Path) -> Color:
    """A color as numbers or as '#rrggbb'."""
    try:
        if isinstance(value, str):
            return _color(list(bytes.fromhex(value.removeprefix("#"))))
        return _color(value)
    except (TypeError, ValueError):
        raise UserError(
            f"{path}: color {printable(str(value), 40)} of {printable(name, 60)!r} is not three "
            "whole numbers from 0 to 255, or '#rrggbb'",
            "FC-CLASS-005",
        ) from None


def _color(values: Sequence[Any]) -> Color:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
