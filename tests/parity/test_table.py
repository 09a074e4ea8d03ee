"""The tables of docs/parity.md: a row is replaced, everything else stays."""

import numpy as np

from table import HEAD, Difference, difference, record


def test_rows_go_below_their_heading_and_replace_their_like(tmp_path):
    page = tmp_path / "parity.md"
    page.write_text("# Parity\n\nText.\n\n## A\n\nAbout A.\n\n## B\n\nAbout B.\n")
    record("A", "`net`", "5x7", Difference(0.5, 0.25, 0.9), page)
    record("B", "`net`", "5x7", Difference(1, 2), page)
    record("A", "`net`", "6x7", Difference(0.5, 0.25, 1), page)
    record("A", "`net`", "5x7", Difference(0.1, 0.01, 1), page)
    record("C", "other", "loss", Difference(0, 0), page)
    assert page.read_text() == (
        f"# Parity\n\nText.\n\n## A\n\nAbout A.\n\n{HEAD}"
        "| `net` | 6x7 | 5.0e-01 | 2.5e-01 | 100.000 % |\n"
        "| `net` | 5x7 | 1.0e-01 | 1.0e-02 | 100.000 % |\n"
        f"\n## B\n\nAbout B.\n\n{HEAD}| `net` | 5x7 | 1.0e+00 | 2.0e+00 | - |\n"
        f"\n## C\n\n{HEAD}| other | loss | 0.0e+00 | 0.0e+00 | - |\n"
    )


def test_difference_by_hand():
    theirs = np.array([[[1.0, -8.0]], [[2.0, 0.0]]])
    ours = np.array([[[1.0, -7.0]], [[0.0, 0.0]]])
    assert difference(ours, theirs) == Difference(2.0, 0.25, 0.5)
