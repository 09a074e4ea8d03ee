"""The check before training: one pass over the files, all faults in one list."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.checks.findings import Fault
from fullconv.data.checks.sample_findings import Finding, examine
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.multimodal import outputs_of
from fullconv.data.sample import Source
from fullconv.data.synthetic.shapes import Shapes

Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all."""

TRAIN = "train"


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
        results = pool.map(lambda job: examine(sources[job[0]], job[1]), jobs)
        for done, ((split, _), finding) in enumerate(zip(jobs, results, strict=True), 1):
            findings[split].append(finding)
            if progress:
                progress(done, len(jobs))
    return faults_of(sources, findings)


def faults_of(sources: Mapping[str, Source], findings: Mapping[str, list[Finding]]) -> list[Fault]:
    """The faults of single files, and those that only all the ``findings`` together show."""
    faults: list[Fault] = []
    for split, source in sources.items():
        faults += _of_split(source, findings[split])
    return faults + _of_classes(sources, findings) + _duplicates(sources, findings)


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
    totals: dict[str, npt.NDArray[np.int64]] = {}
    for split in sources:
        counts = [finding.counts for finding in findings[split] if finding.counts is not None]
        if counts:
            totals[split] = np.sum(counts, axis=0)
    faults = []
    for split, whole in totals.items():
        elsewhere = {other: total for other, total in totals.items() if other != split}
        for output in sources[split].classes.outputs:
            total, classes = whole[output.channels], output.classes
            where = f"split {split}" + (f", output {output.name}" if output.name else "")
            if len(classes) > 1 and total[0] and not total[1:].any():
                faults.append(_only_background(where, classes))
            elif not total.all():
                others = {k: v[output.channels] for k, v in elsewhere.items()}
                faults += _empty(where, split, classes, total, others)
    return faults


def _only_background(where: str, classes: ClassSet) -> Fault:
    what = f"every labelled pixel is class 0 ({classes.names[0]!r})"
    cause = f"0/255 masks: {classes.ignore} means ignored, so the foreground is left out"
    mend = "save the foreground as 1 instead of 255"
    return Fault(where, what, cause, mend)


def _empty(
    where: str,
    split: str,
    classes: ClassSet,
    total: npt.NDArray[np.int64],
    others: Mapping[str, npt.NDArray[np.int64]],
) -> list[Fault]:
    """Classes that ``split`` lacks: those that other splits have apart, where it is the one that is
    learned from."""
    missing = {name for name, n in zip(classes.names, total, strict=True) if n == 0}
    faults = []
    for other, counts in others.items() if split == TRAIN else ():
        there = [n for n, k in zip(classes.names, counts, strict=True) if k and n in missing]
        missing -= set(there)
        if there:
            what = f"no pixel of {_listed(there)}, which {other} has"
            mend = f"move photos that show it from {other} to {split}: it is scored, never learned"
            faults.append(Fault(where, what, "", mend, "warning"))
    if missing:
        names = [name for name in classes.names if name in missing]
        cause = "class numbers that start at 1" if total[0] == 0 and total[1:].all() else ""
        mend = "it cannot be learned or scored: label some, or take it out of the class file"
        faults.append(Fault(where, f"no pixel of {_listed(names)}", cause, mend, "warning"))
    return faults


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


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
