"""A fault of the data in four parts, so that it can be raised, listed and mended."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fullconv.errors import UserError


@dataclass(frozen=True)
class Fault:
    """What is wrong with ``file``, the likely cause, and what to do about it."""

    file: str
    what: str
    cause: str
    mend: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        parts = (self.what, self.cause and f"likely cause: {self.cause}", self.mend)
        return f"{self.file}: " + "; ".join(part for part in parts if part)


class DataError(UserError):
    """A UserError that keeps its parts for the list of faults."""

    def __init__(self, file: str | Path, what: str, cause: str = "", mend: str = "") -> None:
        self.fault = Fault(str(file), what, cause, mend)
        super().__init__(str(self.fault))

    def __reduce__(self) -> tuple[type["DataError"], tuple[str, str, str, str]]:
        """Errors cross from the loader's processes to the training process."""
        fault = self.fault
        return type(self), (fault.file, fault.what, fault.cause, fault.mend)
