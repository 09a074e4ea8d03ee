"""What the layouts on disk have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.sample import Source
from fullconv.errors import UserError

ALL = "all"
"""The one split of a data set that has neither split folders nor lists."""


@dataclass(frozen=True)
class Layout:
    """How one arrangement of files is recognised and opened.

    ``what`` says what it looks like, for messages; ``looks_like(data)``; ``splits(data)`` are the
    names of its splits; ``open(data, split, classes)`` opens one, ``classes`` being a class file or
    None for the data's own. ``outputs(data)`` names its label maps where there are several, and
    ``open_output(data, split, output)`` opens a split with one of them.
    """

    what: str
    looks_like: Callable[[Path], bool]
    splits: Callable[[Path], list[str]]
    open: Callable[[Path, str, Path | None], Source]
    outputs: Callable[[Path], list[str]] | None = None
    open_output: Callable[[Path, str, str], Source] | None = None


def read_lines(path: Path) -> list[str]:
    """The lines of a list that are neither empty nor a comment; UserError if there are none."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"{path}: the list cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UserError(f"{path}: the list is not UTF-8 text; save it as such") from None
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not lines:
        raise UserError(f"{path}: the list is empty; write one photo a line")
    return lines
