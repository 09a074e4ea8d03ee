"""The page of a data set: what is in it, what looks wrong, and how to mend it."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from fullconv.data.faults import Fault
from fullconv.data.statistics import class_weights
from fullconv.data.survey import Survey
from fullconv.data.suspicions import of_files
from fullconv.errors import UserError
from fullconv.metrics import percent
from fullconv.report import html
from fullconv.report.class_examples import Example, example_pictures
from fullconv.report.embedded import jpeg, sized
from fullconv.report.files import write_file

LISTED = 200  # files of one finding that are named
SHOWN = 3  # of them that are shown
SIDE = 380  # pixels of a picture of a finding


def write_inspection(name: str, survey: Survey, faults: Sequence[Fault], path: str | Path) -> Path:
    """Write the page of the data set ``name`` to ``path``; UserError where that cannot be."""
    write_file(path, inspection_page(name, survey, faults).encode())
    return Path(path)


def inspection_page(name: str, survey: Survey, faults: Sequence[Fault]) -> str:
    """The HTML of an inspection; ``faults`` as `fullconv.data.suspicions.suspicions` gives them."""
    splits = ", ".join(f"{len(source)} {split}" for split, source in survey.sources.items())
    errors = sum(fault.severity == "error" for fault in faults)
    said = f"{errors} errors, {len(faults) - errors} warnings" if faults else "nothing found"
    looked = sum(map(len, survey.looks.values()))
    total = sum(map(len, survey.sources.values()))
    part = "" if looked == total else f" ({looked} of {total} looked at)"
    sections = [
        ("Findings", _findings(faults, survey)),
        ("Classes", _classes(survey)),
        ("Class weights", _weights(survey)),
        ("Sizes of the photos", _sizes(survey)),
        ("Examples of each class", _examples(survey)),
    ]
    top = f"<p>{escape(splits)} photos{part}; {said}.</p>"
    return html.document(name, sections, top)


def _findings(faults: Sequence[Fault], survey: Survey) -> str:
    if not faults:
        return "<p class='good'>Nothing looks wrong.</p>"
    kinds: dict[tuple[str, str, str], list[Fault]] = defaultdict(list)
    for fault in sorted(faults, key=lambda fault: fault.severity != "error"):
        kinds[fault.severity, fault.cause or fault.what, fault.mend].append(fault)
    places = of_files(faults, survey)
    return "\n".join(_finding(alike, places, survey) for alike in kinds.values())


def _finding(alike: Sequence[Fault], places: dict[Fault, tuple[str, int]], survey: Survey) -> str:
    """Faults of one kind: cause and mend once, then each file, and what some of them look like."""
    first = alike[0]
    lines = [f"<p><strong>{escape(first.severity.capitalize())}</strong>"]
    lines[0] += f": {len(alike)} files</p>" if len(alike) > 1 else "</p>"
    if first.cause:
        lines.append(f"<p>Likely cause: {escape(first.cause)}.</p>")
    if first.mend:
        lines.append(f"<p>To mend it: {escape(first.mend)}.</p>")
    named = [f"<li><code>{escape(f.file)}</code>: {escape(f.what)}</li>" for f in alike[:LISTED]]
    if len(alike) > LISTED:
        named.append(f"<li>and {len(alike) - LISTED} more</li>")
    lines.append(f"<ul>{''.join(named)}</ul>")
    shown = [_shown(fault, places[fault], survey) for fault in alike if fault in places][:SHOWN]
    lines.append(f"<div class='row'>{''.join(shown)}</div>" if any(shown) else "")
    return f"<div class='finding {first.severity}'>{''.join(lines)}</div>"


def _shown(fault: Fault, place: tuple[str, int], survey: Survey) -> str:
    """The photo with the borders of its mask over it."""
    split, index = place
    source = survey.sources[split]
    try:
        sample = source[index]
    except UserError:
        return ""
    image = sized(sample.image[..., :3], SIDE)
    if sample.mask is not None and sample.mask.ndim == 2:
        image = _bordered(image, sample.mask)
    return html.figure(
        html.picture(jpeg(image), f"{Path(fault.file).name} with the borders of its mask",
                     "jpeg"),
        escape(Path(fault.file).name),
    )  # fmt: skip


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


def _classes(survey: Survey) -> str:
    """How often each class appears, split by split."""
    counts = {split: survey.counts(split) for split in survey.sources}
    classes = next(iter(survey.sources.values())).classes
    head = ["value", "class"]
    for split, found in counts.items():
        head += [escape(f"{split}: share of pixels"), "", escape(f"photos of {found.masks}")]
    rows = []
    for i, name in enumerate(classes.names):
        row = [str(i), html.swatch(classes, i) + escape(name)]
        for found in counts.values():
            share = float(found.pixels[i] / max(int(found.pixels.sum()), 1))
            row += [percent(share), html.bar(share, 6), str(int(found.photos[i]))]
        rows.append(row)
    numbers = (
        {0} | {2 + 3 * i for i in range(len(counts))} | {4 + 3 * i for i in range(len(counts))}
    )
    told = "In percent of the labelled pixels; a class is in a photo from one pixel on."
    return html.table(head, rows, numbers) + html.note(told)


def _weights(survey: Survey) -> str:
    split = "train" if "train" in survey.sources else next(iter(survey.sources))
    counts, names = survey.counts(split), survey.sources[split].classes.names
    if not counts.pixels.any():
        return ""
    modes = class_weights(counts, "median-frequency"), class_weights(counts, "softened")
    rows = [
        (escape(name), *(f"{weights[i]:.2f}" for weights in modes)) for i, name in enumerate(names)
    ]
    return (
        html.note(
            f"What a training would multiply the loss of each class by, from {split}. Off unless "
            "asked for: the paper uses none."
        )
        + html.table(("class", "median-frequency", "softened"), rows, {1, 2})
        + html.pre("fullconv train DATA --set loss.cross_entropy.class_weights=median-frequency")
    )


def _sizes(survey: Survey) -> str:
    rows = []
    for split in survey.sources:
        sizes = survey.sizes(split)
        rows += [(escape(split), f"{w} x {h}", str(count)) for (h, w), count in sizes[:12]]
        if len(sizes) > 12:
            rest = sum(count for _, count in sizes[12:])
            rows.append((escape(split), f"{len(sizes) - 12} more sizes", str(rest)))
    return html.table(("split", "width x height", "photos"), rows, {1, 2})


def _examples(survey: Survey) -> str:
    """For each class some photos, what is not of the class pale."""
    classes = next(iter(survey.sources.values())).classes
    blocks = []
    for i, name in enumerate(classes.names):
        examples = example_pictures(survey, i)
        title = f"<h3>{html.swatch(classes, i)}{escape(name)}</h3>"
        shown = "".join(_example(name, example) for example in examples)
        blocks.append(title + (f"<div class='row'>{shown}</div>" if shown else html.note("none")))
    return "".join(blocks)


def _example(name: str, example: Example) -> str:
    alt = f"{name} in {example.photo}"
    return html.figure(html.picture(example.content, alt, "jpeg"), escape(example.photo))
