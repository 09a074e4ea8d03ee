"""The files below a folder as every command sees them: without debris, links followed once."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

DEBRIS = frozenset({
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found",
    "__pycache__", "thumbs.db", "desktop.ini",
})  # fmt: skip
"""Files and folders that systems leave behind, in lower case; so is what begins with a dot."""
HIDDEN = "hidden, or a system's own"
READ_ALREADY = "a link to a folder that is read already"


@dataclass
class Walk:
    """The ``files`` below a folder, sorted, and what was ``left_out`` (path -> why)."""

    files: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


def walk(folder: Path) -> Walk:
    """All files below ``folder``, also in linked folders, but no debris.

    Real folders come before those that links lead to. No folder is entered twice, nor one around
    ``folder`` itself, so links cannot make a loop. Nothing of ``folder``'s own name is looked at.
    """
    result = Walk()
    result.files = sorted(_files(folder, result))
    return result


def has_file(folder: Path, wanted: Callable[[Path], bool]) -> bool:
    """Whether ``walk`` gives a file that is ``wanted``; it ends with the first one."""
    return any(map(wanted, _files(folder, Walk())))


def _files(folder: Path, result: Walk) -> Iterator[Path]:
    met, waiting = set(folder.resolve().parents), [folder]
    while waiting:
        top = waiting.pop(0)
        for place, folders, files in os.walk(top, onerror=lambda error: _unreadable(error, result)):
            here = Path(place)
            real = here.resolve()
            if real in met:
                folders.clear()
                result.left_out[here] = READ_ALREADY
                continue
            met.add(real)
            waiting += _enter(here, folders, result)
            yield from (here / name for name in files if _is_taken(here / name, result))


def is_debris(name: str) -> bool:
    """Whether a file or folder of this name is left out: hidden, or a system's own."""
    return name.startswith(".") or name.lower() in DEBRIS


def is_debris_below(pattern: str, file: Path) -> bool:
    """Whether a ``file`` that a glob pattern gives is debris by a part that it does not name."""
    return any(is_debris(part) for part in file.parts if part not in pattern)


def _enter(here: Path, folders: list[str], result: Walk) -> Iterator[Path]:
    """Leave in ``folders`` those to go into; the linked ones, which come later, are given back."""
    wanted = sorted(name for name in folders if not is_debris(name))
    for name in set(folders) - set(wanted):
        result.left_out[here / name] = HIDDEN
    links = [name for name in wanted if (here / name).is_symlink()]
    folders[:] = [name for name in wanted if name not in links]
    return (here / name for name in links)


def _is_taken(file: Path, result: Walk) -> bool:
    if is_debris(file.name):
        result.left_out[file] = HIDDEN
    elif not file.is_file():
        result.left_out[file] = "a link that leads nowhere" if file.is_symlink() else "no file"
    return file not in result.left_out


def _unreadable(error: OSError, result: Walk) -> None:
    result.left_out[Path(error.filename)] = f"cannot be read ({error.strerror})"


def existing(path: Path) -> Path:
    """``path``, or the file beside it whose name differs in its Unicode form only.

    A Mac's archives write 'é' as two characters, most others as one.
    """
    if os.path.isfile(path):
        return path
    return _by_composed_name(path.parent).get(composed(path.name), path)


@lru_cache(maxsize=64)
def _by_composed_name(folder: Path) -> dict[str, Path]:
    try:
        return {composed(name): folder / name for name in os.listdir(folder)}
    except (OSError, ValueError):
        return {}


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which equal names are equal."""
    return unicodedata.normalize("NFC", name)
