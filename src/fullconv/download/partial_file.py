"""A partly downloaded file, and the note that tells whether the rest belongs to the same file."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fullconv.download.remote import RemoteFile


class PartialFile:
    """``.NAME.part`` beside the final path; ``.NAME.part.json`` has its URL and validator."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f".{path.name}.part")
        self._note = path.with_name(f".{path.name}.part.json")

    def size(self) -> int:
        """Bytes downloaded so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def resumable(self, url: str, wanted: RemoteFile) -> tuple[int, str]:
        """Bytes to resume after when ``url`` gives the rest, and the validator for If-Range.

        Without a validator of the same URL, only a checksum shows that the file has changed since;
        without either, the download starts at byte 0.
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
        """The file opened for writing at byte ``at``: its end, or 0 to start again."""
        if at == 0:
            self.path.write_bytes(b"")
            self._note.write_text(json.dumps({"url": url, "validator": validator}), "utf-8")
        with self.path.open("ab") as file:
            yield file

    def discard(self) -> None:
        """Remove the file and its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def remove_note(self) -> None:
        """Remove the note alone: the file is complete and has been renamed."""
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
