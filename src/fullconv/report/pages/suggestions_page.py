"""The page and the table of the photos that are worth labelling next, with the reasons."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.curation.photo_views import PhotoMaps
from fullconv.curation.suggestions import Suggestion
from fullconv.errors import by_address
from fullconv.report.embedded import jpeg, sized
from fullconv.report.pages.page import write_page
from fullconv.report.score_files import write_file
from fullconv.visualize import overlay

SIDE = 255  # pixels of a picture: four stand side by side
UNSURE = np.array([255, 140, 0], np.float32)
COLUMNS = (
    "rank", "photo", "reasons", "represents", "uncertainty", "uncertainty_rank", "rarity",
    "rarity_rank", "distance", "distance_rank", "nearest",
)  # fmt: skip


@dataclass(frozen=True)
class SuggestionPictures:
    """A suggestion in pictures, JPEG; ``nearest`` is None where no photo is labelled.

    ``values`` are those of the predicted classes.
    """

    suggestion: Suggestion
    values: tuple[int, ...]
    photo: bytes
    prediction: bytes
    entropy: bytes
    nearest: bytes | None


def suggestion_pictures(
    suggestion: Suggestion,
    maps: PhotoMaps,
    classes: ClassSet,
    nearest: npt.NDArray[np.uint8] | None,
) -> SuggestionPictures:
    """The pictures of one suggestion; ``nearest`` is that photo, (H, W, 3)."""
    tinted = overlay(maps.photo, maps.prediction, classes.outputs[0].classes, 0.6, "none")
    return SuggestionPictures(
        suggestion,
        tuple(np.unique(maps.prediction).tolist()),
        jpeg(sized(maps.photo, SIDE)),
        jpeg(sized(tinted, SIDE)),
        jpeg(sized(uncertain(maps), SIDE)),
        None if nearest is None else jpeg(sized(nearest, SIDE)),
    )


def uncertain(maps: PhotoMaps) -> npt.NDArray[np.uint8]:
    """The photo in grey, orange where the net is unsure, uint8 (H, W, 3)."""
    grey = maps.photo.mean(2, keepdims=True) * 0.7
    share = maps.entropy[..., None]
    return (grey * (1 - share) + UNSURE * share).astype(np.uint8)


def write_suggestions(
    folder: Path,
    run: str,
    searched: str,
    pictures: Sequence[SuggestionPictures],
    left_out: int,
    classes: ClassSet,
) -> list[Path]:
    """Write suggestions.html and suggestions.csv into ``folder``; returns the paths.

    ``classes`` are those of the net; the page names the predicted ones.
    """
    page = write_page(
        folder / "suggestions.html",
        "suggestions.html",
        title=f"Photos to label next: {searched}",
        run=run,
        shown=pictures,
        left_out=left_out,
        legend_colors=named_colors((each.values for each in pictures), classes.outputs[0].classes),
    )
    table = folder / "suggestions.csv"
    content = suggestions_csv([each.suggestion for each in pictures])
    write_file(table, content.encode("utf-8", "backslashreplace"))
    return [page, table]


def named_colors(
    values: Iterable[Iterable[int]], classes: ClassSet
) -> list[tuple[str, tuple[int, int, int]]]:
    """Name and colour of each class of which a value is among ``values``, in their order."""
    seen = sorted({value for each in values for value in each if value < len(classes)})
    return [(classes.names[value], classes.colors[value]) for value in seen]


def suggestions_csv(suggestions: Sequence[Suggestion]) -> str:
    """A row a photo, the first chosen first; ranks 0 to 1, rarity in bits."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, each in enumerate(suggestions, 1):
        numbers = (
            each.uncertainty, each.uncertainty_rank, each.rarity, each.rarity_rank, each.distance,
            each.distance_rank,
        )  # fmt: skip
        texts = [f"{number:.6g}" for number in numbers]
        reasons = "; ".join(map(str, each.reasons))
        nearest = by_address(each.nearest or "")
        writer.writerow([rank, each.name, reasons, each.represents, *texts, nearest])
    return file.getvalue()
