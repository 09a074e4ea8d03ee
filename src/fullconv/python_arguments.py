"""Arguments that are given from Python, where anything can be given."""

import os
from pathlib import Path
from typing import Any

from fullconv.errors import UserError, printable


def as_path(value: Any, argument: str) -> Path:
    """``value`` as a path; UserError that names the ``argument`` where it is none."""
    if isinstance(value, str | os.PathLike):
        return Path(os.fsdecode(value))
    path = getattr(value, "path", None)
    hint = f"; give its .path, {printable(str(path))!r}" if isinstance(path, Path) else ""
    raise UserError(f"{argument} is a path, not {said(value)}{hint}", "FC-FILE-014")


def said(value: Any) -> str:
    """The type of ``value``, and the value where that is short."""
    shown = repr(value) if isinstance(value, int | float | bool | None) else ""
    return f"{type(value).__name__} {shown}".strip() if value is not None else "None"
