"""How metrics are shown: numbers as text, and tables in HTML for notebooks."""

import html
import math
from collections.abc import Iterable, Sequence

MOST_ROWS = 200


def percent(value: float) -> str:
    """How a metric is printed: '62.7', and '-' for nan."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def html_table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table of texts, the first column aligned left and the others right; all text escaped."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    shown = list(rows)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in shown[:MOST_ROWS])
    if len(shown) > MOST_ROWS:
        body += f"<tr><td>and {len(shown) - MOST_ROWS} more</td></tr>"
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Sequence[str]) -> str:
    first, *others = (html.escape(cell) for cell in row)
    cells = f'<td style="text-align:left">{first}</td>'
    return cells + "".join(f'<td style="text-align:right">{cell}</td>' for cell in others)
