"""A finding of the data in four parts, so that it can be raised, listed and fixed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fullconv.errors import UserError


@dataclass(frozen=True)
class Finding:
    """What is wrong with ``file``, the likely cause, and what to do about it.

    ``code`` is as of `UserError`. A 'note' asks for nothing: it says what is left out.
    """

    file: str
    what: str
    cause: str
    fix: str
    severity: Literal["error", "warning", "note"] = "error"
    code: str = ""

    def __str__(self) -> str:
        parts = (self.what, self.cause and f"likely cause: {self.cause}", self.fix)
        return f"{self.file}: " + "; ".join(part for part in parts if part)


class DataError(UserError):
    """A UserError that keeps its parts for the list of findings."""

    def __init__(
        self, file: str | Path, what: str, cause: str = "", fix: str = "", code: str = ""
    ) -> None:
        self.finding = Finding(str(file), what, cause, fix, code=code)
        super().__init__(str(self.finding), code)

    def __reduce__(self) -> tuple[Any, ...]:
        finding = self.finding
        parts = finding.file, finding.what, finding.cause, finding.fix, finding.code
        return type(self), parts
