"""Rows of different lengths behind one another in one array, and where each ends."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def chosen_entries(ends: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Of the ``rows`` of these numbers: where their entries lie, and where each ends among them.

    ``ends`` is where each of all rows ends. Row n is ``entries[ends[n - 1] : ends[n]]``.
    """
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[rows]
    lengths = ends[rows] - starts
    chosen_ends = lengths.cumsum()
    count = int(chosen_ends[-1]) if len(chosen_ends) else 0
    from_start = np.arange(count) - (chosen_ends - lengths).repeat(lengths)
    return starts.repeat(lengths) + from_start, chosen_ends
