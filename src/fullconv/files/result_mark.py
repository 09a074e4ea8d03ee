"""The mark by which a picture that a prediction wrote is known from photos and masks."""

from contextlib import suppress
from pathlib import Path

RESULT_MARK = "fullconv prediction"
_HEAD = 512  # bytes; PNG and JPEG have the mark near their beginning


def is_result(file: Path) -> bool:
    """Whether a file is a picture that a prediction wrote."""
    if file.suffix.lower() not in (".png", ".jpg"):
        return False
    with suppress(OSError), file.open("rb") as stream:
        return RESULT_MARK.encode() in stream.read(_HEAD)
    return False
