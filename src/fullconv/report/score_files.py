"""Scores and pictures as files."""

import json
from pathlib import Path

from fullconv.atomic import file_errors, write_atomically
from fullconv.classes import ClassSet
from fullconv.errors import UserError, printable
from fullconv.metrics import MultilabelScores, Scores


def write_scores(scores: Scores, classes: ClassSet, folder: str | Path) -> list[Path]:
    """Write scores.json, confusion.png and, where each photo's are kept, photos.csv.

    Of overlapping classes precision_recall.png is in place of the confusion.

    Into ``folder``; returns the paths. UserError where that is the folder of a run.
    """
    refuse_run_folder(folder)

    # matplotlib: not for a page
    from fullconv.report.plots.confusion import confusion_picture
    from fullconv.report.plots.precision_recall import precision_recall_picture

    content = json.dumps(scores.to_dict(), indent=1) + "\n"
    contents = {"scores.json": content.encode()}
    if not isinstance(scores, MultilabelScores):
        contents["confusion.png"] = confusion_picture(scores, classes)
    elif (picture := precision_recall_picture(scores, classes)) is not None:
        contents["precision_recall.png"] = picture
    if scores.photos:
        contents["photos.csv"] = scores.photos.to_csv().encode()
    for name, written in contents.items():
        write_file(Path(folder) / name, written)
    return [Path(folder) / name for name in contents]


def refuse_run_folder(folder: str | Path) -> None:
    """UserError where scores would replace those of a training, which its report shows."""
    if any((Path(folder) / name).exists() for name in ("config.toml", "log.csv")):
        raise UserError(
            f"{printable(str(folder))}: is the folder of a run, whose own scores.json and "
            f"photos.csv would be replaced; name another, as {printable(str(folder))}/scores",
            "FC-REPORT-007",
        )


def write_file(path: str | Path, content: bytes) -> None:
    """Write the bytes whole or not at all; UserError where that cannot be."""
    with file_errors(path, writing=True):
        write_atomically(path, content)
