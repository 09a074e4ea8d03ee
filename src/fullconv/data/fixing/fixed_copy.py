"""A copy of a data set in which every error with one safe correction is corrected."""

import io
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from fullconv.classes import ClassSet
from fullconv.data.export_folder import mask_png
from fullconv.data.fixing.ambiguous_values import ambiguity
from fullconv.data.fixing.size_rules import fitted
from fullconv.data.fixing.value_rules import (
    Stored,
    ValueRule,
    colors_known,
    numbers_of,
    value_rule,
)
from fullconv.data.layouts.listing import ALL
from fullconv.data.layouts.pairs import PairSource, size_mismatch
from fullconv.data.mask_classes import mask_of
from fullconv.data.reading.image import probe
from fullconv.data.reading.mask import read_mask, stored_values
from fullconv.data.reading.modality_files import plane_file
from fullconv.data.reading.orientation import orientation
from fullconv.data.reading.recognize_file import tiff_of
from fullconv.data.reading.tiff import WHITE_IS_ZERO
from fullconv.data.sample import Mask, Source
from fullconv.errors import DataError, Finding, UserError
from fullconv.files.atomic import write_atomically
from fullconv.modalities import AS_STORED, KINDS, ReadOptions, is_of_photo

BLACK = (0, 0, 0)
AS_PIXELS = "class numbers saved as RGB are now one channel"
MIRRORED = "red and blue of the mask's colors were exchanged"
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class FixedMask:
    """A corrected mask: its file, and what was corrected, in words."""

    split: str
    name: str
    file: str
    says: tuple[str, ...]


@dataclass
class FixReport:
    """What a copy has: its ``classes``, and ``of_classes``, what was corrected in their file, in
    words; the masks that were ``fixed``, the errors of photos that were ``left_out``, and the
    photos ``copied`` of each split."""

    classes: ClassSet
    of_classes: tuple[str, ...] = ()
    fixed: list[FixedMask] = field(default_factory=list)
    left_out: list[Finding] = field(default_factory=list)
    copied: Counter[str] = field(default_factory=Counter)


Seen = Callable[[FixedMask, Path, Stored, Mask], object]
"""Called for each corrected mask with the photo's file, the stored mask and the corrected one."""


def write_fixed(
    sources: Mapping[str, Source],
    out: Path,
    options: ReadOptions = AS_STORED,
    progress: Progress | None = None,
    seen: Seen | None = None,
    unlabelled: Collection[int] = (),
) -> FixReport:
    """Write ``sources`` (split -> Source) as a folder data set into ``out``, an empty folder.

    Photos are copied byte by byte, so are masks without an error; a corrected mask is a PNG of its
    class values. A photo that no correction makes usable is left out and named; one that a list
    names twice is copied once. ``options`` say how photos are read and go into the class file.
    ``unlabelled`` are mask values of unlabelled pixels beside the class file's. Nothing of
    ``sources`` is changed. Raises UserError where no photo is left, where it is ambiguous what the
    masks' numbers mean, or ``out`` cannot be written.
    """
    report, taken, files = FixReport(*fixed_classes(sources)), set(), set()
    if report.of_classes:
        sources = {
            split: replace(source, classes=report.classes)
            if isinstance(source, PairSource)
            else source
            for split, source in sources.items()
        }
    total, done = sum(map(len, sources.values())), 0
    rule = _rule(sources, bool(report.of_classes), unlabelled)
    for split, source in sources.items():
        for place in range(len(source)):
            done += 1
            if (photo := source.files(place)[0]) is not None and (split, photo) in files:
                continue
            files.add((split, photo))
            name = _name(source, place, split, taken)
            try:
                _write_pair(source, place, rule, out, name, report, seen)
            except DataError as error:
                report.left_out.append(error.finding)
            if progress:
                progress(done, total)
    if not report.copied:
        raise UserError(
            "no photo of the data set can be corrected: see what fullconv check says of each",
            "FC-FIX-001",
        )
    write_atomically(out / "classes.toml", _options_toml(options) + report.classes.to_toml())
    return report


def fixed_classes(sources: Mapping[str, Source]) -> tuple[ClassSet, tuple[str, ...]]:
    """The classes of the copy, and what was corrected: a single class gets a background before it,
    which a net cannot be trained without."""
    classes = next(iter(sources.values())).classes
    if len(classes) > 1 or classes.is_overlapping or classes.background:
        return classes, ()
    name, color = classes.names[0], classes.colors[0]
    apart = len({BLACK, color, classes.ignore_color}) == 3
    both = ClassSet(
        ("background", name),
        colors=(BLACK, color) if apart else (),
        ignore=classes.ignore if classes.ignore > 1 else 255,
        ignore_color=classes.ignore_color,
    )
    return both, (f"class file: 'background' is added as class 0, {name!r} is class 1",)


def _rule(
    sources: Mapping[str, Source], background_added: bool, unlabelled: Collection[int]
) -> ValueRule:
    """One rule for the masks of all splits, which were written by the same program."""
    classes = next(iter(sources.values())).classes
    numbers, colors = _values(sources)
    present, values = numbers + colors, frozenset().union(*numbers)
    for value in unlabelled:
        if value not in values:
            shown = f"they have {_listed(values)}" if values else "they have colors"
            raise UserError(
                f"--ignore {value}: no mask has this value; {shown}",
                "FC-FIX-004",
            )
    rule = value_rule(present, classes, unlabelled)
    if what := ambiguity(present, classes, rule, unlabelled, background_added):
        raise UserError(what, "FC-FIX-003")
    return rule


def _listed(values: Iterable[int]) -> str:
    shown = [str(value) for value in sorted(values)]
    return ", ".join(shown if len(shown) <= 20 else [*shown[:19], f"and {len(shown) - 19} more"])


