"""Unpack an archive of which nothing is trusted: its names, its kinds of entries, its sizes."""

import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from fullconv.errors import UserError

Progress = Callable[[int, int | None], object]
_UNSAFE = "FC-DOWNLOAD-007"
RATIO = 20  # bytes unpacked for each of the archive; photos and masks do not come near
MIN_LIMIT = 1 << 24  # so that a small archive of flat masks is no suspect
FILES = 1_000_000
_HEADER = 1 << 20  # bytes of an entry that only describes the next one
_DESCRIBING = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,  # a zip's unknown compression
    RuntimeError,  # a zip with a password
    struct.error,
    TypeError,  # tarfile, where a gzip header is cut
    IndexError,
    OverflowError,
)


class _Entry(tarfile.TarInfo):
    """A tar entry that refuses what would make the reader itself take endless memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Entry":
        entry = super().frombuf(buf, encoding, errors)
        if entry.type in _DESCRIBING and entry.size > _HEADER:
            raise tarfile.ReadError(f"a description of {entry.size} bytes")
        if entry.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        return entry


def unpack(archive: Path, folder: Path, progress: Progress | None = None) -> int:
    """Unpack a tar (plain, gzip, bzip2, xz) or zip into the new folder; the number of files.

    Only plain files and folders, with relative names that stay inside, none twice, in all at most
    ``RATIO`` times the archive's bytes: anything else raises UserError, as a damaged archive does.
    Then, as after any error, the folder is left half full: unpack into a temporary one and rename
    it. Modes and owners in the archive are not looked at. ``progress(files, None)``.
    """
    try:
        folder.mkdir(parents=True)
        limit = max(RATIO * archive.stat().st_size, MIN_LIMIT)
        with archive.open("rb") as file:
            is_zip = file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")  # files, or none
        entries = _zip(archive) if is_zip else _tar(archive)
        return _write(archive, entries, folder, limit, progress)
    except _DAMAGED as error:
        raise UserError(
            f"{archive}: damaged, or no tar or zip ({error or type(error).__name__}); remove it "
            "and download it again",
            "FC-DOWNLOAD-006",
        ) from error
    except OSError as error:
        raise UserError(
            f"{folder}: {archive.name} cannot be unpacked ({error.strerror or error}); free the "
            "disk, or choose another folder",
            "FC-FILE-002",
        ) from error


# An entry: its name, its bytes, and its stream; a folder has no stream.
_Member = tuple[str, int, IO[bytes] | None]


def _tar(archive: Path) -> Iterator[_Member]:
    # A stream is read once, front to back: a packed tar is never unpacked twice.
    with tarfile.open(archive, "r|*", tarinfo=_Entry) as tar:
        for entry in tar:
            if not (entry.isfile() or entry.isdir()) or entry.sparse:
                raise UserError(
                    f"{archive}: {_shown(entry.name)} is no plain file; not unpacked", _UNSAFE
                )
            yield entry.name, entry.size, tar.extractfile(entry) if entry.isfile() else None


def _zip(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(
                    f"{archive}: {_shown(entry.filename)} is no plain file; not unpacked", _UNSAFE
                )
            if entry.is_dir():
                yield entry.filename, entry.file_size, None
                continue
            with file.open(entry) as stream:
                yield entry.filename, entry.file_size, stream


def _write(
    archive: Path,
    entries: Iterator[_Member],
    folder: Path,
    limit: int,
    progress: Progress | None,
) -> int:
    whole = files = 0
    for name, size, stream in entries:
        target = folder / _inside(archive, name)
        whole, files = whole + size, files + 1
        if whole > limit or files > FILES:
            raise UserError(
                f"{archive}: unpacks to over {limit / 2**20:.0f} MiB or {FILES} files, more than "
                "such data has; not unpacked",
                _UNSAFE,
            )
        if stream is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:  # x: a name that comes twice is an error
            shutil.copyfileobj(stream, file, 1 << 20)
            if file.tell() != size:
                raise EOFError("it ends in the middle")
        if progress:
            progress(files, None)
    return files


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The name as a path below the folder; UserError where it would lead out of it."""
    path = PurePosixPath(name)
    unsafe = path.is_absolute() or ".." in path.parts or not name.isprintable()
    if unsafe or "\\" in name or ":" in name:
        raise UserError(
            f"{archive}: the name {_shown(name)} leads out of the folder; not unpacked", _UNSAFE
        )
    return path


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 60 else name[:60] + "...")
