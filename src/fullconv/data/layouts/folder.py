"""``images/`` and ``masks/`` folders: the layout for one's own photos."""

import glob
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from fullconv.classes import ClassSet
from fullconv.classes.class_files import read_classes
from fullconv.data.layouts.find_class_file import NAMES, classes_in
from fullconv.data.layouts.listing import ALL, USUAL, Layout, read_lines, usual_first, usual_name
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.reading.formats import HEIC_SUFFIXES, SUFFIXES
from fullconv.data.reading.walk import (
    HIDDEN,
    READ_ALREADY,
    Walk,
    composed,
    has_file,
    is_debris,
    subfolders,
    walk,
)
from fullconv.errors import DataError, Finding, UserError, printable
from fullconv.parsing import decode_text

IMAGES, MASKS = "images", "masks"
NAMED = 3  # files that a finding about several names


def looks_like(data: Path) -> bool:
    """``images/`` with ``masks/`` beside it."""
    return (data / IMAGES).is_dir() and (data / MASKS).is_dir()


def splits(data: Path) -> list[str]:
    """``SPLIT.txt`` lists, else split folders under ``images/``; 'all' where there is neither.

    Folders of other names than splits usually have are parts of 'all' where photos lie beside them.
    """
    lists = lists_of(data)
    if lists:
        return sorted(lists, key=usual_first)
    folders = split_folders(data / IMAGES)
    if _loose(data / IMAGES) and not any(usual_name(name) in USUAL for name in folders):
        return [ALL]
    return folders or [ALL]


def lists_of(data: Path) -> dict[str, Path]:
    """The lists of the splits, by the names of the splits."""
    return {path.stem: path for path in sorted(data.glob("*.txt")) if _is_list(path, data)}


def split_folders(images: Path) -> list[str]:
    """The folders in ``images`` that have a picture, sorted."""
    names = [path.name for path in subfolders(images) if has_file(path, is_picture)]
    return sorted(names, key=usual_first)


def _loose(images: Path) -> list[Path]:
    """Pictures directly in ``images``."""
    files = (path for path in images.iterdir() if is_picture(path) and not is_debris(path.name))
    return sorted(path for path in files if path.is_file())


def is_picture(path: Path) -> bool:
    """Whether a file has the ending of a picture."""
    return path.suffix.lower() in SUFFIXES


def _is_list(path: Path, data: Path) -> bool:
    """True for the usual names, and where the first line names a photo (a README does not)."""
    if path.name in NAMES or is_debris(path.name) or not path.is_file():
        return False
    if usual_name(path.stem) in USUAL:
        return True
    with path.open("rb") as file:
        first = decode_text(file.read(1000), "replace").strip().partition("\n")[0].strip()
    name = _listed_name(first, data)
    base = data / IMAGES / name
    pattern = f"{glob.escape(base.name)}.*"  # of a README it is any sentence, and may be a long one
    return bool(name) and (os.path.isfile(base) or any(base.parent.glob(pattern)))


def open_split(data: Path, split: str, classes: Path | None = None) -> PairSource:
    """The photos of ``split`` with their masks; UserError says what was looked for."""
    return _open(data, split, classes_in(data, classes), data / MASKS)


def outputs(data: Path) -> list[str]:
    """``masks``, and every other folder of masks: one that has a class file of its name beside."""
    others = sorted(file.stem for file in data.glob("*.toml") if (data / file.stem).is_dir())
    return [MASKS, *(name for name in others if name != MASKS)]


def open_output(data: Path, split: str, output: str) -> PairSource:
    """The photos of ``split`` with the masks in the folder ``output``."""
    if output == MASKS:
        return open_split(data, split)
    return _open(data, split, read_classes(data / f"{output}.toml"), data / output)


def _open(data: Path, split: str, classes: ClassSet, masks: Path) -> PairSource:
    lists = lists_of(data)
    if split in lists:
        return from_list(data, split, lists, classes, masks)
    inside = split if (data / IMAGES / split).is_dir() else ""
    beside = beside_folders(data / IMAGES) if inside else ()
    return of_folders(data / IMAGES / inside, masks / inside, split, classes, beside)


