"""The results of the checks of many samples, by column: 100,000 of them take 8 MB, not 38."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.checks.sample_findings import SampleCheck
from fullconv.data.ragged import Ints, chosen_entries
from fullconv.errors import Finding

DIGEST_BYTES = 16
MOST_COLUMNS = 2**17  # of counts: more than there are values of a mask of 16 bits
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of counts, of which most are 0 where there are many classes; a row may be missing.

    ``has``, bool (N,), says which there are; the entries of row n are those up to ``ends[n]``, in
    ``columns`` and ``values``; ``width`` is the length of a row.
    """

    has: npt.NDArray[np.bool_]
    ends: Ints
    columns: npt.NDArray[np.int32]
    values: Ints
    width: int

    @classmethod
    def of(cls, rows: Sequence[Ints | None]) -> "SparseRows":
        """The ``rows``, each (width,) or None."""
        has = np.array([row is not None for row in rows], np.bool_)
        none = np.zeros(0, np.int64)
        columns = [none if row is None else np.flatnonzero(row) for row in rows]
        values = [row[at] for row, at in zip(rows, columns, strict=True) if row is not None]
        ends = np.fromiter(map(len, columns), np.int64, len(rows)).cumsum()
        width = max((len(row) for row in rows if row is not None), default=0)
        joined = np.concatenate([none, *columns]).astype(np.int32)
        return cls(has, ends, joined, np.concatenate([none, *values]), width)

    @classmethod
    def read(cls, name: str, arrays: Arrays, count: int) -> "SparseRows":
        """The table from the result of `arrays`; ValueError or KeyError for a damaged one."""
        has, ends, columns, values = (
            arrays[f"{name}_{part}"] for part in ("has", "ends", "columns", "values")
        )
        width = int(arrays[f"{name}_width"])
        parts = has.astype(np.bool_), ends.astype(np.int64), columns.astype(np.int32)
        fits = has.shape == ends.shape == (count,) and columns.shape == values.shape == (
            (int(ends[-1]) if count else 0),
        )
        if not fits or (np.diff(ends, prepend=0) < 0).any() or not 0 <= width <= MOST_COLUMNS:
            raise ValueError(f"{name}: of other lengths")
        if len(columns) and not (columns.min() >= 0 and columns.max() < width):
            raise ValueError(f"{name}: a column that is not there")
        return cls(*parts, values.astype(np.int64), width)

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """To be stored."""
        return {
            f"{name}_has": self.has,
            f"{name}_ends": self.ends,
            f"{name}_columns": self.columns,
            f"{name}_values": self.values,
            f"{name}_width": np.array(self.width),
        }

    def row(self, number: int) -> Ints | None:
        """One row, (width,); None where it is missing."""
        if not self.has[number]:
            return None
        entries = slice(int(self.ends[number - 1]) if number else 0, int(self.ends[number]))
        row = np.zeros(self.width, np.int64)
        row[self.columns[entries]] = self.values[entries]
        return row

    def total(self) -> Ints | None:
        """The sum of all rows, (width,); None where there is none."""
        if not self.has.any():
            return None
        total = np.zeros(self.width, np.int64)
        np.add.at(total, self.columns, self.values)
        return total

    def chosen(self, rows: Ints) -> "SparseRows":
        """The ``rows`` of these numbers, in their order."""
        entries, ends = chosen_entries(self.ends, rows)
        parts = self.has[rows], ends, self.columns[entries], self.values[entries]
        return SparseRows(*parts, self.width)

    def with_more(self, other: "SparseRows") -> "SparseRows":
        """These rows, and those of the ``other`` behind them."""
        last = self.ends[-1] if len(self.ends) else 0
        return SparseRows(
            np.concatenate([self.has, other.has]),
            np.concatenate([self.ends, other.ends + last]),
            np.concatenate([self.columns, other.columns]),
            np.concatenate([self.values, other.values]),
            max(self.width, other.width),
        )


