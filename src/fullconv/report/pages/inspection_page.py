"""The page of a data set: what is in it, what looks wrong, and how to fix it."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fullconv.data.checks.check import counts_line
from fullconv.data.checks.survey import Survey, spread
from fullconv.data.checks.survey_findings import of_files
from fullconv.data.class_weights import POWERS, ClassCounts, class_weights
from fullconv.errors import Finding, UserError
from fullconv.report.class_examples import Example, example_pictures
from fullconv.report.embedded import jpeg, layer_png, picked, sized
from fullconv.report.pages.page import write_page
from fullconv.visualize import as_photo, planes_of

LISTED = 200  # files of one finding that are named
SHOWN = 3  # of them that are shown
SIDE = 380  # pixels of a picture of a finding
SHEET, SHEET_SIDE = 36, 240  # masks on the contact sheet of all splits, and their longer side
TENS = 4  # powers of ten that a bar of a share spans: from 0.01 to 100 percent


def write_inspection(
    name: str,
    survey: Survey,
    findings: Sequence[Finding],
    path: str | Path,
    label_errors: Sequence[dict[str, Any]] = (),
    run: str = "",
) -> Path:
    """Write the page of the data set ``name`` to ``path``; UserError where that cannot be.

    ``findings`` as `fullconv.data.checks.survey_findings.findings_in` gives them; ``label_errors``
    of the net ``run``, as `label_error_section.label_errors_for_page` gives them.
    """
    return write_page(
        path,
        "inspection.html",
        title=name,
        summary=_summary(survey, findings),
        findings=_findings(findings, survey),
        **_classes(survey),
        sheet=contact_sheet(survey),
        **_weights(survey),
        sizes=_sizes(survey),
        label_errors=label_errors,
        run=run,
    )


def _summary(survey: Survey, findings: Sequence[Finding]) -> str:
    splits = ", ".join(f"{len(source)} {split}" for split, source in survey.sources.items())
    counts = counts_line(findings) if findings else "no findings"
    examined = sum(map(len, survey.measurements.values()))
    total = sum(map(len, survey.sources.values()))
    part = "" if examined == total else f" ({examined} of {total} examined)"
    return f"{splits} photos{part}; {counts}."


def _findings(findings: Sequence[Finding], survey: Survey) -> Sequence[dict[str, Any]]:
    kinds: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in sorted(findings, key=lambda finding: finding.severity != "error"):
        kinds[finding.severity, finding.cause or finding.what, finding.fix].append(finding)
    places = of_files(findings, survey)
    return [_finding(alike, places, survey) for alike in kinds.values()]


def _finding(
    alike: Sequence[Finding], places: dict[Finding, tuple[str, int]], survey: Survey
) -> dict[str, Any]:
    """Findings of one kind: cause and fix once, then each file, and what some of them look like."""
    first = alike[0]
    with_photo = islice((finding for finding in alike if finding in places), SHOWN)
    examples = [_shown(finding, places[finding], survey) for finding in with_photo]
    return {
        "severity": first.severity,
        "cause": first.cause,
        "fix": first.fix,
        "count": len(alike),
        "files": [(finding.place, finding.what) for finding in alike[:LISTED]],
        "examples": [example for example in examples if example],
    }


def _shown(finding: Finding, place: tuple[str, int], survey: Survey) -> Example | None:
    """The photo with the borders of its mask over it; None where it cannot be read."""
    split, index = place
    try:
        sample = survey.sources[split][index]
    except UserError:
        return None
    image = sized(as_photo(sample.image), SIDE)
    if sample.mask is not None and sample.mask.ndim == 2:
        image = _bordered(image, sample.mask)
    return Example(Path(finding.file).name, jpeg(image))


def _bordered(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Borders in yellow on black, so that they show on light and on dark."""
    rows, columns = (
        (np.arange(n) + 0.5) * whole / n
        for n, whole in zip(image.shape[:2], mask.shape, strict=True)
    )
    small = mask[np.ix_(rows.astype(int), columns.astype(int))]
    edge = np.zeros(small.shape, bool)
    edge[:, 1:] |= small[:, 1:] != small[:, :-1]
    edge[1:] |= small[1:] != small[:-1]
    beside = edge | np.roll(edge, 1, 0) | np.roll(edge, 1, 1)
    shown = image.copy()
    shown[beside] = (0, 0, 0)
    shown[edge] = (255, 230, 0)
    return shown


