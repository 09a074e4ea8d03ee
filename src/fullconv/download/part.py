"""The part of a file that is there already, and what tells whether the rest belongs to it."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fullconv.download.remote import RemoteFile


class Part:
    """``.NAME.part`` beside the file to be, with ``.NAME.part.json`` that says whose part it is."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f".{path.name}.part")
        self._note = path.with_name(f".{path.name}.part.json")

    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def resumable(self, url: str, wanted: RemoteFile) -> tuple[int, str]:
        """Bytes that can be kept when ``url`` gives the rest, and the validator for If-Range.

        Without a validator of the same address, only a checksum finds out that the file changed
        in between; without either, nothing is kept.
        """
        have = self.size()
        if have > wanted.most:
            self.discard()
            return 0, ""
        came_from, validator = self._read_note()
        if came_from != url:
            validator = ""
        return (have, validator) if validator or wanted.checksum else (0, "")

    @contextmanager
    def open(self, url: str, at: int, validator: str) -> Iterator[IO[bytes]]:
        """The part to be written from byte ``at``, which is its end, or 0 to begin anew."""
        if at == 0:
            self.path.write_bytes(b"")
            self._note.write_text(json.dumps({"url": url, "validator": validator}), "utf-8")
        with self.path.open("ab") as file:
            yield file

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the note of a part that has become the file."""
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> tuple[str, str]:
        with contextlib.suppress(OSError, ValueError):
            note = json.loads(self._note.read_text("utf-8"))
            if isinstance(note, dict):
                url, validator = note.get("url"), note.get("validator")
                # A validator goes into a header: a damaged note must not write others.
                if isinstance(url, str) and isinstance(validator, str) and validator.isprintable():
                    return url, validator
        return "", ""
