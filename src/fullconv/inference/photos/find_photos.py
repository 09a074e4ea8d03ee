"""From the inputs of a user (files, folders, patterns, '-') to photos and the names of results."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from fullconv.data.layouts.named_folders import mask_files
from fullconv.data.reading.formats import VIDEO_SUFFIXES
from fullconv.data.reading.image import SUFFIXES
from fullconv.data.reading.walk import is_debris_below, walk
from fullconv.data.remote.remote_files import Stored
from fullconv.errors import UserError, printable
from fullconv.files.file_errors import file_error
from fullconv.files.result_mark import is_result
from fullconv.inference.photos.frames import Frames
from fullconv.inference.photos.own_results import is_label_image
from fullconv.inference.photos.piped_names import with_piped
from fullconv.inference.photos.refuse_overwriting import refuse_overwriting
from fullconv.inference.photos.remote_photos import is_remote, name_of
from fullconv.inference.photos.result_names import result_names
from fullconv.inference.storage.addresses import (
    SCHEMES,
    is_stored,
    listed_files,
    local_path,
    stored_file,
)
from fullconv.inference.storage.parquet import SUFFIX as TABLE
from fullconv.inference.storage.parquet import PhotoTable, Row

_NO_ADDRESS = ("ftp://", "data:", "az://", "abfs://", "adl://", "ssh://", "sftp://")


@dataclass(frozen=True)
class Input:
    """One photo: its file, and the path of its result, without ending.

    Of standard input ``file`` is None and ``content`` what was piped in; of an address ``file`` is
    None and ``url`` says where it is fetched from in its turn. ``frame`` is one of ``frames``, from
    0, where the file has several. Of a photo in a Parquet file, ``row`` says where in ``table``,
    and ``url`` is the table's address with the photo's name behind a '#'. ``stored`` is what
    storage lists of it. ``error`` says why there is no such photo; then ``result`` is of no use.
    """

    file: Path | None
    result: Path
    content: bytes | None = None
    error: UserError | None = None
    url: str | None = None
    frames: Frames | None = None
    frame: int = 0
    stored: Stored | None = None
    table: PhotoTable | None = None
    row: Row = (0, 0)

    def __str__(self) -> str:
        if self.file is None:
            return printable(self.url) if self.url else "standard input"
        name = printable(str(self.file))
        return f"{name}, frame {self.frame + 1}" if self.frames else name


def find_inputs(inputs: Sequence[str | Path], out: str | Path, frames: bool = False) -> list[Input]:
    """The photos that ``inputs`` name, each once, and where below ``out`` their results go.

    A file is taken as it is; a folder with all photos in and below it, hidden and system folders
    left out and links followed once (`data.reading.walk`); what does not exist is a glob pattern
    (``**`` goes into folders). Results of predictions are no photos, nor are the masks in a data
    set's folder, unless a file is named: then only those in ``out`` are left out. '-' is one
    picture on standard input, or a list of such names there, one a line or ended by zero bytes,
    which is read now; an http(s) address is fetched in its turn. An address of storage (s3://,
    gs://, hf://, memory://) is as a file, a folder or a pattern; a Parquet file has the photos of
    its rows. ``out`` is a folder or such an address: then results are relative paths.
    With ``frames`` each frame of an animation and each page of a stack is a photo, NAME/0001 and so
    on. A result is called as its photo, in the photo's folder below the folder that was named.
    Where two would meet, the file's ending (a.jpg, a.png) or further folders tell them apart. What
    is named and not there is an Input with an ``error``, behind the photos. Raises UserError where
    nothing is there, for an empty standard input, and where a result would overwrite a photo.
    """
    stored_out = is_stored(out)
    base = Path() if stored_out else Path(local_path(str(out)))
    depths: dict[Path, int] = {}  # file -> how many parts of its path name the result
    missing: list[Input] = []
    addresses: dict[Path, Input] = {}  # what stands for an address -> its photo
    items, piped = with_piped([local_path(str(item)) for item in inputs])
    for item in items:
        try:
            for file, depth in _named(item, None if stored_out else base, str(out), addresses):
                depths.setdefault(file, depth)
        except UserError as error:
            missing.append(Input(Path(item), base, error=error))
    for file in [] if stored_out else _own_results(depths, base):
        del depths[file]
    photos = [
        replace(addresses[file], result=base / name)
        if file in addresses
        else Input(file, base / name)
        for file, name in result_names(depths).items()
    ]
    if frames:
        photos, damaged = _each_frame(photos)
        missing += damaged
    if piped is not None:
        photos.append(Input(None, base / "stdin", piped))
    if missing and not photos:
        raise _nothing_there([entry.error for entry in missing if entry.error])
    refuse_overwriting(photos, str(out) if stored_out else "")
    return photos + missing


def _named(
    item: str, out: Path | None, address: str, addresses: dict[Path, Input]
) -> Iterable[tuple[Path, int]]:
    """The photos that ``item`` names with the number of parts that name the result.

    Those at addresses by a path that stands for each, with which they are put into ``addresses``.
    ``out``, or the ``address`` of the results, is left out.
    """
    if os.path.lexists(item) or not (is_remote(item) or is_stored(item)):
        for file, depth in _files(item, out):
            if file.suffix.lower() == TABLE:
                yield from _rows(str(file), addresses)
            else:
                yield file, depth
        return
    if is_remote(item):
        place = _path_of_url(item, addresses)
        addresses[place] = Input(None, place, url=item)
        yield place, 1
        return
    for stored, depth in _photos_of(listed_files(item), item, address) or _no_photos(item):
        if _suffix(stored.address) == TABLE:
            yield from _rows(stored.address, addresses, stored)
            continue
        place = _unused_path(stored.address.replace("://", "/"), stored.address, addresses)
        addresses[place] = Input(None, place, url=stored.address, stored=stored)
        yield place, depth


def _photos_of(files: list[tuple[Stored, int]], item: str, out: str) -> list[tuple[Stored, int]]:
    """The photos and videos of a listing; tables where there are none; a single file anyway.

    Where the address ``out`` lies below the folder ``item``, what an earlier call left is left
    out; so are the masks of a data set that is listed with its photos.
    """
    results = f"{out.rstrip('/')}/"
    inside = results.startswith(f"{item.rstrip('/')}/") and results != f"{item.rstrip('/')}/"
    others = [(f, depth) for f, depth in files if not (inside and f.address.startswith(results))]
    if len(files) == 1 and files[0][1] == 1:
        return others
    known = SUFFIXES | VIDEO_SUFFIXES
    photos = [(file, depth) for file, depth in others if _suffix(file.address) in known]
    named = [PurePosixPath(*PurePosixPath(f.address).parts[-depth:]) for f, depth in photos]
    folders = {above for path in named for above in path.parents}
    own = [
        entry
        for entry, path in zip(photos, named, strict=True)
        if not is_label_image(path, exists=folders.__contains__)
    ]
    return (
        own or photos or [(file, depth) for file, depth in others if _suffix(file.address) == TABLE]
    )


def _suffix(address: str) -> str:
    return PurePosixPath(address).suffix.lower()


def _rows(
    address: str, addresses: dict[Path, Input], stored: Stored | None = None
) -> Iterator[tuple[Path, int]]:
    """The photos of a Parquet file, which are called as its column of names says."""
    table = PhotoTable(address)
    version = stored or stored_file(address)
    for row, name in table.paths():
        url = f"{address}#{name}"
        place = _unused_path(name.replace("://", "/"), url, addresses)
        addresses[place] = Input(None, place, url=url, stored=version, table=table, row=row)
        yield place, len(place.parts) - 1


def _path_of_url(address: str, addresses: dict[Path, Input]) -> Path:
    """A path that names the result of an address as that of a file; unique for each address."""
    try:
        parts = urlsplit(address)
        folders = PurePosixPath(unquote(parts.path)).parent.parts[1:]
        host = parts.hostname or "host"
    except ValueError:
        folders, host = (), "host"
    path = "/".join((host, *folders, name_of(address)))
    return _unused_path(path, address, addresses)


def _unused_path(path: str, address: str, addresses: dict[Path, Input]) -> Path:
    """An absolute path of the parts of ``path`` that stands for ``address`` and nothing else."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..") and "\0" not in part]
    place = first = Path("/", *parts) if parts else Path("/photo")
    number = 2
    while (place in addresses and addresses[place].url != address) or os.path.lexists(place):
        place = first.with_name(f"{first.stem}-{number}{first.suffix}")
        number += 1
    return place


