"""The files of a comparison: Markdown to read, CSV to compute with, a picture."""

import csv
import io
from pathlib import Path

from fullconv.benchmark.table import (
    COMPUTED,
    MEASURED,
    Comparison,
    computed_cells,
    measured_cells,
    notes,
    scored_cells,
    scored_head,
    values,
)


def write_comparison(comparison: Comparison, folder: str | Path) -> list[Path]:
    """Write comparison.md, .csv and .png into ``folder``; returns the paths.

    UserError where they cannot be written, and where that is the folder of a data set.
    """
    from fullconv.report import write_file
    from fullconv.report.score_files import refuse_data_set

    refuse_data_set(folder)

    contents = {
        "comparison.md": markdown(comparison).encode(),
        "comparison.csv": table_csv(comparison).encode(),
        "comparison.png": picture(comparison),
    }
    for name, content in contents.items():
        write_file(Path(folder) / name, content)
    return [Path(folder) / name for name in contents]


def markdown(comparison: Comparison) -> str:
    """One table, then how it was made."""
    head = [*COMPUTED, *MEASURED, *scored_head(comparison)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in comparison.rows:
        scored = scored_cells(row, comparison)
        lines.append([*computed_cells(row), *measured_cells(row), *scored])
    table = "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)
    remarks = "\n".join(f"- {note}" for note in notes(comparison))
    return (
        f"# Nets compared\n\n```\n{comparison.command}\n```\n\n{table}\n\n{remarks}\n\n"
        "![The nets as points](comparison.png)\n\n"
        "All digits, the fastest and the slowest forward are in [comparison.csv](comparison.csv).\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")  # a folder may be called so


def table_csv(comparison: Comparison) -> str:
    """One row a net, every value in full, an empty cell where there is none."""
    rows = [values(row, comparison) for row in comparison.rows]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def picture(comparison: Comparison) -> bytes:
    """PNG: mean IU against time of the nets with scores; without scores, time against work."""
    from fullconv.report import points_picture

    if comparison.scored:
        points = [
            (row.candidate.name, 1000 * row.timing.median, 100 * row.scores.mean_iu)
            for row in comparison.rows
            if row.scores
        ]
        axes = ("forward in ms", "mean IU in percent")
    else:
        points = [
            (row.candidate.name, row.summary.multiply_adds / 1e9, 1000 * row.timing.median)
            for row in comparison.rows
        ]
        axes = ("multiply-adds in G", "forward in ms")
    (height, width), machine = comparison.size, comparison.machine
    title = f"one photo of {height}x{width}, {machine.device}, {machine.precision}"
    return points_picture(points, *axes, title)
