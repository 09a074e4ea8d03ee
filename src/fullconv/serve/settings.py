"""The limits of the service: sizes, numbers, times, and who has access."""

import ipaddress
import math
from dataclasses import dataclass

from fullconv.errors import UserError

MIB = 2**20
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine in a browser on it."""
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """Limits of the service; UserError where they contradict each other.

    ``max_bytes`` of a request's body and ``max_pixels`` of a photo are checked before it is
    decoded. ``queue`` photos are accepted at a time, the one in work included; ``batch`` of equal
    size go through the net together at most. An answer takes ``seconds`` at most, the arrival of a
    photo ``upload_seconds``. ``token`` is asked of all who ask for more than the page. ``hosts``
    are the names by which the service may be called; empty: any.
    """

    max_bytes: int = 32 * MIB
    max_pixels: int = 25_000_000
    queue: int = 16
    batch: int = 8
    seconds: float = 60.0
    upload_seconds: float = 30.0
    token: str | None = None
    hosts: frozenset[str] = LOOPBACK

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "queue", "batch", "seconds", "upload_seconds"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                message = f"{name.replace('_', ' ')} {value}: must be more than 0, and finite"
                raise UserError(message, "FC-SERVE-018")
        if self.token is not None:
            _check_token(self.token)


def _check_token(token: str) -> None:
    if len(token) < SHORTEST_TOKEN:
        raise UserError(
            f"a token of {len(token)} characters can be guessed: take at least {SHORTEST_TOKEN}, "
            "as of 'openssl rand -hex 16'",
            "FC-SERVE-017",
        )
    if not all("!" <= letter <= "~" for letter in token):
        message = "a token has only printable ASCII, without spaces: it goes into a header"
        raise UserError(message, "FC-SERVE-017")


def is_loopback(host: str) -> bool:
    """True where only this machine can reach a service that is bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_for(host: str, named: tuple[str, ...]) -> frozenset[str]:
    """The names in ``Host`` that are answered when bound to ``host``; ``named`` are added.

    Beyond loopback any name is, unless some are ``named``: a page of somebody else that reaches the
    service under its own name (DNS rebinding) has no token.
    """
    added = frozenset(name.lower().strip("[]") for name in named)
    if is_loopback(host):
        return LOOPBACK | added | {host.lower()}
    return added | LOOPBACK | {host.lower()} if added else frozenset()
