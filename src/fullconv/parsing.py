"""Files that others wrote: text, JSON, TOML, XML and CSV; what a parser raises becomes one error.

Every reader of such files goes through here, and `parser_errors` is the one place where what any
parser raises becomes the user's error. What a file means is for the reader to say; here it is only
said whether it can be parsed, and if not, why: encoding, syntax, nesting, numbers too long.
"""

import codecs
import csv
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from fullconv.errors import DataError, UserError, printable, reason_of
from fullconv.legacy_text import how_to_convert

DEEPEST = 200
"""Elements of XML, lists and mappings of YAML inside of one another.

Deeper trees overflow the stack when they are freed (XML), or take minutes to scan (YAML).
"""
MOST_DIGITS = 300
"""The most digits of a whole number in JSON; a longer one is read as a float, inf from 1e309 on."""
MOST_JSON = 16 << 20
"""Bytes of a JSON object in a header; its objects take some twenty times as much memory."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the first half of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_DECLARED = re.compile(
    rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"'][^>]{0,200}\?>"
)
_OF_EXPAT = frozenset({"utf-8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "iso-8859-1"})


_POINTER = b"version https://git-lfs.github.com/spec/"


def pointer_error(file: str | Path, head: bytes | None = None) -> DataError | None:
    """The error of a file that stands for one in Git LFS; None for any other.

    ``head`` are its first bytes, where they have been read.
    """
    try:
        if head is None:
            with open(file, "rb") as opened:
                head = opened.read(len(_POINTER))
    except (OSError, ValueError):
        return None
    if not head.startswith(_POINTER):
        return None
    return DataError(file, "is a pointer of Git LFS, not the file itself",
                     "its repository was cloned without the large files",
                     "run in the repository: git lfs pull", "FC-FILE-013")  # fmt: skip


@contextmanager
def parser_errors(
    file: str | Path, what: str, code: str, fix: str = "copy it again", cause: str = ""
) -> Iterator[None]:
    """In this block any exception about the content of ``file`` becomes a DataError of one line.

    It reads ``FILE: WHAT (REASON); CAUSE; FIX``. Damaged files make parsers raise nearly anything
    (ValueError for a number of 5,000 digits, RecursionError, zlib.error, their library's own), so
    every Exception is taken. A UserError passes as it is; an OSError says why the system does not
    give the file's bytes, with a code FC-FILE.
    """
    try:
        yield
    except UserError:
        if pointer := pointer_error(file):
            raise pointer from None
        raise
    except RecursionError:
        raise DataError(file, f"{what} (nested too deep)", cause, fix, code) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # h5py's own have none
            raise unreadable(file, error) from error
        if pointer := pointer_error(file):
            raise pointer from error
        raise DataError(file, f"{what} ({reason_of(error)})", cause, fix, code) from error


def unreadable(file: str | Path, error: OSError | ValueError) -> DataError:
    """Why the system does not give the bytes of ``file``."""
    if isinstance(error, FileNotFoundError):
        return DataError(file, "is not there", code="FC-FILE-003")
    if isinstance(error, IsADirectoryError):
        return DataError(file, "is a folder", fix="name a file", code="FC-FILE-004")
    reason = printable(getattr(error, "strerror", None) or str(error))
    return DataError(file, f"cannot be read ({reason})", code="FC-FILE-001")


def read_json(file: Path) -> Any:
    """The content of a JSON file in UTF-8 or UTF-16; DataError naming it where it has none."""
    return parse_json(read_bytes(file), file)


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file; DataError naming it where it has none."""
    return parse_toml(read_bytes(file), file)


def read_xml(file: Path) -> ElementTree.Element:
    """The root of an XML file without document type; DataError naming it where it has none."""
    return parsed("XML", _xml, read_bytes(file), file)


def read_csv(file: Path) -> list[list[str]]:
    """The rows that are not empty, cells stripped, separated by comma, semicolon or tab."""
    return parsed("CSV", _csv, read_text(file), file)


def read_yaml(file: Path) -> Any:
    """The content of a YAML file: text, lists and mappings; DataError where it has none.

    Every scalar is text, so a class called 'no' or '1' stays one; no tag makes an object.
    """
    return parsed("YAML", _yaml, read_text(file), file)


def parse_json(content: bytes | str, file: str | Path) -> Any:
    """JSON that is part of ``file``, or all of it; DataError naming the file."""
    return parsed("JSON", _json, _text(content, file), file)


def parse_toml(content: bytes | str, file: str | Path) -> dict[str, Any]:
    """TOML that is part of ``file``, or all of it; DataError naming the file."""
    return parsed("TOML", tomllib.loads, _text(content, file).replace("\r\n", "\n"), file)


def read_text(file: Path) -> str:
    """A text file in UTF-8 or UTF-16, with or without byte order mark, as it is."""
    return _text(read_bytes(file), file)


def read_bytes(file: Path) -> bytes:
    """The bytes of a file; DataError where the system does not give them."""
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise unreadable(file, error) from error


def decode_text(content: bytes, errors: str = "strict") -> str:
    """The text in ``content``: by its byte order mark, else UTF-16 where every second byte is 0 as
    in plain letters, else UTF-8. Raises UnicodeDecodeError for anything else.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors)
    head = content[:400]
    for zeros, encoding in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
        if len(zeros) > 1 and zeros.count(0) > len(zeros) // 2:
            return content.decode(encoding, errors)
    return content.decode("utf-8", errors)


def _text(content: bytes | str, file: str | Path) -> str:
    if isinstance(content, str):
        return content
    if pointer := pointer_error(file, content):
        raise pointer
    try:
        return decode_text(content)
    except ValueError:
        what, fix = how_to_convert(content, str(file))
        raise DataError(file, what, "", fix, "FC-FILE-011") from None


def parsed(kind: str, parse: Callable[[Any], Any], content: bytes | str, file: str | Path) -> Any:
    """The result of ``parse(content)``; any exception of it becomes a DataError of ``kind``."""
    what, cause = f"is not valid {kind}", "a truncated or damaged file"
    with parser_errors(file, what, "FC-FILE-012", "write or export it again", cause):
        return parse(content)


def json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in ``text``; ValueError or RecursionError where it is none, or too long."""
    if len(text) > MOST_JSON:
        raise ValueError(f"a text of {len(text) >> 20} MiB, {MOST_JSON >> 20} at most")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _json(text: str) -> Any:
    return json.loads(text, parse_int=_whole_number)


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _yaml(text: str) -> Any:
    import yaml

    class Bounded(yaml.BaseLoader):  # builds text, lists and mappings only
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > DEEPEST:
                raise ValueError(f"more than {DEEPEST} lists and mappings inside of one another")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return yaml.load(text, Bounded)


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