def beside_folders(images: Path) -> tuple[Finding, ...]:
    """Photos that lie beside the split folders."""
    return _in_no_split(
        images, _loose(images), f"move photos into a split folder, as {images / 'train'}"
    )


def _in_no_split(images: Path, photos: list[Path], fix: str) -> tuple[Finding, ...]:
    if not photos:
        return ()
    what = f"{_count(photos, 'photo')} in no split: {named(photos, images)}"
    return (Finding(str(images), what, "", fix, "warning", "FC-DATA-122"),)


def of_folders(
    images: Path,
    masks: Path,
    split: str,
    classes: ClassSet,
    findings: Iterable[Finding] = (),
) -> PairSource:
    """Photos of one folder, masks of the same names from another."""
    photos, left_out = pictures_and_rest(images)
    labels, left_out_masks = pictures_and_rest(masks)
    if not photos:
        endings = ", ".join(sorted(SUFFIXES))
        raise UserError(
            f"{images}: no photo is in it; looked for files ending in {endings}", "FC-DATA-103"
        )
    names = tuple(sorted(photos))
    return PairSource(
        classes=classes,
        split=split,
        names=names,
        photos=tuple(photos[name] for name in names),
        masks=tuple(labels.get(name) for name in names),
        orphans=tuple(labels[name] for name in sorted(set(labels) - set(photos))),
        findings=(*findings, *left_out, *left_out_masks),
    )


def from_list(
    data: Path, split: str, lists: dict[str, Path], classes: ClassSet, masks: Path
) -> PairSource:
    """The photos that the list of ``split`` names, with the masks below ``masks``."""
    photos, left_out = pictures_and_rest(data / IMAGES)
    labels = pictures(masks)
    names = _listed(lists[split], data)
    files = [_either(photos, name, split) for name in names]
    used = {_either(photos, name, other) for other in lists for name in _listed(lists[other], data)}
    rest = [path for path in photos.values() if path not in used]
    fix = f"add their names to {lists[split]}, or to another list"
    return PairSource(
        classes=classes,
        split=split,
        names=tuple(names),
        photos=tuple(file or data / IMAGES / name for file, name in zip(files, names, strict=True)),
        masks=tuple(_either(labels, name, split) for name in names),
        findings=(
            *repeated_lines(lists[split], names),
            *_in_no_split(data / IMAGES, rest, fix),
            *left_out,
        ),
    )


