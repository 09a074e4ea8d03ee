"""Durations as people write and read them: 15m -> 900 seconds, 900 seconds -> 15 min."""

from fullconv.errors import UserError


def duration(seconds: float) -> str:
    """'0.42 s', '42 s', '1:23 min', '2:03:45 h'."""
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def seconds_of(text: str) -> float:
    """Seconds of a time as 90s, 15m, 1h or 1.5h; UserError for another text."""
    units = {"s": 1, "m": 60, "h": 3600}
    try:
        seconds = float(text[:-1]) * units[text[-1:].lower()]
    except (KeyError, ValueError):
        seconds = 0.0
    if not 1 <= seconds <= 1e7:
        raise UserError(
            f"{text[:40]!r} is no time: use seconds, minutes or hours, as 90s, 15m, 1h",
            "FC-CONFIG-012",
        )
    return seconds
