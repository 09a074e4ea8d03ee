"""Nets and engines side by side."""

import math

from rich.markup import escape
from rich.table import Table

from fullconv.benchmark.engine_table import EngineBenchmark
from fullconv.benchmark.table import (
    COMPUTED,
    MEASURED,
    Comparison,
    computed_cells,
    measured_cells,
    scored_cells,
    scored_head,
)
from fullconv.cli.tables.screen import table


def comparison_tables(comparison: Comparison) -> list[Table]:
    """What the nets are, counted; what they cost and reach, measured. One row a net in each."""
    height, width = comparison.size
    counted = table(f"On one photo of {height}x{width}", COMPUTED)
    found = table("Measured", ("net", *MEASURED, *scored_head(comparison)))
    for row in comparison.rows:
        counted.add_row(*map(escape, computed_cells(row)))
        scored = scored_cells(row, comparison)
        found.add_row(escape(row.candidate.name), *measured_cells(row), *scored)
    return [counted, found]


def engines_table(found: EngineBenchmark) -> Table:
    """The engines that were measured, the reference first."""
    first = found.rows[0]
    size = f"{found.size[0]}x{found.size[1]}"
    columns = ("engine", "file", "a photo", "memory", f"times {first.name}", f"as {first.name}")
    made = table(f"On one photo of {size}, {found.precision}, median", columns, left=2)
    for row in found.rows:
        if row.timing and first.timing:
            seconds, times = row.timing.median, first.timing.median / row.timing.median
            cells = f"{seconds:.3g} s", f"{row.timing.peak_mib} MiB", f"{times:.2f}"
            made.add_row(row.name, escape(str(row.typed)), *cells, percent_same(row.same))
    return made


def percent_same(share: float) -> str:
    """'99.9996%', and '100%' only where every pixel is."""
    return "100%" if share == 1 else f"{math.floor(share * 1e6) / 1e4:.4f}%"


def engine_notes(found: EngineBenchmark) -> list[str]:
    """What was left out and why, and what to type."""
    first, best, fastest = found.rows[0].name, found.recommended, found.fastest
    lines = [f"left out: {row.name}: {row.error}" for row in found.rows if row.error]
    lines.append(f"fastest with every class as {first} has it: {found.command(best)}")
    if fastest is not best:
        changed = 100 - 100 * fastest.same
        lines.append(f"faster, {changed:.2g}% of the pixels differ: {found.command(fastest)}")
    return lines
