"""What a user names (files, folders, patterns, '-') -> the photos, and what to call each result."""

import glob
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fullconv.data.reading.image import SUFFIXES
from fullconv.data.walk import is_debris_below, walk
from fullconv.errors import UserError

STDIN = "-"


@dataclass(frozen=True)
class Input:
    """One photo: its file (None: standard input) and the path of its result, without ending."""

    file: Path | None
    result: Path

    def __str__(self) -> str:
        return "standard input" if self.file is None else str(self.file)


def find_inputs(inputs: Sequence[str | Path], out: str | Path) -> list[Input]:
    """The photos that ``inputs`` name, each once, and where below ``out`` their results go.

    A file is taken as it is; a folder with all photos in and below it; what does not exist is a
    glob pattern (``**`` goes into folders); '-' is one picture on standard input. A result is
    called as its photo, in the photo's folder below the folder that was named. Where two would
    meet, the file's ending (a.jpg, a.png) or further folders tell them apart.
    Raises UserError for what is not found or would be overwritten.
    """
    out = Path(out)
    found: dict[Path, int] = {}  # file -> how many parts of its path name the result
    for item in inputs:
        if str(item) != STDIN:
            for file, parts in _files(str(item), out):
                found.setdefault(file, parts)
    named = [Input(file, out / name) for file, name in _names(found).items()]
    if STDIN in map(str, inputs):
        named.append(Input(None, out / "stdin"))
    _refuse_overwriting(named)
    return named


def photos_in(item: str | Path) -> list[Path]:
    """The photos that a file, a folder or a pattern names, as in ``find_inputs``."""
    return [file for file, _ in _files(str(item), None)]


def _files(item: str, out: Path | None) -> list[tuple[Path, int]]:
    path = Path(item).expanduser()
    if path.is_dir():
        return _below(path, out)
    if path.exists():
        return [(path, 1)]
    matches = sorted(glob.glob(str(path), recursive=True))
    if not matches:
        pattern = any(sign in item for sign in "*?[")
        raise UserError(f"{item}: {'no file matches' if pattern else 'no such file or folder'}")
    files = [Path(match) for match in matches]
    photos = [file for file in files if file.is_file() and file.suffix.lower() in SUFFIXES]
    return [(file, 1) for file in photos if not is_debris_below(str(path), file)] or _nothing(item)


def _below(folder: Path, out: Path | None) -> list[tuple[Path, int]]:
    """Photos in and below ``folder``, but none of those that an earlier call left in ``out``."""
    results = out.resolve() if out else Path()
    inside = out is not None and folder.resolve() in results.parents
    files = [
        (file, len(file.relative_to(folder).parts))
        for file in walk(folder).files
        if file.suffix.lower() in SUFFIXES and not (inside and results in file.resolve().parents)
    ]
    return files or _nothing(str(folder))


def _nothing(item: str) -> list[tuple[Path, int]]:
    raise UserError(f"{item}: no photos there (looked for {', '.join(sorted(SUFFIXES))})")


def _names(found: dict[Path, int]) -> dict[Path, Path]:
    """Path of each result: as short as the files' own folders allow, no two alike."""
    paths = {file: Path(os.path.abspath(file)) for file in found}  # links keep their names
    files = {path: file for file, path in reversed(paths.items())}  # the same file named twice
    once = set(files.values())
    found = {file: parts for file, parts in found.items() if file in once}
    stems = Counter(_key(paths[file].with_suffix("")) for file in found)
    ends = {
        file: file.name if stems[_key(paths[file].with_suffix(""))] > 1 else file.stem
        for file in found
    }
    while True:
        names = {
            file: Path(*paths[file].parent.parts[1:][_tail(parts)], ends[file])
            for file, parts in found.items()
        }
        folders: dict[str, set[Path]] = defaultdict(set)
        for file, name in names.items():
            folders[_key(name)].add(paths[file].parent)
        alike = [file for file, name in names.items() if len(folders[_key(name)]) > 1]
        if not alike:
            return names
        found |= {file: found[file] + 1 for file in alike}


def _tail(parts: int) -> slice:
    return slice(0, 0) if parts == 1 else slice(-(parts - 1), None)


def _key(path: Path) -> str:
    return str(path).casefold()  # some file systems do not tell A from a


def _refuse_overwriting(named: Sequence[Input]) -> None:
    files = {entry.file.resolve() for entry in named if entry.file}
    for entry in named:
        mask = Path(f"{entry.result}.png").resolve()
        if mask in files:
            raise UserError(f"{mask}: the result would overwrite this photo; choose another --out")


def standard_input() -> bytes:
    """All of standard input; UserError when there is none."""
    content = sys.stdin.buffer.read()
    if not content:
        raise UserError("standard input is empty: pipe a picture into the command")
    return content
