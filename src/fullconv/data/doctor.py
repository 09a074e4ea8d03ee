"""The check before training: one pass over the files, all faults in one list."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data import diagnosis
from fullconv.data.faults import DataError, Fault
from fullconv.data.pairs import PairSource, size_fault
from fullconv.data.photo import probe
from fullconv.data.sample import Mask, Source
from fullconv.data.shapes import Shapes
from fullconv.data.stacked import Stacked, outputs_of
from fullconv.errors import UserError
from fullconv.inputs import COLOR

Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all."""

AVERAGED = 0.2  # share of steps through in-between values; real clean masks stay below 0.04


@dataclass
class Finding:
    """What one photo and its mask showed: pixels by value, the photo's digest, faults."""

    counts: npt.NDArray[np.int64] | None = None
    digest: bytes | None = None
    faults: list[Fault] = field(default_factory=list)


def check(sources: Mapping[str, Source], progress: Progress | None = None) -> list[Fault]:
    """Read every photo and mask of ``sources`` (split -> Source) once; all that is wrong with them.

    Errors are what training cannot use: unreadable or missing files, sizes that differ, values
    outside the classes, 0/255 masks. Warnings are what makes it worse than it looks: classes
    without pixels, masks averaged when resized, the same photo in two splits. Never raises for
    the content of a file. Generated scenes are right by construction and not looked at.
    """
    sources = {k: s for k, s in sources.items() if not isinstance(outputs_of(s)[0], Shapes)}
    jobs = [(split, index) for split, source in sources.items() for index in range(len(source))]
    findings: dict[str, list[Finding]] = {split: [] for split in sources}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda job: inspect(sources[job[0]], job[1]), jobs)
        for done, ((split, _), finding) in enumerate(zip(jobs, results, strict=True), 1):
            findings[split].append(finding)
            if progress:
                progress(done, len(jobs))
    faults: list[Fault] = []
    for split, source in sources.items():
        faults += _of_split(source, findings[split])
    return faults + _of_classes(sources, findings) + _duplicates(sources, findings)


def inspect(source: Source, index: int) -> Finding:
    """Everything that one photo, its inputs and its masks tell; faults instead of exceptions."""
    first, *others = [_inspect_pair(each, index) for each in outputs_of(source)]
    for output, other in zip(source.classes.outputs[1:], others, strict=True):
        first.faults += [fault for fault in other.faults if fault not in first.faults]
        if other.counts is None and not other.faults:
            what, mend = f"has no mask of the output {output.name!r}", "add it under its name"
            first.faults.append(Fault(source.names[index], what, "", mend))
    if first.counts is not None and all(other.counts is not None for other in others):
        first.counts = np.concatenate([first.counts, *(o.counts for o in others)])  # pyright: ignore
    else:
        first.counts = None
    if isinstance(source, Stacked):
        first.faults += _faults_of_planes(source, index)
    return first


def _faults_of_planes(source: Stacked, index: int) -> list[Fault]:
    """Further inputs that are missing, broken or of another size."""
    faults: list[Fault] = []
    if source.kinds == (COLOR,):
        return faults
    try:
        size = source.sources[0][index].image.shape[:2]
    except UserError:
        return []  # said already
    for kind in source.kinds:
        try:
            if kind != COLOR:
                source.plane(index, kind, size)
        except DataError as fault:
            faults.append(fault.fault)
        except UserError as fault:
            faults.append(Fault(source.names[index], str(fault), "", ""))
    return faults


def _inspect_pair(source: Source, index: int) -> Finding:
    finding = Finding()
    name = source.names[index]
    try:
        photo, mask_file = source.files(index)
        size, mask = _read(source, index, photo, finding)
        if mask is not None:
            _look_at(mask, source.classes, str(mask_file or name), finding)
        if size and mask is not None and mask.shape != size:
            raise size_fault(photo or Path(name), mask_file or Path(name), size, mask.shape)
    except DataError as fault:
        finding.faults.append(fault.fault)
    except UserError as fault:
        finding.faults.append(Fault(name, str(fault), "", ""))
    except Exception as fault:  # a check that dies of what it looks for is none
        what = f"cannot be read: {type(fault).__name__}: {fault}"
        finding.faults.append(Fault(name, what, "a damaged file", "replace or remove it"))
    return finding


def _read(
    source: Source, index: int, photo: Path | None, finding: Finding
) -> tuple[tuple[int, int] | None, Mask | None]:
    if photo is None:
        sample = source[index]
        finding.digest = hashlib.blake2b(sample.image.tobytes(), digest_size=16).digest()
        return (sample.image.shape[0], sample.image.shape[1]), sample.mask
    size = None
    try:
        size = probe(photo)
        finding.digest = hashlib.blake2b(photo.read_bytes(), digest_size=16).digest()
    except DataError as fault:  # look at the mask all the same: all faults in one list
        finding.faults.append(fault.fault)
    return size, source.mask(index)


