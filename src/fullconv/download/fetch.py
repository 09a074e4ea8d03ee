"""Download a file: resume where it stopped, verify, and let it appear whole or not at all."""

import os
import shutil
import time
from pathlib import Path

from fullconv.download.cache import OFFLINE, exclusive, is_offline
from fullconv.download.partial_file import PartialFile
from fullconv.download.remote import RemoteFile, RetryPolicy
from fullconv.download.request import PermanentError, Progress, TransientError, fetch_rest
from fullconv.errors import UserError
from fullconv.files.atomic import sync_folder

_MIN_PROGRESS = 1 << 20  # bytes; an attempt that brings less counts as a failure
_MAX_RESTARTS = 2  # times that a server may make the download begin again


def download(
    file: RemoteFile,
    path: Path,
    *,
    progress: Progress | None = None,
    offline: bool | None = None,
    retry: RetryPolicy | None = None,
) -> Path:
    """Download ``file`` to ``path`` and return it; a file that exists is verified, not fetched.

    Bytes go to ``.NAME.part`` beside it, which a later call resumes. After a cut or stalled
    connection the same URL is tried again, then the next one. Size and checksum, where known, are
    verified before the file appears under its name. Two calls at once wait for each other.
    ``progress(bytes done, bytes in all or None)``; with ``offline`` None, FULLCONV_OFFLINE decides.
    Raises UserError: one line with what failed, the address, and where to put the file by hand.
    """
    path = Path(path)
    if path.exists():
        return _verified(file, path)
    if is_offline() if offline is None else offline:
        raise UserError(
            f"{file.name} is not at {path}, and downloads are switched off (--offline or "
            f"{OFFLINE}); put it there by hand, from {' or '.join(file.urls)}",
            "FC-DOWNLOAD-001",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path):
            if not path.exists():  # else another process has fetched it meanwhile
                _fetch(file, path, progress, retry or RetryPolicy())
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); free the disk, or set "
            "another folder (FULLCONV_CACHE for weights)",
            "FC-FILE-002",
        ) from error
    return path


def mismatch(file: RemoteFile, path: Path) -> str | None:
    """The reason why ``path`` does not hold ``file``, or None. OSError passes through."""
    size = path.stat().st_size
    if size == 0:
        return "it is empty"
    if file.size is not None and size != file.size:
        return f"it has {size} bytes, not {file.size}"
    if file.checksum and (digest := file.checksum.of(path)) != file.checksum.digest:
        return f"its {file.checksum} is {digest}, not {file.checksum.digest}"
    return None


def _verified(file: RemoteFile, path: Path) -> Path:
    try:
        error = mismatch(file, path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error})", "FC-FILE-001"
        ) from error
    if error:
        raise UserError(
            f"{path}: {error}: damaged, or another file than {file.urls[0]}; remove it and call "
            "again",
            "FC-DOWNLOAD-003",
        )
    return path


def _fetch(file: RemoteFile, path: Path, progress: Progress | None, retry: RetryPolicy) -> None:
    part = PartialFile(path)
    _check_free_space(file, part, path.parent)
    errors = []
    for url in file.urls:
        try:
            fetch_from(url, part, file, retry, progress)
            break
        except (TransientError, PermanentError) as error:
            if isinstance(error, PermanentError) and error.discard:
                part.discard()
            errors.append(f"{url} ({error})")
    else:
        again = f"; call again to resume at byte {part.size()}" if part.size() else ""
        raise UserError(
            f"{file.name} could not be downloaded from {', nor from '.join(errors)}{again}; or put "
            f"it by hand at {path}",
            "FC-DOWNLOAD-002",
        )
    with part.path.open("rb") as whole:
        os.fsync(whole.fileno())
    os.replace(part.path, path)
    part.remove_note()
    sync_folder(path.parent)


def _check_free_space(file: RemoteFile, part: PartialFile, folder: Path) -> None:
    size = file.size or file.about
    missing = size - part.size() if size else 0
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise UserError(
            f"{folder}: {file.name} needs {missing / 2**20:.0f} MiB more and {free / 2**20:.0f} "
            "are free; free the disk, or set another folder (FULLCONV_CACHE for weights)",
            "FC-DOWNLOAD-004",
        )


def fetch_from(
    url: str, part: PartialFile, file: RemoteFile, retry: RetryPolicy, progress: Progress | None
) -> None:
    """Fetch and verify from one address, in as many attempts as ``retry`` gives."""
    failures = restarts = 0
    while True:
        before = part.size()
        try:
            fetch_rest(url, part, file, retry.timeout, progress)
            _accept(part, file, resumed=before > 0)
            return
        except TransientError as error:
            failures = failures + 1 if part.size() - before < _MIN_PROGRESS else 0
            restarts += part.size() < before
            if failures >= retry.attempts or restarts > _MAX_RESTARTS:
                raise TransientError(f"{error}; tried {max(failures, restarts)} times") from None
            pause = retry.pause * 2 ** max(failures - 1, 0) if error.wait is None else error.wait
            time.sleep(min(pause, retry.longest))


def _accept(part: PartialFile, file: RemoteFile, resumed: bool) -> None:
    """TransientError or PermanentError, with the part removed, unless it is the file."""
    error = mismatch(file, part.path)
    if error is None:
        return
    part.discard()
    if resumed:  # it may mix two versions of the file; the next attempt starts at byte 0
        raise TransientError(f"{error}", 0)
    raise PermanentError(f"{error}: damaged, or another file")
