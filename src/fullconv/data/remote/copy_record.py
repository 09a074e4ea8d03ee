"""Which version of each file a copy has: a line a file, written when the file is whole."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fullconv.files.atomic import write_atomically


class CopyRecord:
    """A file of lines ``["path", "version"]``; what a killed process left half written is none."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, str]:
        """Path -> version; empty where there is none."""
        try:
            lines = self.file.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return {}
        return dict(filter(None, map(_entry, lines)))

    @contextmanager
    def rewritten(self, entries: Mapping[str, str]) -> Iterator[Callable[[str, str], object]]:
        """The file with these entries alone; gives the function that adds one."""
        write_atomically(self.file, "".join(map(_line, entries, entries.values())))
        with self.file.open("a", buffering=1, encoding="utf-8") as file:
            yield lambda name, version: file.write(_line(name, version))


def _line(name: str, version: str) -> str:
    return f"{json.dumps([name, version])}\n"


def _entry(line: str) -> tuple[str, str] | None:
    try:
        name, version = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    return (name, version) if isinstance(name, str) and isinstance(version, str) else None
