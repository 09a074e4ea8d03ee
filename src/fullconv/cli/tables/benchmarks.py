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
    measured = table("Measured", ("net", *MEASURED, *scored_head(comparison)))
    for row in comparison.rows:
        counted.add_row(*map(escape, computed_cells(row)))
        scored = scored_cells(row, comparison)
        measured.add_row(escape(row.candidate.name), *measured_cells(row), *scored)
    return [counted, measured]


def engines_table(benchmark: EngineBenchmark) -> Table:
    """The engines that were measured, the reference first."""
    first = benchmark.rows[0]
    size = f"{benchmark.size[0]}x{benchmark.size[1]}"
    columns = ("engine", "file", "a photo", "memory", f"times {first.name}", f"as {first.name}")
    engines = table(f"On one photo of {size}, {benchmark.precision}, median", columns, left=2)
    for row in benchmark.rows:
        if row.timing and first.timing:
            seconds, times = row.timing.median, first.timing.median / row.timing.median
            cells = f"{seconds:.3g} s", f"{row.timing.peak_mib} MiB", f"{times:.2f}"
            engines.add_row(row.name, escape(str(row.typed)), *cells, percent_same(row.same))
    return engines


def percent_same(share: float) -> str:
    """'99.9996%', and '100%' only where every pixel is."""
    return "100%" if share == 1 else f"{math.floor(share * 1e6) / 1e4:.4f}%"


def engine_notes(benchmark: EngineBenchmark) -> list[str]:
    """What was left out and why, and what to type."""
    first, best, fastest = benchmark.rows[0].name, benchmark.recommended, benchmark.fastest
    lines = [f"left out: {row.name}: {row.error}" for row in benchmark.rows if row.error]
    lines.append(f"fastest with every class as {first} has it: {benchmark.command(best)}")
    if fastest is not best:
        changed = 100 - 100 * fastest.same
        lines.append(f"faster, {changed:.2g}% of the pixels differ: {benchmark.command(fastest)}")
    return lines