def _look_at(mask: Mask, classes: ClassSet, file: str, finding: Finding) -> None:
    counts = np.bincount(mask.ravel(), minlength=classes.ignore + 1)
    finding.counts = counts[: len(classes)]
    if mask.size == counts[classes.ignore]:
        what = f"every pixel is ignored ({classes.ignore})"
        finding.faults.append(Fault(file, what, "", "label it or leave it out", "warning"))
    elif len(np.flatnonzero(counts)) > 2:
        share = diagnosis.averaged_share(mask, classes)
        if share > AVERAGED:
            what = f"{share:.0%} of its borders pass through class numbers in between"
            cause = "a mask resized with averaging, which invents classes along borders"
            mend = "export it again; resize masks with nearest only"
            finding.faults.append(Fault(file, what, cause, mend, "warning"))


def _of_split(source: Source, findings: list[Finding]) -> list[Fault]:
    """Faults of the single files, and partners that are missing."""
    faults = [fault for finding in findings for fault in finding.faults]
    without = [i for i in range(len(source)) if source.files(i)[1] is None]
    without = [i for i in without if findings[i].counts is None and not findings[i].faults]
    if len(without) == len(source) and len(source) > 1:
        cause = "mask names that differ from the photo names, or an unlabelled split"
        mend = "give each mask its photo's name, or list the pairs in a text file"
        faults.append(Fault(f"split {source.split}", "no photo has a mask", cause, mend))
    else:
        mend = "add the mask under the photo's name, or take the photo out"
        for i in without:
            file = str(source.files(i)[0] or source.names[i])
            faults.append(Fault(file, "this photo has no mask", "", mend))
    for each in outputs_of(source):
        if not isinstance(each, PairSource):
            continue
        mend = "add the photo under the mask's name, or remove the mask"
        what = "this mask has no photo"
        faults += [Fault(str(path), what, "", mend, "warning") for path in each.orphans]
    return faults


def _of_classes(
    sources: Mapping[str, Source], findings: Mapping[str, list[Finding]]
) -> list[Fault]:
    """Classes without pixels, split by split; and the usual cause where only class 0 has some."""
    faults = []
    for split, source in sources.items():
        counts = [finding.counts for finding in findings[split] if finding.counts is not None]
        if not counts:
            continue
        whole = np.sum(counts, axis=0)
        for output in source.classes.outputs:
            total, classes = whole[output.channels], output.classes
            where = f"split {split}" + (f", output {output.name}" if output.name else "")
            empty = [name for name, n in zip(classes.names, total, strict=True) if n == 0]
            if len(classes) > 1 and total[0] and not total[1:].any():
                faults.append(_only_background(where, classes))
            elif empty:
                faults.append(_empty(where, empty, total))
    return faults


def _only_background(where: str, classes: ClassSet) -> Fault:
    what = f"every labelled pixel is class 0 ({classes.names[0]!r})"
    cause = f"0/255 masks: {classes.ignore} means ignored, so the foreground is left out"
    mend = "save the foreground as 1 instead of 255"
    return Fault(where, what, cause, mend)


def _empty(where: str, empty: list[str], total: npt.NDArray[np.int64]) -> Fault:
    shown = ", ".join(empty[:8]) + (f" and {len(empty) - 8} more" if len(empty) > 8 else "")
    cause = "class numbers that start at 1" if total[0] == 0 and total[1:].all() else ""
    mend = "it cannot be learned or scored: label some, or take it out of the class file"
    return Fault(where, f"no pixel of {shown}", cause, mend, "warning")


def _duplicates(
    sources: Mapping[str, Source], findings: Mapping[str, list[Finding]]
) -> list[Fault]:
    """Photos of the same bytes in more than one split."""
    places: dict[bytes, dict[str, str]] = defaultdict(dict)
    for split, source in sources.items():
        for index, finding in enumerate(findings[split]):
            if finding.digest:
                file = str(source.files(index)[0] or source.names[index])
                places[finding.digest].setdefault(split, file)
    mend = "keep it in one of them, or the scores of the others say too much"
    return [
        Fault(file, f"the same photo is in {split} and in {first} ({place})", "", mend, "warning")
        for found in places.values()
        for (first, place), *others in [list(found.items())]
        for split, file in others
    ]


def listing(faults: list[Fault], files: int = 3) -> list[str]:
    """One line for each kind of fault, the first ``files`` files of it named, errors first."""
    kinds: dict[tuple[str, str, str], list[Fault]] = defaultdict(list)
    for fault in sorted(faults, key=lambda fault: fault.severity != "error"):
        alike = fault.cause or fault.what
        kinds[fault.severity, alike, fault.mend].append(fault)
    lines = []
    for (severity, _, _), same in kinds.items():
        shown = [str(fault.file) for fault in same[1:files]]
        more = len(same) - 1 - len(shown)
        also = f" (also {', '.join(shown)}{f' and {more} more' if more else ''})" if shown else ""
        lines.append(f"{severity}: {same[0]}{also}")
    return lines
