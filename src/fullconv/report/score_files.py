"""Scores and pictures as files."""

import json
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.errors import UserError, printable
from fullconv.files.atomic import write_atomically
from fullconv.files.file_errors import file_errors
from fullconv.metrics import MultilabelScores, Scores


def write_scores(scores: Scores, classes: ClassSet, folder: str | Path) -> list[Path]:
    """Write scores.json, confusion.png and, where each photo's are kept, photos.csv.

    Of overlapping classes precision_recall.png is in place of the confusion.

    Into ``folder``; returns the paths. UserError where that is the folder of a run or a data set.
    """
    refuse_run_folder(folder)
    refuse_data_set(folder)

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
            "photos.csv would be replaced; name another, for example "
            f"{printable(str(folder))}/scores",
            "FC-REPORT-007",
        )


def refuse_data_set(folder: str | Path) -> None:
    """UserError where pictures would come among the photos and masks of a data set."""
    from fullconv.data.layouts.registry import layout_of
    from fullconv.inference.photos.own_results import is_of_data_set

    path = Path(folder).absolute()
    if is_of_data_set(path) or (path.is_dir() and layout_of(path) is not None):
        raise UserError(
            f"{printable(str(folder))}: is a data set, or a folder of its photos or masks; name "
            "another folder, for example scores/",
            "FC-REPORT-008",
        )


def write_file(path: str | Path, content: bytes) -> None:
    """Write the bytes whole or not at all; UserError where that cannot be."""
    with file_errors(path, writing=True):
        write_atomically(path, content)
