"""The pictures below a folder by their names, and what is said of the files that are left out."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.listing_cache import cached
from fullconv.data.path_list import NameList, PathList
from fullconv.data.reading.formats import HEIC_SUFFIXES, SUFFIXES
from fullconv.data.reading.walk import (
    HIDDEN,
    READ_ALREADY,
    composed,
    has_file,
    subfolders,
    walk,
    walk_as_text,
)
from fullconv.errors import DataError, Finding, printable

NAMED = 3  # files that a finding about several names


def is_picture(path: Path) -> bool:
    """Whether a file has the ending of a picture."""
    return path.suffix.lower() in SUFFIXES


def folders_with_pictures(folder: Path) -> list[str]:
    """The names of the folders in ``folder`` that have a picture somewhere in them, sorted."""

    def names() -> list[str]:
        return [path.name for path in subfolders(folder) if has_file(path, is_picture)]

    return cached(("folders", folder), names)


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, sorted by name, and what is said of the files that are left out.

    A name is the path below the folder without suffix, as 'street/0001', in Unicode's composed
    form.
    """

    names: NameList
    files: PathList
    findings: tuple[Finding, ...]

    def by_name(self) -> dict[str, str]:
        """Name -> path, in the order of the names."""
        return dict(zip(self.names, self.files.texts(), strict=True))


EMPTY_LISTING = Listing(NameList.of([]), PathList.of([]), ())


def listed(folder: Path) -> Listing:
    """The pictures below ``folder``; DataError where two have one name."""
    return cached(("pictures", folder), lambda: _listed(folder))


def _listed(folder: Path) -> Listing:
    files, left_out = walk_as_text(folder)
    by_name = _by_name(folder, files)
    others: list[Path] = []
    if len(by_name) < len(files):
        used = set(by_name.values())
        others = [Path(file) for file in files if file not in used]
    names, paths = NameList.of(list(by_name)), PathList.of(list(by_name.values()))
    return Listing(names, paths, tuple(_left_out(folder, left_out, others)))


def pictures(folder: Path) -> dict[str, Path]:
    """Every picture under ``folder`` by its name, as in a `Listing`; DataError likewise."""
    return {name: Path(path) for name, path in _by_name(folder, walk_as_text(folder)[0]).items()}


def _by_name(folder: Path, files: Iterable[str]) -> dict[str, str]:
    by_name: dict[str, str] = {}
    start = len(str(folder / "_")) - 1
    converted: list[tuple[str, str]] = []  # HEIC comes last: one that was converted keeps its name
    for path in files:
        stem, dot, ending = path[start:].rpartition(".")  # splitext takes four times as long
        if (ending := dot + ending.lower()) not in SUFFIXES:
            continue
        name = stem.replace(os.sep, "/")
        if not (name.isascii() and name.isprintable()):
            name = printable(composed(name), None)
        if ending in HEIC_SUFFIXES:
            converted.append((name, path))
        elif name in by_name:
            raise _same_name(Path(path), Path(by_name[name]))
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


def _left_out(folder: Path, left_out: dict[Path, str], others: list[Path]) -> list[Finding]:
    """Pictures and links that no command reads, and other files beside the photos, counted."""
    by_cause: dict[str, list[Path]] = defaultdict(list)
    for path, cause in sorted(left_out.items()):
        by_cause[cause] += _hidden_pictures(path) if cause == HIDDEN else [path]
    findings = []
    for cause, files in by_cause.items():
        what = f"{counted(files, 'file')} left out: {named(files, folder)}"
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
    what = f"{counted(files, 'file')} left out ({kinds}): {named(files, folder)}"
    fix = "save photos as JPEG or PNG; other files may stay"
    return [Finding(str(folder), what, "not read as pictures", fix, "note", "FC-DATA-121")]


def counted(files: Sized, kind: str) -> str:
    """As in '3 photos are'."""
    return f"1 {kind} is" if len(files) == 1 else f"{len(files)} {kind}s are"


def named(files: list[Path], folder: Path) -> str:
    """The first few of ``files``, from ``folder`` on, and how many more there are."""
    names = ", ".join(file.relative_to(folder).as_posix() for file in files[:NAMED])
    return names + (f" and {len(files) - NAMED} more" if len(files) > NAMED else "")
