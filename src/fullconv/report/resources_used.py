"""Time and memory of a run, from its ``timing.csv``."""

from html import escape
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fullconv.report import html
from fullconv.report.curves import Columns, known


def resources(timing: Columns) -> dict[str, str]:
    """What a run took, in words: time, photos a second, wait for data, memory; what is known."""
    columns = {name: known(timing, name)[1] for name in timing}
    found: dict[str, str] = {}
    if len(seconds := columns.get("seconds", np.empty(0))):
        found["time"] = duration(total_seconds(seconds))
    if len(rate := columns.get("images_per_second", np.empty(0))):
        found["photos a second"] = f"{float(np.median(rate)):.3g}"
    if len(wait := columns.get("data_wait", np.empty(0))):
        found["waiting for data"] = f"{100 * float(np.median(wait)):.0f} %"
    if len(memory := columns.get("memory_mib", np.empty(0))):
        found["most memory"] = f"{memory.max():.0f} MiB"
    return found


def resources_section(timing: Columns) -> str:
    """They as a table."""
    rows = [(escape(name), escape(value)) for name, value in resources(timing).items()]
    if not rows:
        return ""
    told = "Time is that of all sittings, validations included; the middle values are medians."
    return html.table((), rows, {1}) + html.note(told)


def total_seconds(seconds: npt.NDArray[np.float64]) -> float:
    """Of all sittings: the clock starts anew with each, so where it falls back one has ended."""
    ends = [float(a) for a, b in pairwise(seconds) if b < a]
    return sum(ends) + float(seconds[-1])


def duration(seconds: float) -> str:
    """'42 s', '1:23 min', '2:03:45 h'."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
