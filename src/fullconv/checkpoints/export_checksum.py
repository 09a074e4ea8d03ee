"""A checksum at the end of an exported file, of all that stands before it.

An ONNX file ends with an entry of its metadata, which protobuf reads like any other; OpenVINO's
.xml with a comment, whose checksum is of the weights in the .bin too. A .pt2 has its checksums in
its description (`exported_program`). Files without one, of other programs, are not checked.
"""

import zlib
from pathlib import Path

from fullconv.errors import UserError
from fullconv.parsing import parser_errors

CHUNK = 4 << 20
TAIL = 1 << 16  # bytes in which the entry lies that another program has written on
NAME = b"fullconv_crc32"
_ENTRY = b"\x0a" + bytes([len(NAME)]) + NAME + b"\x12\x08"  # StringStringEntryProto: key, value
_ONNX = b"\x72" + bytes([len(_ENTRY) + 8]) + _ENTRY  # field 14 of a ModelProto, metadata_props
_XML = b"<!-- " + NAME + b" "
_XML_END = b" -->\n"


def with_checksum(onnx: bytes) -> bytes:
    """The bytes of an ONNX file with its checksum."""
    return onnx + _ONNX + _hex(zlib.crc32(onnx))


def xml_with_checksum(xml: bytes, weights: Path) -> bytes:
    """OpenVINO's .xml with its checksum, and that of the file of its ``weights``."""
    return xml + _XML + _hex(_of_file(weights, zlib.crc32(xml))) + _XML_END


def verify_export(path: Path) -> bool:
    """Whether an .onnx is as it was written, or has no checksum.

    A program that saves it again takes the old checksum along, so it is for the reader to say
    whether it is damaged (`export_parts`). UserError where an .xml or its .bin are not as they were
    written.
    """
    is_xml, weights = path.suffix.lower() == ".xml", path.with_suffix(".bin")
    if not is_xml and path.suffix.lower() != ".onnx":
        return True
    if not path.is_file() or (is_xml and not weights.is_file()):
        return True  # its runtime says what is missing
    before, after = (_XML, _XML_END) if is_xml else (_ONNX, b"")
    with parser_errors(path, "is damaged", "FC-EXPORT-009"):
        size = path.stat().st_size - len(before) - 8 - len(after)
        end = _end(path, size)
        if not (end.startswith(before) and end.endswith(after)):
            return is_xml or _ENTRY not in _end(path, path.stat().st_size - TAIL)
        checksum = _of_file(path, 0, size)
        if is_xml:
            checksum = _of_file(weights, checksum)
        if _hex(checksum) == end[len(before) :][:8]:
            return True
    if is_xml:
        raise damaged(path, "the checksum differs")
    return False


def damaged(path: Path, what: str) -> UserError:
    """The error of an exported file that is not as it was written."""
    return UserError(
        f"{path}: is not as it was exported ({what}): it is damaged, or another program has "
        "changed it; copy or export it again (to use a changed file, remove its metadata "
        "fullconv_crc32)",
        "FC-EXPORT-009",
    )


def _end(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(start, 0))
        return file.read()


def _of_file(path: Path, checksum: int, size: int | None = None) -> int:
    """The checksum of the first ``size`` bytes of a file, all where None, behind another's."""
    left = path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while left > 0 and (part := file.read(min(left, CHUNK))):
            checksum = zlib.crc32(part, checksum)
            left -= len(part)
    return checksum


def _hex(checksum: int) -> bytes:
    return f"{checksum:08x}".encode()
