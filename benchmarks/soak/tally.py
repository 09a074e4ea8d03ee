"""Counts of the parts of a soak, and what was found, kept as JSON for the page.

A part may be counted in pieces: each run replaces its own rows and leaves the others.
"""

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from machine import machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
FINDINGS_KEPT = 20

Cells = dict[str, int | float | str]


@dataclass
class Run:
    """What counted the rows called ``rows``."""

    command: str
    version: str
    machine: str
    seconds: float = 0.0
    rows: list[str] = field(default_factory=list)


@dataclass
class Counts:
    """The rows of a part, whichever runs counted them; ``findings`` are lines on faults by row."""

    part: str
    columns: list[str]
    rows: dict[str, Cells] = field(default_factory=dict)
    findings: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def total(self, column: str) -> Any:
        """The sum of a column, or the largest where it says what was slowest."""
        of = max if column.startswith("slowest") else sum
        return of(row[column] for row in self.rows.values())  # pyright: ignore

    def put(self, other: "Counts") -> None:
        """Take the rows of ``other``, with what belongs to them, in place of those of that name."""
        for run in self.runs:
            run.rows = [row for row in run.rows if row not in other.rows]
        for run in other.runs:
            same = [r for r in self.runs if _origin(r) == _origin(run)]
            if same:
                same[0].rows += run.rows
                same[0].seconds += run.seconds
            else:
                self.runs.append(run)
        self.runs = [run for run in self.runs if run.rows]
        self.findings = {
            row: lines for row, lines in self.findings.items() if row not in other.rows
        } | other.findings
        self.notes += [note for note in other.notes if note not in self.notes]
        self.rows |= other.rows


def _origin(run: Run) -> tuple[str, str, str]:
    return run.command, run.version, run.machine


@dataclass
class Tally(Counts):
    """What one run counts."""

    def count(self, row: str, column: str, number: float = 1) -> None:
        """Add to a cell, which begins at 0."""
        cells = self.rows.setdefault(row, dict.fromkeys(self.columns, 0))
        cells[column] = cells[column] + number  # pyright: ignore[reportOperatorIssue]

    def find(self, row: str, line: str) -> None:
        """Note a fault; the first ones are kept."""
        print(f"FOUND {row}: {line}", flush=True)
        lines = self.findings.setdefault(row, [])
        if len(lines) < FINDINGS_KEPT:
            lines.append(line)

    def save(self, command: str, seconds: float, folder: Path = RESULTS) -> None:
        """Write its rows where `load` finds them, beside those that other runs counted."""
        self.runs = [Run(command, _version(), machine(), seconds, list(self.rows))]
        counts = load(self.part, folder)
        if counts is None or counts.columns != self.columns:
            counts = Counts(self.part, self.columns)
        counts.put(self)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(counts), indent=1, ensure_ascii=False)
        (folder / f"soak-{self.part}.json").write_text(text + "\n", "utf-8")


def load(part: str, folder: Path = RESULTS) -> Counts | None:
    """What `Tally.save` wrote; None where there is nothing."""
    path = folder / f"soak-{part}.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text("utf-8"))
    return Counts(**content | {"runs": [Run(**run) for run in content["runs"]]})


def _version() -> str:
    from fullconv.version import __version__

    done = subprocess.run(
        ["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return f"{__version__} {done.stdout.strip()}".strip()
