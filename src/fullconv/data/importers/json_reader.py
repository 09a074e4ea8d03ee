"""JSON from a labelling tool: read, and looked at before it is believed."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.data.checks.findings import DataError
from fullconv.data.importers.drawing.regions import Points
from fullconv.data.importers.export_files import files_below
from fullconv.errors import UserError

FARTHEST = 1e6  # pixels; no photo is wider, and sums of such numbers stay exact enough


def read_json(file: Path) -> Any:
    """The content of a JSON file; UserError (DataError) naming it where it is broken."""
    try:
        return json.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise DataError(file, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise DataError(file, "is not UTF-8 text", "", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise DataError(file, f"is not valid JSON: {error}", "a truncated or damaged file",
                        "export it again") from None  # fmt: skip


def json_files(source: Path) -> list[Path]:
    """``source``, or the .json files in it, at any depth."""
    if source.is_file():
        return [source]
    return [file for file in files_below(source) if file.suffix.lower() == ".json"]


def ends_of(file: Path) -> bytes:
    """The first and last 64 KiB of a file, where its kind shows; none where it cannot be read."""
    try:
        with file.open("rb") as opened:
            start = opened.read(2**16)
            opened.seek(max(file.stat().st_size - 2**16, 0))
            return start + opened.read()
    except OSError:
        return b""


def number(value: Any, what: str) -> float:
    """``value`` (a number, or text in XML) as a coordinate; UserError where it can be none."""
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    except (TypeError, ValueError):
        raise UserError(f"{what} {value!r} is not a number") from None
    if isinstance(value, bool) or not math.isfinite(found) or abs(found) > FARTHEST:
        raise UserError(f"{what} {str(value)[:20]} is not a coordinate of a photo")
    return found


def points(values: Any, least: int = 1) -> Points:
    """[[x, y], ...] as corners, (n, 2); UserError where it is anything else, or fewer."""
    if not isinstance(values, list):
        raise UserError("has points that are no list of [x, y]")
    if len(values) < least:
        raise UserError(f"has {len(values)} points where {least} are needed")
    try:
        found = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    if found.shape != (len(values), 2):
        raise UserError("has points that are no list of [x, y] in numbers")
    strange = ~(np.abs(found) <= FARTHEST).all(axis=1)  # NaN is not <= either
    if strange.any():
        x, y = found[strange][0]
        raise UserError(f"has a point ({x:g}, {y:g}), which is not in any photo")
    return found


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """(height, width) as a file states them, None where it does not; UserError for nonsense."""
    if height is None or width is None:
        return None
    return int(number(height, "its height")), int(number(width, "its width"))
