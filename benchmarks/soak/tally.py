"""Counts of one part of a soak, and what was found, kept as JSON for the page."""

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from machine import machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
FINDINGS_KEPT = 20


@dataclass
class Tally:
    """Rows of counts by name, in the order of ``columns``; ``findings`` are lines on faults."""

    part: str
    command: str
    columns: list[str]
    rows: dict[str, dict[str, int | float | str]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    machine: str = field(default_factory=machine)
    version: str = field(default_factory=lambda: _version())

    def count(self, row: str, column: str, number: float = 1) -> None:
        """Add to a cell, which begins at 0."""
        cells = self.rows.setdefault(row, dict.fromkeys(self.columns, 0))
        cells[column] = cells[column] + number  # pyright: ignore[reportOperatorIssue]

    def find(self, line: str) -> None:
        """Note a fault; the first ones are kept."""
        print(f"FOUND {line}", flush=True)
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append(line)

    def total(self, column: str) -> Any:
        """The sum of a column."""
        return sum(row[column] for row in self.rows.values())  # pyright: ignore

    def save(self, folder: Path = RESULTS) -> None:
        """Write it where `load` finds it."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / f"soak-{self.part}.json").write_text(text + "\n", "utf-8")


def load(part: str, folder: Path = RESULTS) -> Tally | None:
    """What `save` wrote; None where there is none."""
    path = folder / f"soak-{part}.json"
    return Tally(**json.loads(path.read_text("utf-8"))) if path.is_file() else None


def _version() -> str:
    from fullconv.version import __version__

    done = subprocess.run(
        ["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return f"{__version__} {done.stdout.strip()}".strip()
