"""Scores and pictures as files."""

import json
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.files import write_atomically
from fullconv.metrics import Scores
from fullconv.report.confusion import confusion_picture


def write_scores(scores: Scores, classes: ClassSet, folder: str | Path) -> list[Path]:
    """Write scores.json and confusion.png into ``folder``; returns both paths."""
    folder = Path(folder)
    content = json.dumps(scores.to_dict(), indent=1) + "\n"
    write_file(folder / "scores.json", content.encode())
    write_file(folder / "confusion.png", confusion_picture(scores, classes))
    return [folder / "scores.json", folder / "confusion.png"]


def write_file(path: str | Path, content: bytes) -> None:
    """Write the bytes whole or not at all; UserError where that cannot be."""
    try:
        write_atomically(path, content)
    except OSError as fault:
        raise UserError(f"{path}: cannot be written: {fault.strerror}") from fault
