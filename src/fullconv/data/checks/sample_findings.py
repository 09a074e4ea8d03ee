"""One photo and its masks, looked at: all that is wrong with the files, as faults."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.checks import mask_values as diagnosis
from fullconv.data.checks.findings import DataError, Fault
from fullconv.data.layouts.pairs import size_fault
from fullconv.data.multimodal import Stacked, outputs_of
from fullconv.data.reading.image import probe
from fullconv.data.sample import Mask, Source
from fullconv.errors import UserError
from fullconv.modalities import COLOR

AVERAGED = 0.2  # share of steps through in-between values; real clean masks stay below 0.04


@dataclass
class Finding:
    """What one photo and its mask showed: pixels by value, the photo's digest, faults."""

    counts: npt.NDArray[np.int64] | None = None
    digest: bytes | None = None
    faults: list[Fault] = field(default_factory=list)


def examine(source: Source, index: int) -> Finding:
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
