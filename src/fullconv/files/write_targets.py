"""Whether a file can be written, tried before the long work whose result goes there."""

import errno
import os
import stat
import tempfile
from pathlib import Path

from fullconv.errors import UserError, printable

ADDED = len(".part") + 10  # what a temporary name has beside the file's (`files.atomic`)


def check_target(path: str | Path) -> None:
    """UserError unless ``path`` can be written; nothing is left behind, missing folders neither.

    Its folder is made and a temporary file written there, as the real one will be. Refused are a
    folder of that name, a file where a folder should be, names that are too long, loops of links,
    and places that cannot be written.
    """
    path, created = Path(path), []
    name = printable(str(path), 200)
    try:
        if path.is_dir():
            raise UserError(f"{name}: is a folder; name a file in it", "FC-FILE-004")
        for folder in reversed(path.parent.parents):
            _make(folder, created)
        _make(path.parent, created)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        os.unlink(temporary)
        if len(os.fsencode(path.name)) + ADDED > _longest_name(path.parent):
            raise UserError(f"{name}: its name is too long; use a shorter one", "FC-FILE-005")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _refusal(name, error) from error
    finally:
        for folder in reversed(created):
            folder.rmdir()


def check_page_target(path: str | Path) -> None:
    """UserError where a page would replace a file that is none, as a config or a class file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(1000)
    except (OSError, ValueError):  # not there; or whoever writes says what is wrong
        return
    if start.strip(b"\0 \r\n\t") and b"<html" not in start.lower():
        raise UserError(
            f"{printable(str(path))}: is there already and is no page, so it is not replaced; name "
            "another file, as page.html",
            "FC-FILE-007",
        )


def _make(folder: Path, created: list[Path]) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(folder.stat().st_mode):  # `is_dir` is silent about loops of links
            raise NotADirectoryError(f"{printable(str(folder), 80)} is no folder") from None
    except PermissionError:
        if not folder.is_dir():  # of a folder that is there, some systems say this first
            raise
    else:
        created.append(folder)


def _longest_name(folder: Path) -> int:
    """Bytes of a name that the file system takes."""
    return os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255


def _refusal(name: str, error: OSError | ValueError) -> UserError:
    number = getattr(error, "errno", None)
    reason = printable(getattr(error, "strerror", None) or str(error), 120)
    if number in (errno.ENAMETOOLONG, errno.ELOOP):
        return UserError(f"{name}: {reason}; use a shorter path, without loops", "FC-FILE-005")
    if isinstance(error, NotADirectoryError):
        return UserError(f"{name}: {reason}; name another place", "FC-FILE-004")
    return UserError(f"{name}: cannot be written ({reason}); name another place", "FC-FILE-002")
