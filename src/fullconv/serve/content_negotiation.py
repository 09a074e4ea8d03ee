"""Which answer a request asks for by its ``Accept`` header (RFC 9110, section 12.5.1)."""

from fullconv.serve.request_errors import Refusal
from fullconv.serve.responses import KINDS

Range = tuple[str, dict[str, str], float]
"""A media range, its parameters, and how much it is wanted."""


def wanted(accept: str | None) -> str:
    """The kind of answer (a key of ``KINDS``); JSON where any will do.

    ``image/png`` is the mask; the other pictures are asked for by the parameter ``picture``.
    Raises Refusal (406) where none fits.
    """
    if accept is None or not accept.strip():
        return "json"
    ranges = [_range(text) for text in accept.split(",") if text.strip()]
    rated = [(_quality(kind, ranges), kind) for kind in KINDS]
    quality = max(quality for quality, _ in rated)
    if quality <= 0:
        offered = ", ".join(KINDS.values())
        raise Refusal(406, f"Accept: {accept[:200]}: there are {offered}")
    return next(kind for rating, kind in rated if rating == quality)


def _range(text: str) -> Range:
    media, *parts = (part.strip() for part in text.split(";"))
    options: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        options[name.strip().lower()] = value.strip().strip('"').lower()
    try:
        quality = float(options.pop("q", "1"))
    except ValueError:
        quality = 1.0
    return media.lower(), options, quality


def _quality(kind: str, ranges: list[Range]) -> float:
    """How much a kind is wanted: what the most precise range that it falls under says."""
    media, options, _ = _range(KINDS[kind])
    best = (-1, 0.0)
    for asked, named, quality in ranges:
        picture = named.get("picture")
        # Without the parameter image/png is the mask alone, not whichever picture comes first.
        if asked == media and picture == options.get("picture"):
            place = 2
        elif asked in (f"{media.split('/')[0]}/*", "*/*") and not options and picture is None:
            place = 1 if asked != "*/*" else 0
        else:
            continue
        best = max(best, (place, quality))
    return best[1]