def contact_sheet(survey: Survey) -> Sequence[dict[str, Any]]:
    """Whole masks over their photos: of each split some, evenly spread, at most `SHEET` in all."""
    most = max(1, SHEET // max(len(survey.measurements), 1))
    sheet = []
    for split, measurements in survey.measurements.items():
        labelled = [measured.index for measured in measurements if measured.counts is not None]
        shown = [_thumbnail(survey, split, index) for index in spread(labelled, most)]
        sheet.append({"split": split, "masks": [mask for mask in shown if mask]})
    return [part for part in sheet if part["masks"]]


def _thumbnail(survey: Survey, split: str, index: int) -> dict[str, Any] | None:
    """A photo and the layer of its mask (of several outputs the first), None where unreadable."""
    source = survey.sources[split]
    try:
        sample = source[index]
    except UserError:
        return None
    if sample.mask is None:
        return None
    classes = source.classes.outputs[0].classes
    return {
        "name": Path(survey.photo(split, index)).name,
        "photo": jpeg(sized(as_photo(sample.image), SHEET_SIDE)),
        "mask": layer_png(picked(planes_of(sample.mask)[0], SHEET_SIDE), classes),
    }


def share_text(share: float) -> str:
    """A share in percent, rare ones with two digits: '12.3', '0.042'; '0' where there is none."""
    value = 100 * share
    if value >= 1 or value == 0:
        return f"{value:.1f}" if value else "0"
    return f"{value:.2g}" if value >= 1e-4 else "< 0.0001"


def log_part(share: float) -> float:
    """How long a bar is, 0..1: on a scale of tens from 0.01 to 100 percent; the rest is a stub."""
    return 0.0 if share <= 0 else max(0.02, 1 + math.log10(share) / TENS)


def _classes(survey: Survey) -> dict[str, Any]:
    """How often each class appears, split by split, and some photos of each."""
    counts = {split: survey.counts(split) for split in survey.sources}
    classes = next(iter(survey.sources.values())).classes
    head = ["value", "class"]
    for split, of_split in counts.items():
        head += [f"{split}: share of pixels", "", f"photos of {of_split.masks}"]
    rows = [
        {
            "name": name,
            "color": classes.colors[i],
            "splits": [
                (_share(of_split, i), share_text(_share(of_split, i)),
                 log_part(_share(of_split, i)), int(of_split.photos[i]))
                for of_split in counts.values()
            ],
            "value": i,
            "examples": example_pictures(survey, i),
        }
        for i, name in enumerate(classes.names)
    ]  # fmt: skip
    first = next(iter(counts.values()))
    rows.sort(key=lambda row: -int(first.pixels[row["value"]]))
    numbers = [0, *(place for i in range(len(counts)) for place in (2 + 3 * i, 4 + 3 * i))]
    return {"classes": rows, "class_head": head, "class_numbers": numbers}


def _share(counts: ClassCounts, value: int) -> float:
    """The share of a class in the labelled pixels of a split."""
    return float(counts.shares[value])


def _weights(survey: Survey) -> dict[str, Any]:
    """The loss weight of each class, as text; none where nothing is labelled."""
    split = "train" if "train" in survey.sources else next(iter(survey.sources))
    counts, names = survey.counts(split), survey.sources[split].classes.names
    if not counts.pixels.any():
        return {"weights": ()}
    modes = [class_weights(counts, how) for how in POWERS]
    rows = [(name, *(f"{weights[i]:.2f}" for weights in modes)) for i, name in enumerate(names)]
    return {"weights": rows, "weights_split": split}


def _sizes(survey: Survey) -> Sequence[tuple[str, str, str]]:
    rows = []
    for split in survey.sources:
        sizes = survey.sizes(split)
        rows += [(split, f"{w} x {h}", str(count)) for (h, w), count in sizes[:12]]
        if len(sizes) > 12:
            rest = sum(count for _, count in sizes[12:])
            rows.append((split, f"{len(sizes) - 12} more sizes", str(rest)))
    return rows
