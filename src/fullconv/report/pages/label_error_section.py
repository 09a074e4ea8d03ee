"""Likely label errors by a trained net, on the page of a data set and as a table of all of them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.curation import ErrorRegion, LabelErrors, MaskErrors
from fullconv.curation.label_errors import disagreement
from fullconv.inference.engines.engine import Engine
from fullconv.report.embedded import jpeg, picked, sized
from fullconv.report.pages.suggestions_page import named_colors
from fullconv.report.score_files import write_file
from fullconv.visualize import as_photo, overlay, planes_of

SHOWN = 20  # masks of a split with pictures
SIDE = 255  # pixels of a picture: four stand side by side
NAMED = 3  # regions of a mask that are named
PALE = 0.35  # how much is left of the photo outside of the likely errors

COLUMNS = (
    "rank", "split", "mask", "score", "cost_mean_iu", "quality", "region", "labelled", "predicted",
    "pixels", "left", "top", "width", "height", "confidence", "label_probability", "region_score",
    "region_cost_mean_iu",
)  # fmt: skip


@dataclass(frozen=True)
class LabelErrorPictures:
    """A mask with likely errors in pictures (JPEG), and what is said of its regions.

    ``values`` are those of the classes that are labelled or predicted.
    """

    mask: MaskErrors
    values: tuple[int, ...]
    says: Sequence[str]
    photo: bytes
    label: bytes
    prediction: bytes
    regions: bytes


def label_error_pictures(engine: Engine, errors: LabelErrors) -> list[LabelErrorPictures]:
    """Pictures of the masks with the likeliest errors, each predicted once more."""
    return [_pictures(engine, errors, mask) for mask in errors.with_errors[:SHOWN]]


def _pictures(engine: Engine, errors: LabelErrors, mask: MaskErrors) -> LabelErrorPictures:
    sample, prediction, is_error = disagreement(engine, errors.source[mask.place], mask)
    classes, image = errors.source.classes, as_photo(sample.image)
    output = _output_of(mask.regions[0], classes)
    planes = [
        planes_of(values)[output] for values in (sample.mask, prediction) if values is not None
    ]
    drawn = [overlay(image, plane, classes, 0.75, "none") for plane in planes]
    label, predicted = (jpeg(sized(picture, SIDE)) for picture in drawn)
    says = [said(region, classes) for region in mask.regions[:NAMED]]
    shown = jpeg(outlined(image, is_error))
    values = tuple(sorted({int(value) for plane in planes for value in np.unique(plane)}))
    photo = jpeg(sized(image, SIDE))
    return LabelErrorPictures(mask, values, says, photo, label, predicted, shown)


def _output_of(region: ErrorRegion, classes: ClassSet) -> int:
    firsts = [output.first for output in classes.outputs]
    return sum(region.label >= first for first in firsts) - 1


def said(region: ErrorRegion, classes: ClassSet) -> str:
    """One region in words: 'labelled car, predicted bus (0.97), 812 pixels at 120, 33'."""
    top, left = region.box[:2]
    label, prediction = classes.names[region.label], classes.names[region.prediction]
    return (
        f"labelled {label}, predicted {prediction} (probability {region.confidence:.2f}), "
        f"{region.pixels} pixels at ({left}, {top})"
    )


def outlined(image: npt.NDArray[np.uint8], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The photo, made small, with a line around the regions; outside of them it is pale."""
    small, region = sized(image, SIDE), picked(inside.view(np.uint8), SIDE).astype(bool)
    region = region[: small.shape[0], : small.shape[1]]
    shown = (255 - PALE * (255 - small.astype(np.float32))).astype(np.uint8)
    shown[region] = small[region]
    edge = np.zeros(region.shape, bool)
    edge[:, 1:] |= region[:, 1:] != region[:, :-1]
    edge[1:] |= region[1:] != region[:-1]
    shown[edge | np.roll(edge, 1, 0) | np.roll(edge, 1, 1)] = (0, 0, 0)
    shown[edge] = (255, 230, 0)
    return shown


def label_errors_for_page(
    errors: Mapping[str, LabelErrors], pictures: Mapping[str, Sequence[LabelErrorPictures]]
) -> list[dict[str, Any]]:
    """The variables of the template ``label_error_section.html``, split by split."""
    return [
        {
            "split": split,
            "masks": len(of_split.masks),
            "mean_iu": of_split.mean_iu,
            "shown": pictures[split],
            "legend_colors": named_colors(
                (each.values for each in pictures[split]), of_split.source.classes
            ),
        }
        for split, of_split in errors.items()
    ]


def write_label_errors(errors: Mapping[str, LabelErrors], path: str | Path) -> Path:
    """Write a CSV with a row for each likely error, the masks with the likeliest errors first.

    ``rank`` counts the masks of a split from 1; costs are mean IU, 0 to 1; places are pixels of
    the photo. UserError where the file cannot be written.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for split, of_split in errors.items():
        for rank, mask in enumerate(of_split.with_errors, 1):
            head = rank, split, mask.file, *_digits(mask.score, mask.cost, mask.quality)
            for number, region in enumerate(mask.regions, 1):
                writer.writerow([*head, number, *_cells(region, of_split.source.classes)])
    write_file(path, file.getvalue().encode("utf-8", "backslashreplace"))
    return Path(path)


def _cells(region: ErrorRegion, classes: ClassSet) -> list[object]:
    top, left, bottom, right = region.box
    names = classes.names[region.label], classes.names[region.prediction]
    place = region.pixels, left, top, right - left, bottom - top
    probabilities = region.confidence, region.label_probability
    return [*names, *place, *_digits(*probabilities, region.score, region.cost)]


def _digits(*values: float) -> list[str]:
    return [f"{value:.6f}" for value in values]
