"""Values of a labelling tool's files: looked at before they are believed."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.data.importers.drawing.regions import Points
from fullconv.data.importers.export_files import files_below
from fullconv.errors import UserError, printable
from fullconv.parsing import decode_text, read_json

__all__ = ["FARTHEST", "ends_of", "json_files", "number", "points", "read_json", "size_of"]
FARTHEST = 1e6  # pixels; no photo is wider, and sums of such numbers stay exact enough
_END = 2**16  # bytes at each end of a file where its kind shows


def json_files(source: Path) -> list[Path]:
    """``source``, or the .json files in it, at any depth."""
    if source.is_file():
        return [source]
    return [file for file in files_below(source) if file.suffix.lower() == ".json"]


def ends_of(file: Path) -> bytes:
    """The first and last 64 KiB of a text file as UTF-8; none where it cannot be read."""
    try:
        with file.open("rb") as opened:
            start = opened.read(_END)
            rest = max(file.stat().st_size - _END, len(start))
            opened.seek(rest + rest % 2)  # a letter of UTF-16 has two bytes
            end = opened.read()
    except OSError:
        return b""
    text = decode_text(start, "replace")
    if end and b"\0" in start[:100]:
        return (text + end.replace(b"\0", b"").decode("latin-1")).encode("utf-8", "replace")
    return text.encode("utf-8", "replace") + end


def number(value: Any, what: str) -> float:
    """``value`` (a number, or text in XML) as a coordinate; UserError where it can be none."""
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    except (TypeError, ValueError):
        raise UserError(f"{what} {_short(value)} is not a number", "FC-IMPORT-012") from None
    if isinstance(value, bool) or not math.isfinite(result) or abs(result) > FARTHEST:
        raise UserError(f"{what} {_short(value)} is not a coordinate of a photo", "FC-IMPORT-012")
    return result


def points(values: Any, least: int = 1) -> Points:
    """[[x, y], ...] as corners, (n, 2); UserError where it is anything else, or fewer."""
    if not isinstance(values, list):
        raise UserError("has points that are no list of [x, y]", "FC-IMPORT-012")
    if len(values) < least:
        raise UserError(f"has {len(values)} points where {least} are needed", "FC-IMPORT-012")
    try:
        corners = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        corners = np.empty(0)
    if corners.shape != (len(values), 2):
        raise UserError("has points that are no list of [x, y] in numbers", "FC-IMPORT-012")
    strange = ~(np.abs(corners) <= FARTHEST).all(axis=1)  # NaN is not <= either
    if strange.any():
        x, y = corners[strange][0]
        raise UserError(f"has a point ({x:g}, {y:g}), which is not in any photo", "FC-IMPORT-012")
    return corners


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """(height, width) as a file states them, None where it does not (-1 and 0 too).

    Raises UserError for nonsense.
    """
    if height is None or width is None:
        return None
    size = int(number(height, "its height")), int(number(width, "its width"))
    if size in ((-1, -1), (0, 0)):  # VIA's and others' for 'not known'
        return None
    return size


def _short(value: Any) -> str:
    """A value as a message shows it: one line, whatever it is."""
    return printable(repr(value), 40)
