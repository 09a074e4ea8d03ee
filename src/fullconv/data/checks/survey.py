"""All photos and masks of a data set, read once: the measurements behind `fullconv inspect`."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fullconv.data.checks.alignment import LEAST, Alignment, align
from fullconv.data.checks.check import findings_of
from fullconv.data.checks.check_table import CheckTable
from fullconv.data.checks.duplicates import Fingerprint, fingerprint
from fullconv.data.checks.sample_findings import SampleCheck, examine
from fullconv.data.class_weights import ClassCounts, tally
from fullconv.data.sample import Mask, Source
from fullconv.data.synthetic.shapes import Shapes
from fullconv.errors import Finding, UserError
from fullconv.visualize import as_photo


@dataclass(frozen=True, eq=False)
class SampleMeasurements:
    """The measurements of one photo and its mask.

    ``counts`` are the pixels of each class, int64 (K,), None without a mask; ``mask`` is the digest
    of a mask with borders enough to be told from others, else None.
    """

    index: int
    size: tuple[int, int]
    counts: npt.NDArray[np.int64] | None
    alignment: Alignment | None
    fingerprint: Fingerprint
    mask: bytes | None


@dataclass(frozen=True, eq=False)
class Survey:
    """The measurements of each split, and the findings of the check about single files.

    Photos with an error have no measurements.
    """

    sources: Mapping[str, Source]
    measurements: Mapping[str, Sequence[SampleMeasurements]]
    findings: Sequence[Finding]

    def counts(self, split: str) -> ClassCounts:
        """How often each class appears in a split."""
        measurements, classes = self.measurements[split], self.sources[split].classes
        counts = tally(
            (measured.counts for measured in measurements if measured.counts is not None),
            len(classes),
        )
        if not classes.is_overlapping:
            return counts
        sizes = [measured.size for measured in measurements if measured.counts is not None]
        return replace(counts, whole=sum(height * width for height, width in sizes))

    def sizes(self, split: str) -> list[tuple[tuple[int, int], int]]:
        """Sizes (height, width) of the photos and how many have each, the commonest first."""
        return Counter(measured.size for measured in self.measurements[split]).most_common()

    def file(self, split: str, index: int) -> str:
        """The mask's file, else the photo's, else the name."""
        source = self.sources[split]
        photo, mask = source.files(index)
        return str(mask or photo or source.names[index])

    def photo(self, split: str, index: int) -> str:
        """The photo's file, else its name."""
        source = self.sources[split]
        return str(source.files(index)[0] or source.names[index])


def survey(
    sources: Mapping[str, Source],
    progress: Callable[[int, int], object] | None = None,
    most: int | None = None,
) -> Survey:
    """Read every photo and mask of ``sources`` (split -> Source).

    With ``most`` at most so many of each split, evenly spread. Never raises for the content of a
    file: errors are in ``findings``.
    """
    jobs = [
        (split, index)
        for split, source in sources.items()
        for index in range(0, len(source), max(1, -(-len(source) // most)) if most else 1)
    ]
    measurements: dict[str, list[SampleMeasurements]] = {split: [] for split in sources}
    checks: dict[str, list[SampleCheck]] = {s: [SampleCheck()] * len(k) for s, k in sources.items()}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda job: _measure(sources[job[0]], job[1]), jobs)
        for done, ((split, index), (measured, checked)) in enumerate(
            zip(jobs, results, strict=True), 1
        ):
            measurements[split] += [measured] if measured else []
            checks[split][index] = checked
            if progress:
                progress(done, len(jobs))
    return Survey(sources, measurements, _findings(sources, checks, most))


def _findings(
    sources: Mapping[str, Source], checks: Mapping[str, list[SampleCheck]], most: int | None
) -> list[Finding]:
    """The findings of the check; where only some photos were read, those of single files alone."""
    files = {split: s for split, s in sources.items() if not isinstance(s, Shapes)}
    if most is None:
        return findings_of(files, {split: CheckTable.of(checks[split]) for split in files})
    return [finding for split in files for checked in checks[split] for finding in checked.findings]


def _measure(source: Source, index: int) -> tuple[SampleMeasurements | None, SampleCheck]:
    checked = examine(source, index)
    if any(finding.severity == "error" for finding in checked.findings):
        return None, checked
    try:
        sample = source[index]
    except UserError as error:
        finding = Finding(source.names[index], str(error), "", "", code=error.code)
        checked.findings.append(finding)
        return None, checked
    image, mask = sample.image, sample.mask
    size = (image.shape[0], image.shape[1])
    plain = mask is not None and mask.ndim == 2 and image.shape[2] == 3
    alignment = align(image, mask, source.classes.ignore) if plain and mask is not None else None
    digest = _digest(mask) if plain and mask is not None else None
    return SampleMeasurements(
        index, size, checked.counts, alignment, fingerprint(as_photo(image)), digest
    ), checked


def _digest(mask: Mask) -> bytes | None:
    """The digest of a mask; None for one so simple that two photos may have the same."""
    changes = int((mask[:, 1:] != mask[:, :-1]).sum()) + int((mask[1:] != mask[:-1]).sum())
    if changes < LEAST:
        return None
    return hashlib.blake2b(np.ascontiguousarray(mask).tobytes(), digest_size=16).digest()


def spread(indices: Sequence[int], most: int) -> Iterable[int]:
    """At most ``most`` of ``indices``, evenly spread."""
    if len(indices) <= most:
        return indices
    return [indices[round(i)] for i in np.linspace(0, len(indices) - 1, most)]