def _values(
    sources: Mapping[str, Source],
) -> tuple[list[frozenset[int]], list[frozenset[int]]]:
    """The values of each mask of numbers that can be read, and the classes of each of colors."""
    numbers: list[frozenset[int]] = []
    colors: list[frozenset[int]] = []
    for source in sources.values():
        for place in range(len(source)):
            with suppress(UserError):
                stored, _ = _stored(source, place)
                own = None if stored is None else numbers_of(stored, source.classes)
                if own is not None:
                    numbers.append(frozenset(np.unique(own).tolist()))
                elif (mask := source.mask(place)) is not None:
                    colors.append(frozenset(np.unique(mask).tolist()))
    return numbers, colors


def _stored(source: Source, place: int) -> tuple[Stored | None, Path | None]:
    """A mask as its file has it, and the file; None for the first where it is read otherwise."""
    file = source.files(place)[1]
    if file is None or getattr(source, "read", None) is not read_mask or _is_masked(file):
        return None, file
    return stored_values(file, options=getattr(source, "options", AS_STORED)), file


def _is_masked(file: Path) -> bool:
    """Whether a TIFF's values are not all: it has a mask of its own, or 0 is white."""
    tiff = tiff_of(file) if file.suffix.lower() in (".tif", ".tiff") else None
    return tiff is not None and (tiff.has_mask or tiff.first.photometric == WHITE_IS_ZERO)


def _write_pair(
    source: Source,
    place: int,
    rule: ValueRule,
    out: Path,
    name: str,
    report: FixReport,
    seen: Seen | None,
) -> None:
    """Copy one photo with its mask, corrected; DataError where they cannot be used."""
    photo, file = source.files(place)
    size = _photo_size(source, place)
    stored, mask, says = _corrected_values(source, place, rule, report.classes)
    if mask is None:
        raise DataError(photo or source.names[place], "this photo has no mask", "",
                        "add the mask under the photo's name", "FC-DATA-107")  # fmt: skip
    placed = fitted(mask, size, orientation(photo) if photo else 1)
    if placed is None:
        raise size_mismatch(photo or Path(name), file or Path(name), size, mask.shape)
    mask, sized = placed
    target = out / "masks" / f"{name}.png"
    corrections = (*says, *sized)
    if not corrections and file is not None and stored is not None:
        _copy(file, target.with_suffix(file.suffix.lower()))
    else:
        write_atomically(target, mask_png(mask, report.classes))
    _copy_photo(source, place, out, name)
    split = source.split
    report.copied[split] += 1
    if corrections:
        fixed = FixedMask(split, source.names[place], str(file or name), corrections)
        report.fixed.append(fixed)
        if seen and photo is not None:
            seen(fixed, photo, mask if stored is None else stored, mask)


def _corrected_values(
    source: Source, place: int, rule: ValueRule, classes: ClassSet
) -> tuple[Stored | None, Mask | None, tuple[str, ...]]:
    """A mask as stored, its class values, and what was corrected; DataError where none is sure."""
    stored, file = _stored(source, place)
    if stored is None:
        return None, source.mask(place), ()
    numbers = numbers_of(stored, classes)
    if numbers is None:
        if not colors_known(stored, classes) and colors_known(stored[..., ::-1], classes):
            return stored, mask_of(stored[..., ::-1], classes, str(file)), (MIRRORED,)
        return stored, source.mask(place), ()
    mask = rule.applied(numbers, classes)
    if mask is None:
        return stored, source.mask(place), ()  # raises the error that the check has
    changed = not np.array_equal(mask, numbers)
    says = rule.says if changed else ()
    return stored, mask, (*says, *((AS_PIXELS,) if stored.ndim == 3 else ()))


def _photo_size(source: Source, place: int) -> tuple[int, int]:
    photo = source.files(place)[0]
    if photo is None:
        height, width = source[place].image.shape[:2]
        return height, width
    return probe(photo, options=getattr(source, "options", AS_STORED))


def _copy_photo(source: Source, place: int, out: Path, name: str) -> None:
    """The photo's own file, with its further inputs; of a photo without a file a PNG."""
    photo = source.files(place)[0]
    if photo is None:
        file = io.BytesIO()
        Image.fromarray(source[place].image).save(file, "PNG")
        write_atomically(out / "images" / f"{name}.png", file.getvalue())
        return
    _copy(photo, _with_suffix(out / "images" / name, photo))
    for kind in (kind for kind in KINDS if not is_of_photo(kind)):
        plane = plane_file(photo, kind)
        if plane.is_file() and plane != photo:
            _copy(plane, _with_suffix(out / kind / name, plane))


def _with_suffix(path: Path, like: Path) -> Path:
    return path.with_name(path.name + like.suffix.lower())


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def _name(source: Source, place: int, split: str, taken: set[str]) -> str:
    """Where the photo lies below ``images/``: SPLIT/NAME, no parts that lead out, no name twice."""
    parts = PurePosixPath(source.names[place].replace("\\", "/")).parts
    safe = [part.lstrip(".") for part in parts if part != "/" and not part.endswith(":")]
    safe = [part for part in safe if part]
    folder = [] if split == ALL else [split]
    name = "/".join([*folder, *(safe or ["photo"])])
    unique, number = name, 1
    while unique.casefold() in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique.casefold())
    return unique


def _options_toml(options: ReadOptions) -> str:
    """How photos are read, as the class file says it."""
    lines = []
    if options.bands is not None:
        lines.append(f"bands = {list(options.bands)}")
    if options.range is not None:
        lines.append(f"range = {list(options.range)}")
    return "".join(f"{line}\n" for line in lines)
