"""The check of one photo and its masks: all errors and warnings about the files, as findings."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.checks import mask_values as diagnosis
from fullconv.data.layouts.pairs import size_mismatch
from fullconv.data.reading.image import probe
from fullconv.data.sample import Mask, Source
from fullconv.data.splits.multimodal import Stacked, outputs_of
from fullconv.data.splits.overlapping import counts_of_planes
from fullconv.errors import DataError, Finding, UserError
from fullconv.modalities import AS_STORED, is_of_photo

AVERAGED = 0.2  # share of steps through in-between values; real clean masks stay below 0.04


@dataclass
class SampleCheck:
    """The result for one photo and its mask: pixels by value, the photo's digest, findings.

    Of overlapping classes ``counts`` are the pixels that are of each class, ``ignored`` those that
    are ignored of each.
    """

    counts: npt.NDArray[np.int64] | None = None
    ignored: npt.NDArray[np.int64] | None = None
    digest: bytes | None = None
    findings: list[Finding] = field(default_factory=list)


def examine(source: Source, index: int) -> SampleCheck:
    """Everything that one photo, its inputs and its masks tell; findings instead of exceptions."""
    first, *others = [_inspect_pair(output_source, index) for output_source in outputs_of(source)]
    outputs = () if source.classes.is_overlapping else source.classes.outputs[1:]
    for output, other in zip(outputs, others, strict=True):
        first.findings += [finding for finding in other.findings if finding not in first.findings]
        if other.counts is None and not other.findings:
            what, fix = f"has no mask of the output {output.name!r}", "add it under its name"
            finding = Finding(source.names[index], what, "", fix, code="FC-DATA-107")
            first.findings.append(finding)
    if first.counts is not None and all(other.counts is not None for other in others):
        first.counts = np.concatenate([first.counts, *(o.counts for o in others)])  # pyright: ignore
    else:
        first.counts = None
    if isinstance(source, Stacked):
        first.findings += _findings_of_planes(source, index)
    return first


def _findings_of_planes(source: Stacked, index: int) -> list[Finding]:
    """Further inputs that are missing, broken or of another size."""
    findings: list[Finding] = []
    if all(map(is_of_photo, source.kinds)):
        return findings
    try:
        size = source.sources[0][index].image.shape[:2]
    except UserError:
        return []  # said already
    for kind in source.kinds:
        try:
            if not is_of_photo(kind):
                source.plane(index, kind, size)
        except DataError as error:
            findings.append(error.finding)
        except UserError as error:
            findings.append(Finding(source.names[index], str(error), "", "", code=error.code))
    return findings


def _inspect_pair(source: Source, index: int) -> SampleCheck:
    checked = SampleCheck()
    name = source.names[index]
    try:
        photo, mask_file = source.files(index)
        size, mask = _read(source, index, photo, checked)
        if mask is not None:
            _count_values(mask, source.classes, str(mask_file or name), checked)
        if size and mask is not None and mask.shape[:2] != size:
            files = photo or Path(name), mask_file or Path(name)
            raise size_mismatch(*files, size, mask.shape[:2])
    except DataError as error:
        checked.findings.append(error.finding)
    except UserError as error:
        checked.findings.append(Finding(name, str(error), "", "", code=error.code))
    except Exception as error:  # a check that dies of what it looks for is none
        what = f"cannot be read: {type(error).__name__}: {error}"
        cause, fix = "a damaged file", "replace or remove it"
        checked.findings.append(Finding(name, what, cause, fix, code="FC-DATA-116"))
    return checked


def _read(
    source: Source, index: int, photo: Path | None, checked: SampleCheck
) -> tuple[tuple[int, int] | None, Mask | None]:
    if photo is None:
        sample = source[index]
        checked.digest = hashlib.blake2b(sample.image.tobytes(), digest_size=16).digest()
        return (sample.image.shape[0], sample.image.shape[1]), sample.mask
    size = None
    try:
        size = probe(photo, options=getattr(source, "options", AS_STORED))
        checked.digest = hashlib.blake2b(photo.read_bytes(), digest_size=16).digest()
    except DataError as error:  # look at the mask all the same: all findings in one list
        checked.findings.append(error.finding)
    return size, source.mask(index)


def _count_values(mask: Mask, classes: ClassSet, file: str, checked: SampleCheck) -> None:
    counts = np.bincount(mask.ravel(), minlength=classes.ignore + 1)
    checked.counts = counts[: len(classes)]
    if classes.is_overlapping:
        _, checked.counts, checked.ignored = counts_of_planes(mask, len(classes))
    if mask.size == counts[classes.ignore]:
        what = f"every pixel is ignored ({classes.ignore})"
        fix = "label it or leave it out"
        checked.findings.append(Finding(file, what, "", fix, "warning", "FC-DATA-111"))
    elif len(np.flatnonzero(counts)) > 2 and not classes.is_overlapping:
        share = diagnosis.averaged_share(mask, classes)
        if share > AVERAGED:
            what = f"{share:.0%} of its borders pass through class numbers in between"
            cause = "a mask resized with averaging, which invents classes along borders"
            fix = "export it again; resize masks with nearest only"
            checked.findings.append(Finding(file, what, cause, fix, "warning", "FC-DATA-112"))
