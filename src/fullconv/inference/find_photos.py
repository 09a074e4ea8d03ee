"""What a user names (files, folders, patterns, '-') -> the photos, and what to call each result."""

import glob
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fullconv.atomic import file_error
from fullconv.data.reading.image import SUFFIXES
from fullconv.data.reading.walk import is_debris_below, walk
from fullconv.errors import UserError, printable

STDIN = "-"
_SCHEMES = ("http://", "https://", "ftp://", "s3://", "gs://", "data:", "file://")


@dataclass(frozen=True)
class Input:
    """One photo: its file, and the path of its result, without ending.

    Of standard input ``file`` is None and ``content`` what was piped in. ``error`` says why there
    is no such photo; then ``result`` is of no use.
    """

    file: Path | None
    result: Path
    content: bytes | None = None
    error: UserError | None = None

    def __str__(self) -> str:
        return "standard input" if self.file is None else printable(str(self.file))


def find_inputs(inputs: Sequence[str | Path], out: str | Path) -> list[Input]:
    """The photos that ``inputs`` name, each once, and where below ``out`` their results go.

    A file is taken as it is; a folder with all photos in and below it, hidden and system folders
    left out and links followed once (`data.reading.walk`); what does not exist is a glob pattern
    (``**`` goes into folders); '-' is one picture on standard input, which is read now. A result is
    called as its photo, in the photo's folder below the folder that was named. Where two would
    meet, the file's ending (a.jpg, a.png) or further folders tell them apart. What is named and not
    there is an Input with an ``error``, behind the photos. Raises UserError where nothing is there,
    for an empty standard input, and where a result would overwrite a photo.
    """
    out = Path(out)
    depths: dict[Path, int] = {}  # file -> how many parts of its path name the result
    missing: list[Input] = []
    for item in inputs:
        if str(item) == STDIN:
            continue
        try:
            for file, depth in _files(str(item), out):
                depths.setdefault(file, depth)
        except UserError as error:
            missing.append(Input(Path(item), out, error=error))
    photos = [Input(file, out / name) for file, name in _names(depths).items()]
    if STDIN in map(str, inputs):
        photos.append(Input(None, out / "stdin", _standard_input()))
    if missing and not photos:
        raise _nothing_there([entry.error for entry in missing if entry.error])
    _refuse_overwriting(photos)
    return photos + missing


def photos_in(item: str | Path) -> list[Path]:
    """The photos that a file, a folder or a pattern names, as in ``find_inputs``.

    Raises UserError where there is none.
    """
    return [file for file, _ in _files(str(item), None)]


def _files(item: str, out: Path | None) -> list[tuple[Path, int]]:
    """The photos that ``item`` names, with the number of parts that name the result."""
    if not item or "\0" in item:
        raise UserError(f"{printable(item)!r}: is no name of a file", "FC-PREDICT-001")
    if is_address(item):
        raise UserError(
            f"{printable(item)}: addresses are not opened: download it, or pipe it in "
            "(curl -s URL | fullconv predict RUN -)",
            "FC-PREDICT-002",
        )
    try:
        path = Path(item).expanduser()
        os.stat(path)
    except FileNotFoundError:
        return [(file, 1) for file in _matching(item)]
    except OSError as error:
        raise file_error(error, item) from error
    except RuntimeError as error:  # ~nobody
        raise UserError(f"{printable(item)}: {error}", "FC-FILE-003") from error
    return _below(path, out) if path.is_dir() else [(path, 1)]


def is_address(item: str) -> bool:
    """Whether a name is an address, as https://..., and no file."""
    return item.lower().startswith(_SCHEMES) and not os.path.lexists(item)


def _matching(item: str) -> list[Path]:
    """The photos that a pattern matches."""
    pattern = str(Path(item).expanduser())
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    if not matches:
        is_pattern = any(sign in item for sign in "*?[")
        what = "no file matches" if is_pattern else "no such file or folder"
        raise UserError(f"{printable(item)}: {what}", "FC-FILE-003")
    photos = [file for file in matches if file.is_file() and file.suffix.lower() in SUFFIXES]
    return [file for file in photos if not is_debris_below(pattern, file)] or _no_photos(item)


def _below(folder: Path, out: Path | None) -> list[tuple[Path, int]]:
    """Photos in and below ``folder``, but none of those that an earlier call left in ``out``."""
    results = out.resolve() if out else Path()
    inside = out is not None and folder.resolve() in results.parents
    photos = [
        (file, len(file.relative_to(folder).parts))
        for file in walk(folder).files
        if file.suffix.lower() in SUFFIXES and not (inside and results in file.resolve().parents)
    ]
    return photos or _no_photos(str(folder))


def _no_photos(item: str) -> list:
    endings = ", ".join(sorted(SUFFIXES))
    raise UserError(f"{printable(item)}: no photos there (looked for {endings})", "FC-PREDICT-001")


def _nothing_there(errors: Sequence[UserError]) -> UserError:
    """The first error, and how many more there are."""
    more = f" (and {len(errors) - 1} more that are not there)" if len(errors) > 1 else ""
    return UserError(f"{errors[0]}{more}", errors[0].code)


def _names(depths: dict[Path, int]) -> dict[Path, Path]:
    """Path of each result: as short as the files' own folders allow, no two alike."""
    paths = {file: Path(os.path.abspath(file)) for file in depths}  # links keep their names
    files = {path: file for file, path in reversed(paths.items())}  # the same file named twice
    once = set(files.values())
    depths = {file: depth for file, depth in depths.items() if file in once}
    stems = Counter(_key(paths[file].with_suffix("")) for file in depths)
    ends = {
        file: file.name if stems[_key(paths[file].with_suffix(""))] > 1 else file.stem
        for file in depths
    }
    while True:
        names = {
            file: Path(*paths[file].parent.parts[1:][_tail(depth)], ends[file])
            for file, depth in depths.items()
        }
        folders: dict[str, set[Path]] = defaultdict(set)
        for file, name in names.items():
            folders[_key(name)].add(paths[file].parent)
        alike = [file for file, name in names.items() if len(folders[_key(name)]) > 1]
        if not alike:
            return names
        depths |= {file: depths[file] + 1 for file in alike}


def _tail(depth: int) -> slice:
    return slice(0, 0) if depth == 1 else slice(-(depth - 1), None)


def _key(path: Path) -> str:
    return str(path).casefold()  # some file systems do not tell A from a


def _refuse_overwriting(photos: Sequence[Input]) -> None:
    files = {entry.file.resolve() for entry in photos if entry.file}
    for entry in photos:
        mask = Path(f"{entry.result}.png").resolve()
        if mask in files:
            raise UserError(
                f"{printable(str(mask))}: the result would overwrite this photo; choose another "
                "--out",
                "FC-PREDICT-003",
            )


def refuse_meeting(photos: Sequence[Input], outputs: Sequence[str]) -> None:
    """UserError where the mask of a further output has the name of another photo, or its mask."""
    taken = {photo.result for photo in photos} | {p.file.with_suffix("") for p in photos if p.file}
    for photo in photos:
        for output in outputs:
            if Path(f"{photo.result}_{output}") in taken:
                raise UserError(
                    f"{photo.result}_{output}.png: would be the output {output!r} of {photo} and "
                    "another photo's; predict them in two calls",
                    "FC-PREDICT-003",
                )


def _standard_input() -> bytes:
    """All of standard input; UserError when there is none."""
    content = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    if not content:
        raise UserError(
            "standard input is empty: pipe a picture into the command", "FC-PREDICT-001"
        )
    return content
