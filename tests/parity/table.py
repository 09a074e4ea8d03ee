"""The tables of docs/parity.md: each parity test puts its measured rows into its section."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parity.md"
HEAD = (
    "| net | what | largest difference | relative to the largest | equal argmax |\n"
    "|---|---|---|---|---|\n"
)


@dataclass(frozen=True)
class Difference:
    """How far two arrays of scores (K, H, W), or any two arrays, are apart.

    ``relative`` is the largest difference by the largest value of the reference; ``argmax`` the
    share of pixels whose best class is the same, None where that means nothing.
    """

    absolute: float
    relative: float
    argmax: float | None = None


def difference(ours: Any, theirs: Any, classes: bool = True) -> Difference:
    """Compare ours with the reference; ``classes``: the first axis is that of the classes."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape, f"{ours.shape} here, {theirs.shape} there"
    assert np.isfinite(theirs).all()
    largest = float(np.abs(ours - theirs).max())
    scale = float(np.abs(theirs).max())
    same = float((ours.argmax(0) == theirs.argmax(0)).mean()) if classes else None
    return Difference(largest, largest / scale, same)


def record(section: str, net: str, what: str, found: Difference, page: Path = PAGE) -> None:
    """Put a row into the table below the heading ``section``; a row of that net and what goes."""
    text = page.read_text("utf-8") if page.exists() else "# Parity\n"
    share = "-" if found.argmax is None else f"{100 * found.argmax:.3f} %"
    row = f"| {net} | {what} | {found.absolute:.1e} | {found.relative:.1e} | {share} |\n"
    heading = f"## {section}\n"
    if heading not in text:
        text = f"{text.rstrip()}\n\n{heading}"
    before, rest = text.split(heading, 1)
    body, mark, after = rest.partition("\n## ")
    if HEAD not in body:
        body = f"\n{body.strip()}\n\n{HEAD}" if body.strip() else f"\n{HEAD}"
    body = re.sub(rf"^\| {re.escape(net)} \| {re.escape(what)} \|.*\n?", "", body, flags=re.M)
    body = body.rstrip() + "\n" + row
    page.write_text(before + heading + body + mark + after, "utf-8")
