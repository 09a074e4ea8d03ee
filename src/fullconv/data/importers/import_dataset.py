"""From a labelling tool's export to a folder data set, whole or not at all."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.checks.check import listing
from fullconv.data.export_folder import mask_png
from fullconv.data.importers import import_report as reports
from fullconv.data.importers.annotations import IGNORE, Export, Item, Note
from fullconv.data.importers.class_masks import overlapping, paint_classes
from fullconv.data.importers.export_files import listed_once
from fullconv.data.importers.import_report import Report, label_counts
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.mapping.assign_splits import assign
from fullconv.data.importers.mapping.class_mapping import Plan, plan
from fullconv.data.importers.photos.photo_copy import UPRIGHT, PhotoFile, upright
from fullconv.data.importers.registry import recognise
from fullconv.data.reading.walk import composed
from fullconv.data.sample import Mask
from fullconv.errors import DataError, Finding, UserError, UserErrors
from fullconv.files.atomic import folder_atomically
from fullconv.parsing import parser_errors

LONGEST = 255
"""Bytes of a file's or folder's name, on every usual file system."""
Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all."""


@dataclass
class Done:
    """What one photo gave: pixels by label number, shapes by label; or a finding, or neither."""

    pixels: Sequence[int] = ()
    shapes: dict[str, int] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    finding: Finding | None = None


