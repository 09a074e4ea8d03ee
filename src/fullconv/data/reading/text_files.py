"""Text files of a data set; what cannot be read is a DataError, as everywhere in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from fullconv import parsing
from fullconv.data.checks.findings import DataError

_T = TypeVar("_T")
_F = TypeVar("_F", Path, str)


def read_json(file: Path) -> Any:
    """The content of a JSON file in UTF-8 or UTF-16; DataError naming it where it has none."""
    return _read(parsing.read_json, file)


def parse_json(content: str, where: str) -> Any:
    """JSON that is part of a file; DataError naming ``where`` it is."""
    return _read(lambda place: parsing.parse_json(content, place), where)


def read_xml(file: Path) -> Element:
    """The root of an XML file without document type; DataError naming it where it has none."""
    return _read(parsing.read_xml, file)


def read_yaml(file: Path) -> Any:
    """The content of a YAML file, every scalar as text; DataError where it has none."""
    return _read(parsing.read_yaml, file)


def read_csv(file: Path) -> list[list[str]]:
    """The rows of a CSV file that are not empty; DataError naming it where it cannot be read."""
    return _read(parsing.read_csv, file)


def read_text(file: Path) -> str:
    """A text file in UTF-8 or UTF-16; DataError naming it where it is none."""
    return _read(parsing.read_text, file)


def _read(read: Callable[[_F], _T], file: _F) -> _T:
    try:
        return read(file)
    except parsing.ParseError as error:
        raise DataError(error.file, error.what, error.cause, error.fix, error.code) from None
