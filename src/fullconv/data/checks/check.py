"""The check before training: one pass over the files, all findings in one list."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet, check_several
from fullconv.data.checks.check_table import CheckTable
from fullconv.data.checks.examine_many import examined
from fullconv.data.checks.known_checks import KnownChecks
from fullconv.data.checks.sample_findings import SampleCheck
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.path_list import PathList
from fullconv.data.sample import Source
from fullconv.data.splits.multimodal import outputs_of
from fullconv.data.synthetic.shapes import Shapes
from fullconv.errors import Finding, UserError

Progress = Callable[[int, int], object]
"""Called with the photos done and the photos in all."""

TRAIN = "train"


def check(
    sources: Mapping[str, Source],
    progress: Progress | None = None,
    counted: Callable[[int, int], object] | None = None,
    again: bool = False,
) -> list[Finding]:
    """Read every photo and mask of ``sources`` (split -> Source) once; all that is wrong with them.

    Errors are what training cannot use: unreadable or missing files, sizes that differ, values
    outside the classes, 0/255 masks, a single class. Warnings are what makes it worse than it
    looks: classes without pixels, masks averaged when resized, the same photo in two splits, photos
    in no split. Notes say what is left out. Never raises for the content of a file. Generated
    scenes are right by construction and not looked at.

    Photos whose files are as they were at the last check, by path, size and time of change, are not
    read again, unless ``again``; ``counted`` is called with the photos that were read, and all.
    Many photos are read by as many processes as there are cores.
    """
    sources = {k: s for k, s in sources.items() if not isinstance(outputs_of(s)[0], Shapes)}
    known = {split: KnownChecks.of(source) for split, source in sources.items()}
    for of_split in known.values() if again else ():
        of_split.forget()
    jobs = [(split, number) for split, of_split in known.items() for number in of_split.unknown]
    total = sum(map(len, sources.values()))
    checks: dict[str, list[SampleCheck]] = {split: [] for split in sources}
    results = examined(sources, jobs)
    for done, ((split, _), checked) in enumerate(zip(jobs, results, strict=True), 1):
        checks[split].append(checked)
        if progress:
            progress(total - len(jobs) + done, total)
    tables = {split: of_split.completed(checks[split]) for split, of_split in known.items()}
    if counted:
        counted(len(jobs), total)
    return findings_of(sources, tables)


def counted_line(read: int, total: int) -> str:
    """How many photos a check has read; empty where it were all."""
    if read == total:
        return ""
    unchanged = f"{total - read} of {total} photos are unchanged since the last check"
    return f"{unchanged}; {read} new or changed ones were read"


def findings_of(sources: Mapping[str, Source], checks: Mapping[str, CheckTable]) -> list[Finding]:
    """The findings of single files, and those that only all the ``checks`` together show."""
    findings: list[Finding] = []
    for split, source in sources.items():
        findings += _single_class(source) + _of_split(source, checks[split])
    findings += _of_classes(sources, checks) + _duplicates(sources, checks)
    return list(dict.fromkeys(findings))


def _single_class(source: Source) -> list[Finding]:
    try:
        check_several(source.classes)
    except UserError as error:
        return [Finding("the class file", str(error), "", "", code=error.code)]
    return []


def _of_split(source: Source, checks: CheckTable) -> list[Finding]:
    """Findings of the single files, and partners that are missing."""
    findings = [finding for of_photo in checks.findings.values() for finding in of_photo]
    without = [i for i in _without_mask(source) if not checks.counts.has[i]]
    without = [i for i in without if i not in checks.findings]
    if len(without) == len(source) and len(source) > 1:
        cause = "mask names that differ from the photo names, or an unlabelled split"
        fix = "give each mask its photo's name, or list the pairs in a text file"
        what = "no photo has a mask"
        findings.append(Finding(f"split {source.split}", what, cause, fix, code="FC-DATA-107"))
    else:
        fix = "add the mask under the photo's name, or take the photo out"
        for i in without:
            file = str(source.files(i)[0] or source.names[i])
            findings.append(Finding(file, "this photo has no mask", "", fix, code="FC-DATA-107"))
    for output in outputs_of(source):
        if not isinstance(output, PairSource):
            continue
        fix = "add the photo under the mask's name, or remove the mask"
        what, code = "this mask has no photo", "FC-DATA-108"
        findings += [Finding(str(path), what, "", fix, "warning", code) for path in output.orphans]
        findings += output.findings
    return findings


def _without_mask(source: Source) -> list[int]:
    """The photos without a file for their mask."""
    first = outputs_of(source)[0]
    if isinstance(first, PairSource):
        return np.flatnonzero(~PathList.of(first.masks).has).tolist()
    return [index for index in range(len(source)) if source.files(index)[1] is None]


def _of_classes(sources: Mapping[str, Source], checks: Mapping[str, CheckTable]) -> list[Finding]:
    """Classes without pixels, split by split; and the usual cause where only class 0 has some."""
    by_split = {split: checks[split].counts.total() for split in sources}
    totals = {split: total for split, total in by_split.items() if total is not None}
    findings = []
    for split, whole in totals.items():
        elsewhere = {other: total for other, total in totals.items() if other != split}
        if sources[split].classes.is_overlapping:
            classes = sources[split].classes
            only_ignored = _only_ignored(split, classes, whole, checks[split])
            findings += only_ignored or _empty(f"split {split}", split, classes, whole, elsewhere)
            continue
        for output in sources[split].classes.outputs:
            total, classes = whole[output.channels], output.classes
            where = f"split {split}" + (f", output {output.name}" if output.name else "")
            if len(classes) > 1 and total[0] and not total[1:].any():
                findings.append(_only_background(where, classes))
            elif not total.all():
                others = {k: v[output.channels] for k, v in elsewhere.items()}
                findings += _empty(where, split, classes, total, others)
    return findings


def _only_background(where: str, classes: ClassSet) -> Finding:
    what = f"every labelled pixel is class 0 ({classes.names[0]!r})"
    cause = f"0/255 masks: {classes.ignore} means ignored, so the foreground is left out"
    fix = "save the foreground as 1 instead of 255, as fullconv check DATA --fix OUT does in a copy"
    return Finding(where, what, cause, fix, code="FC-DATA-114")


def _only_ignored(
    split: str,
    classes: ClassSet,
    present: npt.NDArray[np.int64],
    checks: CheckTable,
) -> list[Finding]:
    """Overlapping classes of which no mask has a pixel, but some have ignored ones: 0/255 masks."""
    ignored = checks.ignored.total()
    if ignored is None:
        return []
    findings = []
    for name, pixels, unknown in zip(classes.names, present, ignored, strict=True):
        if unknown and not pixels:
            what = f"the masks of {name!r} have the values 0 and {classes.ignore} alone"
            cause = f"0/255 masks: {classes.ignore} means ignored, so the class is left out"
            fix = "save it as 1 instead of 255, or write ignore = 254 into classes.toml"
            findings.append(Finding(f"split {split}", what, cause, fix, code="FC-DATA-114"))
    return findings


def _empty(
    where: str,
    split: str,
    classes: ClassSet,
    total: npt.NDArray[np.int64],
    others: Mapping[str, npt.NDArray[np.int64]],
) -> list[Finding]:
    """Classes that ``split`` lacks: those that other splits have apart, where it is the one that is
    learned from."""
    missing = {name for name, n in zip(classes.names, total, strict=True) if n == 0}
    if split in (TRAIN, "val") and len(missing) == len(classes) and not classes.is_overlapping:
        what = f"no pixel is labelled: all are ignored ({classes.ignore})"
        fix = "label some pixels, or export the masks again"
        return [Finding(where, what, "", fix, code="FC-DATA-111")]
    findings = []
    for other, counts in others.items() if split == TRAIN else ():
        there = [n for n, k in zip(classes.names, counts, strict=True) if k and n in missing]
        missing -= set(there)
        if there:
            what = f"no pixel of {_listed(there)}, which {other} has"
            fix = f"move photos that show it from {other} to {split}: it is scored, never learned"
            findings.append(Finding(where, what, "", fix, "warning", "FC-DATA-113"))
    if missing:
        names = [name for name in classes.names if name in missing]
        starts_at_1 = total[0] == 0 and total[1:].all() and not classes.is_overlapping
        cause = "class numbers that start at 1" if starts_at_1 else ""
        if starts_at_1 and 0 in classes.background:
            cause += ", or no pixel is left without another class"
        fix = "it cannot be learned or scored: label some, or take it out of the class file"
        what = f"no pixel of {_listed(names)}"
        findings.append(Finding(where, what, cause, fix, "warning", "FC-DATA-113"))
    return findings


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


def _duplicates(sources: Mapping[str, Source], checks: Mapping[str, CheckTable]) -> list[Finding]:
    """Photos of the same bytes in more than one split."""
    first = {split: checks[split].first_by_digest() for split in sources}
    splits_of = Counter(digest for of_split in first.values() for digest in of_split)
    places: dict[bytes, dict[str, str]] = defaultdict(dict)
    for split, source in sources.items():
        for digest, index in first[split].items():
            if splits_of[digest] > 1:
                places[digest][split] = str(source.files(index)[0] or source.names[index])
    fix, code = "keep it in one of them, or the scores of the others say too much", "FC-DATA-115"
    findings = []
    for files in places.values():
        (first_split, place), *others = files.items()
        for split, file in others:
            what = f"the same photo is in {split} and in {first_split} ({place})"
            findings.append(Finding(file, what, "", fix, "warning", code))
    return findings


_ORDER = ("error", "warning", "note")


def counts_line(findings: Sequence[Finding]) -> str:
    """'errors: 2, warnings: 0', and the notes where there are any."""
    counts = Counter(finding.severity for finding in findings)
    notes = f", notes: {counts['note']}" if counts["note"] else ""
    return f"errors: {counts['error']}, warnings: {counts['warning']}{notes}"


def listing(findings: list[Finding], files: int = 3) -> list[str]:
    """One line for each kind of finding, the first ``files`` files of it named, errors first."""
    kinds: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in sorted(findings, key=lambda finding: _ORDER.index(finding.severity)):
        alike = finding.cause or finding.what
        kinds[finding.severity, alike, finding.fix].append(finding)
    lines = []
    for (severity, _, _), same in kinds.items():
        shown = [finding.place for finding in same[1:files]]
        more = len(same) - 1 - len(shown)
        also = f" (also {', '.join(shown)}{f' and {more} more' if more else ''})" if shown else ""
        code = f" [{same[0].code}]" if same[0].code else ""
        lines.append(f"{severity}: {same[0]}{also}{code}")
    return lines