def import_data(
    source: str | Path,
    out: str | Path,
    request: Request | None = None,
    format: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Make the folder data set ``out`` of the photos and labels in ``source``.

    ``format`` is a name in `importers`, recognised where left out. ``out`` must not be there, or be
    empty; it appears when everything is in it, with the report in two files. Raises UserError
    naming the files that cannot be used; with ``request.skip`` they are left out and stand in the
    report.
    """
    source, out = Path(source).expanduser(), Path(out).expanduser()
    request = request or Request()
    importer = recognise(source, format)
    with folder_atomically(out) as folder:
        what = f"cannot be read as {importer.name}"
        fix = "export it again"
        if format is not None and not importer.recognise(source):
            fix = f"it is not recognised as {format}: docs/import.md says which files that has"
        with listed_once(), parser_errors(source, what, "FC-IMPORT-004", fix):
            export = _once(importer.read(source, request))
        _stop_at(export.findings, request)
        if not export.items:
            raise UserError(
                f"{source}: no labelled photo is in it ({importer.name})", "FC-IMPORT-026"
            )
        planned = plan(export, request)
        if request.task == "multilabel":
            planned = overlapping(planned)
        splits, notes = assign(export.items, request)
        _distinct(export.items, splits)
        done = _all(export.items, splits, folder, planned, request, progress)
        findings = [*export.findings, *(photo.finding for photo in done if photo.finding)]
        _stop_at(findings, request)
        notes = [
            *notes,
            *export.notes,
            *planned.notes,
            *(note for photo in done for note in photo.notes),
        ]
        notes += [Note("faulty", finding.file, finding.what) for finding in findings]
        report = _report(source, importer.name, out, planned, splits, done, notes)
        (folder / "classes.toml").write_text(planned.classes.to_toml(), "utf-8")
        reports.save(report, folder)
    return report


def _stop_at(findings: Sequence[Finding], request: Request) -> None:
    """All that cannot be used at once, one line for each kind."""
    if not findings or request.skip:
        return
    lines = [line.removeprefix("error: ") for line in listing(list(findings))]
    files = f"{len(findings)} files" if len(findings) > 1 else "this file"
    last = f"nothing is written; --skip leaves {files} out and says so in the report"
    codes = {finding.code for finding in findings}
    code = codes.pop() if len(codes) == 1 else "FC-IMPORT-030"
    lines = [line.removesuffix(f" [{code}]") for line in lines]
    raise UserErrors([f"{lines[0]}; {last}"] if len(lines) == 1 else [*lines, last], code)


def _once(export: Export) -> Export:
    """One label file for each photo, which must not be in two splits, or labelled in two ways.

    The one that lies beside the photo, else the first; the others are findings.
    """
    first: dict[object, Item] = {}
    findings = list(export.findings)
    for item in sorted(export.items, key=lambda item: not _is_beside(item)):
        known = first.setdefault(item.photo, item)
        if known is not item:
            what = f"labels the photo {item.photo}, which {known.file} labels too"
            cause = "a copy, lists that overlap, or its own photo is missing"
            fix = "keep one of the two"
            findings.append(Finding(item.file, what, cause, fix, code="FC-IMPORT-025"))
    items = tuple(item for item in export.items if first[item.photo] is item)
    return replace(export, items=items, findings=tuple(findings))


def _is_beside(item: Item) -> bool:
    return isinstance(item.photo, Path) and item.photo.parent == Path(item.file).parent


def _distinct(items: Sequence[Item], splits: Sequence[str]) -> None:
    """Two photos must not want the same place."""
    places: dict[tuple[str, str], Item] = {}
    for item, split in zip(items, splits, strict=True):
        first = places.setdefault((split, composed(item.name).casefold()), item)
        if first is not item:
            raise UserError(
                f"{item.file}: its photo would be called {item.name!r}, and so would that of "
                f"{first.file}; rename one of the two photos, or import them apart",
                "FC-IMPORT-024",
            )


def _all(
    items: Sequence[Item],
    splits: Sequence[str],
    folder: Path,
    planned: Plan,
    request: Request,
    progress: Progress | None,
) -> list[Done]:
    """Every photo, several at a time: reading and packing pictures needs no interpreter."""
    jobs = list(zip(items, splits, strict=True))
    done: list[Done] = []
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        for photo in pool.map(lambda job: _one(job[0], job[1], folder, planned, request), jobs):
            done.append(photo)
            if progress:
                progress(len(done), len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
    return done


def _one(item: Item, split: str, folder: Path, planned: Plan, request: Request) -> Done:
    """Write a photo and its mask; a finding of theirs is told, not raised."""
    try:
        photo = PhotoFile(item)
        size = photo.drawn_size(request.exif)
        if planned.classes.is_overlapping:
            drawn = paint_classes(item.labelling, size, planned)
            masks, pixels, painted = drawn.masks, drawn.pixels, drawn.painted
        else:
            painted = item.labelling.paint(size, planned.numbers())
            masks = planned.table()[painted.numbers]
            pixels = np.bincount(painted.numbers.ravel(), minlength=len(planned.becomes) + 1)
        done = Done([int(n) for n in pixels], dict(painted.shapes), list(painted.notes))
        return _write(item, split, photo, masks, done, folder, planned, request)
    except DataError as error:
        return Done(finding=error.finding)


def _write(
    item: Item,
    split: str,
    photo: PhotoFile,
    mask: Mask,
    done: Done,
    folder: Path,
    planned: Plan,
    request: Request,
) -> Done:
    """Write them, and what is said of it; nothing of a photo that is ignored everywhere."""
    if photo.orientation != UPRIGHT and request.exif == "stored":
        mask = upright(mask, photo.orientation)
    elif photo.orientation != UPRIGHT:
        done.notes.append(Note("turned", photo.name))
    if (mask == planned.classes.ignore).all():
        return Done(notes=[Note("ignored", photo.name)])
    _fits(item, photo)
    photo.put(folder / "images" / split / f"{item.name}{photo.suffix}", request.link)
    for place, plane, classes in _files(mask, planned.classes):
        path = folder / "masks" / split / place / f"{item.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mask_png(np.ascontiguousarray(plane), classes))
    return done


def _files(mask: Mask, classes: ClassSet) -> Iterator[tuple[str, Mask, ClassSet]]:
    """The folder, the values and the classes of each file: one, or one for each of the classes."""
    if not classes.is_overlapping:
        yield "", mask, classes
        return
    for place, output in enumerate(classes.outputs):
        yield classes.names[place], mask[..., place], output.classes


def _fits(item: Item, photo: PhotoFile) -> None:
    """DataError where a name is longer than a file's: folders come from the labels' file."""
    for part in Path(f"{item.name}{photo.suffix}").parts:
        if len(os.fsencode(part)) > LONGEST:
            what = f"its photo would be called '{part[:40]}...', {len(os.fsencode(part))} bytes"
            fix = f"shorten the name there: a file's or folder's has at most {LONGEST}"
            raise DataError(item.file, what, "", fix, "FC-IMPORT-024")


def _report(
    source: Path,
    format: str,
    out: Path,
    planned: Plan,
    splits: Sequence[str],
    done: Sequence[Done],
    notes: Sequence[Note],
) -> Report:
    written = [(split, photo) for split, photo in zip(splits, done, strict=True) if photo.pixels]
    if not written:
        raise UserError(f"{source}: no photo is left that has a pixel of a class", "FC-IMPORT-026")
    tallies = [(photo.pixels, photo.shapes) for _, photo in written]
    labels = label_counts(planned.becomes, planned.unlabelled, tallies)
    photos = Counter(split for split, _ in written)
    counts = {split: photos[split] for split in dict.fromkeys(("train", "val", "test", *photos))
              if photos[split]}  # fmt: skip
    report = Report(str(source), format, str(out), counts, planned.classes, labels, notes)
    empty = report.without_pixels()
    if not empty:
        return report
    what = ", ".join(empty)
    if planned.unlabelled in empty:
        what += f" (to do without {planned.unlabelled}: --background {IGNORE})"
    return replace(report, notes=[*notes, Note("no pixel", "", what, len(empty))])