def _each_frame(photos: Sequence[Input]) -> tuple[list[Input], list[Input]]:
    """Files with several frames as one Input a frame, and those that cannot be opened."""
    every, damaged = [], []
    for photo in photos:
        if photo.file is None or photo.file.suffix.lower() not in SUFFIXES:
            every.append(photo)
            continue
        try:
            frames = Frames(photo.file)
        except UserError as error:
            damaged.append(Input(photo.file, photo.result, error=error))
            continue
        if frames.count == 1:
            every.append(photo)
            continue
        every += [
            Input(photo.file, photo.result / f"{number + 1:04d}", frames=frames, frame=number)
            for number in range(frames.count)
        ]
    return every, damaged


def photos_in(item: str | Path) -> list[Path]:
    """The photos that a file, a folder or a pattern names, as in ``find_inputs``.

    Raises UserError where there is none.
    """
    return [file for file, _ in _files(str(item), None)]


def _files(item: str, out: Path | None) -> list[tuple[Path, int]]:
    """The photos that ``item`` names, with the number of parts that name the result."""
    if not item or "\0" in item:
        raise UserError(f"{printable(item)!r}: is no name of a file", "FC-PREDICT-001")
    if is_unreadable_address(item):
        raise unreadable_address(item)
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


def is_unreadable_address(item: str) -> bool:
    """Whether a name is an address of an unsupported kind, as ftp://..., and no file."""
    return item.lower().startswith(_NO_ADDRESS) and not os.path.lexists(item)


