"""Why a request is not answered: an HTTP status, a line that says what to do, and a code."""

from collections.abc import Mapping


class RequestError(Exception):
    """Answered by ``status`` and the JSON ``{"error": message, "code": code}``."""

    def __init__(
        self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers = dict(headers or {})


def busy(seconds: int) -> RequestError:
    """503: as many photos are accepted as may be."""
    return RequestError(
        503,
        f"busy: the queue is full; try again in {seconds} s",
        "FC-SERVE-013",
        {"Retry-After": str(seconds)},
    )


def stopping() -> RequestError:
    """503: the service finishes what it has accepted, and takes nothing more."""
    message = "the service is stopping: ask again when it has been started anew"
    return RequestError(503, message, "FC-SERVE-013", {"Retry-After": "5"})


def too_many_bytes(limit: int) -> RequestError:
    """413 for the body of a request."""
    return RequestError(413, f"more than {limit} bytes: send a smaller photo", "FC-SERVE-008")


def too_many_pixels(width: int, height: int, limit: int) -> RequestError:
    """413 for a photo, by its header."""
    return RequestError(
        413,
        f"{width} x {height} pixels are {width * height / 1e6:.1f} megapixels, and "
        f"{limit / 1e6:g} are allowed: make the photo smaller",
        "FC-SERVE-008",
    )


def late(seconds: float) -> RequestError:
    """504: no answer in time."""
    message = f"not done within {seconds:g} s: make the photo smaller, or ask later"
    return RequestError(504, message, "FC-SERVE-014")


def gone() -> RequestError:
    """499, which nobody reads: the client has closed the connection."""
    return RequestError(499, "the client has closed the connection", "FC-SERVE-023")


def not_a_picture(why: str = "") -> RequestError:
    """422 for what cannot be read."""
    message = f"not a picture that can be read{why}: send JPEG, PNG, WebP, TIFF, BMP or GIF"
    return RequestError(422, message, "FC-SERVE-010")
