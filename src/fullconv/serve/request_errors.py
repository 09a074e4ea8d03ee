"""Why a request is not answered: an HTTP status and a line that says what to do."""


class Refusal(Exception):
    """Answered by ``status`` and the JSON ``{"error": message}``."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


def busy(seconds: int) -> Refusal:
    """503: as many photos are accepted as may be."""
    return Refusal(
        503,
        f"busy: as many photos are waiting as may; try again in {seconds} s",
        {"Retry-After": str(seconds)},
    )


def stopping() -> Refusal:
    """503: the service finishes what it has accepted, and takes nothing more."""
    return Refusal(503, "the service is stopping", {"Retry-After": "5"})


def too_many_bytes(limit: int) -> Refusal:
    """413 for the body of a request."""
    return Refusal(413, f"more than {limit} bytes: send a smaller photo")


def too_many_pixels(width: int, height: int, limit: int) -> Refusal:
    """413 for a photo, by its header."""
    return Refusal(
        413,
        f"{width} x {height} pixels are {width * height / 1e6:.1f} megapixels, and "
        f"{limit / 1e6:g} are allowed: make the photo smaller",
    )


def late(seconds: float) -> Refusal:
    """504: no answer in time."""
    return Refusal(504, f"not done within {seconds:g} s: make the photo smaller, or ask later")


def not_a_picture(why: str = "") -> Refusal:
    """422 for what cannot be read."""
    read = "JPEG, PNG, WebP, TIFF, BMP or GIF"
    return Refusal(422, f"not a picture that can be read{why}: send {read}")