@dataclass(frozen=True, eq=False)
class CheckTable(Sequence[SampleCheck]):
    """The results of the samples of a split, in their order, as a sequence of SampleCheck.

    ``findings`` are by the number of the sample.
    """

    counts: SparseRows
    ignored: SparseRows
    digests: npt.NDArray[np.uint8]
    has_digest: npt.NDArray[np.bool_]
    findings: dict[int, list[Finding]]

    @classmethod
    def of(cls, checks: Iterable[SampleCheck]) -> "CheckTable":
        """The table of these results."""
        checks = list(checks)
        digests = b"".join(check.digest or bytes(DIGEST_BYTES) for check in checks)
        return cls(
            SparseRows.of([check.counts for check in checks]),
            SparseRows.of([check.ignored for check in checks]),
            np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
            np.array([check.digest is not None for check in checks], np.bool_),
            {row: check.findings for row, check in enumerate(checks) if check.findings},
        )

    @classmethod
    def read(cls, arrays: Arrays, count: int) -> "CheckTable | None":
        """The table of the result of ``arrays``; None where it is damaged."""
        try:
            digests, has_digest = arrays["digests"], arrays["has_digest"].astype(np.bool_)
            if digests.shape != (count, DIGEST_BYTES) or digests.dtype != np.uint8:
                return None
            findings: dict[int, list[Finding]] = {}
            for row, *parts in json.loads(arrays["findings"].tobytes()):
                findings.setdefault(int(row), []).append(Finding(*parts))
            if has_digest.shape != (count,) or not all(0 <= row < count for row in findings):
                return None
            counts = SparseRows.read("counts", arrays, count)
            ignored = SparseRows.read("ignored", arrays, count)
            return cls(counts, ignored, digests, has_digest, findings)
        except (KeyError, ValueError, TypeError, IndexError, MemoryError):
            return None

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """To be stored, without objects in them."""
        listed = [[row, *astuple(f)] for row, of in self.findings.items() for f in of]
        return {
            "digests": self.digests,
            "has_digest": self.has_digest,
            "findings": np.frombuffer(json.dumps(listed).encode(), np.uint8),
            **self.counts.arrays("counts"),
            **self.ignored.arrays("ignored"),
        }

    def __len__(self) -> int:
        return len(self.has_digest)

    def __getitem__(self, row: int) -> SampleCheck:  # pyright: ignore[reportIncompatibleMethodOverride]
        row = range(len(self))[row]
        digest = self.digests[row].tobytes() if self.has_digest[row] else None
        parts = self.counts.row(row), self.ignored.row(row), digest
        return SampleCheck(*parts, self.findings.get(row, []))

    def chosen(self, rows: Ints) -> "CheckTable":
        """The results of these numbers, in their order."""
        places: dict[int, list[int]] = {row: [] for row in self.findings}
        for place in np.flatnonzero(np.isin(rows, list(places))).tolist() if places else ():
            places[int(rows[place])].append(place)
        findings = {place: self.findings[row] for row, of in places.items() for place in of}
        return CheckTable(
            self.counts.chosen(rows),
            self.ignored.chosen(rows),
            self.digests[rows],
            self.has_digest[rows],
            dict(sorted(findings.items())),
        )

    def with_more(self, other: "CheckTable") -> "CheckTable":
        """These results, and those of the ``other`` behind them."""
        behind = {len(self) + row: findings for row, findings in other.findings.items()}
        return CheckTable(
            self.counts.with_more(other.counts),
            self.ignored.with_more(other.ignored),
            np.concatenate([self.digests, other.digests]),
            np.concatenate([self.has_digest, other.has_digest]),
            {**self.findings, **behind},
        )

    def first_by_digest(self) -> dict[bytes, int]:
        """Digest of a photo -> the first sample that has it."""
        text, first = self.digests.tobytes(), {}
        for row in np.flatnonzero(self.has_digest).tolist():
            first.setdefault(text[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES], row)
        return first
