"""JSON, TOML, XML and CSV of people's files; whatever a parser raises becomes one error.

Every reader of such files goes through here. What a file means is for the reader to say; here it is
only said whether it can be parsed, and if not, why: encoding, syntax, nesting, numbers too long.
"""

import csv
import io
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from fullconv.errors import UserError
from fullconv.legacy_text import how_to_convert
from fullconv.text_files import decode_text, shown

DEEPEST = 200
"""Elements of XML inside of one another: deeper trees overflow the stack when they are freed."""
MOST_DIGITS = 300
"""Of a whole number in JSON; a longer one is read as a float, which is infinite from 1e309 on."""

_DECLARED = re.compile(
    rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"'][^>]{0,200}\?>"
)
_OF_EXPAT = frozenset({"utf-8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "iso-8859-1"})


class ParseError(UserError):
    """A file that cannot be read as what it should be; its parts are those of a Finding."""

    def __init__(self, file: str | Path, what: str, cause: str, fix: str, code: str) -> None:
        self.file, self.what, self.cause, self.fix = str(file), what, cause, fix
        parts = (what, cause and f"likely cause: {cause}", fix)
        super().__init__(f"{shown(str(file))}: " + "; ".join(filter(None, parts)), code)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.file, self.what, self.cause, self.fix, self.code)


def read_json(file: Path) -> Any:
    """The content of a JSON file in UTF-8 or UTF-16; ParseError naming it where it has none."""
    return parse_json(read_bytes(file), file)


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file; ParseError naming it where it has none."""
    return parse_toml(read_bytes(file), file)


def read_xml(file: Path) -> ElementTree.Element:
    """The root of an XML file without document type; ParseError naming it where it has none."""
    return parsed("XML", _xml, read_bytes(file), file)


def read_csv(file: Path) -> list[list[str]]:
    """The rows that are not empty, cells stripped, parted by comma, semicolon or tab."""
    return parsed("CSV", _csv, read_text(file), file)


def read_yaml(file: Path) -> Any:
    """The content of a YAML file: text, lists and mappings; ParseError where it has none.

    Every scalar is text, so a class called 'no' or '1' stays one; no tag makes an object.
    """
    return parsed("YAML", _yaml, read_text(file), file)


def parse_json(content: bytes | str, file: str | Path) -> Any:
    """JSON that is part of ``file``, or all of it; ParseError naming the file."""
    return parsed("JSON", _json, _text(content, file), file)


def parse_toml(content: bytes | str, file: str | Path) -> dict[str, Any]:
    """TOML that is part of ``file``, or all of it; ParseError naming the file."""
    return parsed("TOML", tomllib.loads, _text(content, file).replace("\r\n", "\n"), file)


def read_text(file: Path) -> str:
    """A text file in UTF-8 or UTF-16, with or without byte order mark, as it is."""
    return _text(read_bytes(file), file)


def read_bytes(file: Path) -> bytes:
    """The bytes of a file; ParseError where the system does not give them."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise ParseError(file, "is not there", "", "", "FC-FILE-003") from None
    except IsADirectoryError:
        raise ParseError(file, "is a folder", "", "name a file", "FC-FILE-004") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = getattr(error, "strerror", None) or error
        raise ParseError(file, f"cannot be read: {reason}", "", "", "FC-FILE-001") from error


def _text(content: bytes | str, file: str | Path) -> str:
    if isinstance(content, str):
        return content
    try:
        return decode_text(content)
    except ValueError:
        what, fix = how_to_convert(content, str(file))
        raise ParseError(file, what, "", fix, "FC-FILE-011") from None


def parsed(kind: str, parse: Callable[[Any], Any], content: bytes | str, file: str | Path) -> Any:
    """What ``parse`` makes of ``content``; whatever it raises becomes a ParseError of ``kind``."""
    try:
        return parse(content)
    except RecursionError:
        reason = "nested too deep"
    except Exception as error:  # parsers raise ValueError, LookupError, their own and more
        reason = shown(" ".join(str(error).split()))[:200] or type(error).__name__
    raise ParseError(file, f"is not valid {kind}: {reason}", "a truncated or damaged file",
                     "write or export it again", "FC-FILE-012")  # fmt: skip


def _json(text: str) -> Any:
    return json.loads(text, parse_int=_whole_number)


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _yaml(text: str) -> Any:
    import yaml

    return yaml.load(text, yaml.BaseLoader)  # builds text, lists and mappings only


def _csv(text: str) -> list[list[str]]:
    head = text[:4096].partition("\n")[0]
    separator = max("\t;,", key=head.count)
    csv.field_size_limit(max(len(text), 2**17))  # an outline of 10,000 points is one cell
    rows = csv.reader(
        io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True, strict=True
    )
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]


def _xml(content: bytes) -> ElementTree.Element:
    """A tree of bounded depth, without document type: its entities make a small file huge."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} elements inside of one another")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*declaration: object) -> None:
        raise ValueError("it has a document type (DOCTYPE), which can make a small file huge")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(_of_known_encoding(content), True)
    return builder.close()


def _of_known_encoding(content: bytes) -> bytes:
    """XML that declares an encoding which expat does not know, as GBK, in UTF-8."""
    match = _DECLARED.match(content)
    if match is None or match[1].decode().lower() in _OF_EXPAT:
        return content
    try:
        text = content[match.end() :].decode(match[1].decode())
    except LookupError:
        return content  # expat names it
    return text.encode("utf-8")