def repeated_lines(listed: Path, names: Iterable[str]) -> tuple[Finding, ...]:
    """A finding where a list names photos several times."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not twice:
        return ()
    more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
    what = f"lists {twice[0]!r}{more} several times"
    fix = "leave each photo in once, unless it is meant to count more"
    return (Finding(str(listed), what, "", fix, "warning", "FC-DATA-123"),)


def _listed(listed: Path, data: Path) -> list[str]:
    return [_listed_name(line, data) for line in read_lines(listed)]


def _listed_name(line: str, data: Path) -> str:
    """The name of a photo below ``images/`` that a line means.

    With or without ending, with backslashes, as a path from the data set's folder or from '/'.
    """
    line = line.strip().strip('"')
    if "\\" in line and "/" not in line:
        line = line.replace("\\", "/")
    line = line.removeprefix("./")
    for base in (f"{data.absolute()}/", f"{data.resolve()}/", f"{data.as_posix()}/"):
        line = line.removeprefix(base)
    if not (data / IMAGES / IMAGES).is_dir():
        line = line.removeprefix(f"{IMAGES}/")
    suffix = Path(line).suffix
    line = line[: -len(suffix)] if suffix.lower() in SUFFIXES else line
    return printable(composed(line), None)


def _either(files: dict[str, Path], name: str, split: str) -> Path | None:
    """``images/NAME`` or ``images/SPLIT/NAME``: people do both beside a list."""
    return files.get(name) or files.get(f"{split}/{name}")


def pictures(folder: Path) -> dict[str, Path]:
    """Every picture under ``folder`` by its name without suffix, as 'street/0001'.

    Names are in Unicode's composed form. Raises DataError where two pictures have one name.
    """
    return _by_name(folder, walk(folder).files)


def pictures_and_rest(folder: Path) -> tuple[dict[str, Path], list[Finding]]:
    """The ``pictures`` of a folder, and what is said of the files that are left out."""
    walked = walk(folder)
    names = _by_name(folder, walked.files)
    others: list[Path] = []
    if len(names) < len(walked.files):
        used = set(names.values())
        others = [file for file in walked.files if file not in used]
    return names, _left_out(folder, walked, others)


def _by_name(folder: Path, files: Iterable[Path]) -> dict[str, Path]:
    by_name: dict[str, Path] = {}
    start = len(os.path.join(folder, "")) if folder.name else len(str(folder / "_")) - 1
    converted: list[tuple[str, Path]] = []  # HEIC comes last: one that was converted keeps its name
    for path in files:
        stem, ending = os.path.splitext(str(path)[start:])  # relative_to takes ten times as long
        if (ending := ending.lower()) not in SUFFIXES:
            continue
        name = printable(composed(stem.replace(os.sep, "/")), None)
        if ending in HEIC_SUFFIXES:
            converted.append((name, path))
        elif name in by_name:
            raise _same_name(path, by_name[name])
        else:
            by_name[name] = path
    for name, path in converted:
        by_name.setdefault(name, path)
    return dict(sorted(by_name.items()))


def _same_name(path: Path, first: Path) -> DataError:
    cause = ""
    if path.stem != first.stem:
        cause = f"the two differ only in how Unicode writes {printable(composed(path.stem))!r}"
    what = f"has the same name as {first.name}"
    return DataError(path, what, cause, "rename one", "FC-DATA-106")


def _left_out(folder: Path, walked: Walk, others: list[Path]) -> list[Finding]:
    """Pictures and links that no command reads, and other files beside the photos, counted."""
    by_cause: dict[str, list[Path]] = defaultdict(list)
    for path, cause in sorted(walked.left_out.items()):
        by_cause[cause] += _hidden_pictures(path) if cause == HIDDEN else [path]
    findings = []
    for cause, files in by_cause.items():
        what = f"{_count(files, 'file')} left out: {named(files, folder)}"
        expected = cause in (HIDDEN, READ_ALREADY)
        fix = "nothing needs to be done, unless they are photos of yours: then rename them"
        fix = fix if expected else "correct it, or remove it"
        severity = "note" if expected else "warning"
        if files:
            findings.append(Finding(str(folder), what, cause, fix, severity, "FC-DATA-121"))
    return findings + _other_files(folder, others)


def _hidden_pictures(path: Path) -> list[Path]:
    inside = walk(path).files if path.is_dir() and not path.is_symlink() else [path]
    return [file for file in inside if is_picture(file)]


def _other_files(folder: Path, files: list[Path]) -> list[Finding]:
    """A note of files that are no pictures, or not the one that is read of two."""
    if not files:
        return []
    endings = Counter(file.suffix.lower() or "no ending" for file in files)
    kinds = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5))
    what = f"{_count(files, 'file')} left out ({kinds}): {named(files, folder)}"
    fix = "save photos as JPEG or PNG; other files may stay"
    return [Finding(str(folder), what, "not read as pictures", fix, "note", "FC-DATA-121")]


def _count(files: list[Path], kind: str) -> str:
    return f"1 {kind} is" if len(files) == 1 else f"{len(files)} {kind}s are"


def named(files: list[Path], folder: Path) -> str:
    """The first few of ``files``, from ``folder`` on, and how many more there are."""
    names = ", ".join(file.relative_to(folder).as_posix() for file in files[:NAMED])
    return names + (f" and {len(files) - NAMED} more" if len(files) > NAMED else "")


LAYOUT = Layout(
    "folder",
    "images/SPLIT/*.jpg with masks/SPLIT/*.png, or images/ and masks/ with SPLIT.txt lists",
    looks_like,
    splits,
    open_split,
    outputs,
    open_output,
    has_all=True,
)