def unreadable_address(item: str) -> UserError:
    """The error for such an address."""
    return UserError(
        f"{printable(item)}: only addresses with http, https, {', '.join(SCHEMES)} and file are "
        "read: download it, or pipe it in (curl -s URL | fullconv predict RUN -)",
        "FC-PREDICT-002",
    )


def _matching(item: str) -> list[Path]:
    """The photos that a pattern matches."""
    pattern = str(Path(item).expanduser())
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    if not matches:
        is_pattern = any(sign in item for sign in "*?[")
        what = "no file matches" if is_pattern else "no such file or folder"
        raise UserError(f"{printable(item)}: {what}", "FC-FILE-003")
    taken = SUFFIXES | VIDEO_SUFFIXES
    photos = [file for file in matches if file.is_file() and file.suffix.lower() in taken]
    photos = photos or [file for file in matches if file.suffix.lower() == TABLE]
    photos = [file for file in photos if not is_debris_below(pattern, file)]
    return [file for file in photos if not is_result(file)] or _no_photos(item, photos)


def _below(folder: Path, out: Path | None) -> list[tuple[Path, int]]:
    """Photos in and below ``folder``, but none of those that an earlier call left in ``out``."""
    results = out.resolve() if out else Path()
    inside = out is not None and folder.resolve() in results.parents
    files = [
        (file, len(file.relative_to(folder).parts))
        for file in walk(folder).files
        if not (inside and results in file.resolve().parents)
    ]
    photos = [(file, depth) for file, depth in files if file.suffix.lower() in SUFFIXES]
    tables = [(file, depth) for file, depth in files if file.suffix.lower() == TABLE]
    own = [entry for entry in photos if not is_result(entry[0])]
    masks = mask_files(folder)
    taken = [
        entry for entry in own if entry[0] not in masks and not is_label_image(entry[0], folder)
    ]
    taken = taken or own or tables
    return taken or _no_photos(str(folder), photos)


def _own_results(files: Iterable[Path], out: Path) -> list[Path]:
    """What an earlier call left in ``out``, where a shell's ``*`` names it beside photos."""
    files, folder = list(files), out.resolve()
    own = [file for file in files if folder in file.resolve().parents and is_result(file)]
    return own if len(own) < len(files) else []


def _no_photos(item: str, results: Sequence[object] = ()) -> list:
    why = f"looked for {', '.join(sorted(SUFFIXES))}"
    if results:
        why = f"its {len(results)} pictures are results of predictions; name one to predict it"
    raise UserError(f"{printable(item)}: no photos there ({why})", "FC-PREDICT-001")


def _nothing_there(errors: Sequence[UserError]) -> UserError:
    """The first error, and how many more there are."""
    more = f" (and {len(errors) - 1} more that are not there)" if len(errors) > 1 else ""
    return UserError(f"{errors[0]}{more}", errors[0].code)
