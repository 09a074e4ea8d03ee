"""What is known of a file before it is there, and how patiently it is fetched."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fullconv.download.checksum import ALGORITHMS, Checksum
from fullconv.errors import UserError

MOST = 8 * 2**30  # bytes of a file whose size nobody states
UNVERIFIED = "not verified by checksum"
KEYS = ("file", "urls", "size", "about_mib", "licence", "from", *ALGORITHMS)


@dataclass(frozen=True)
class Patience:
    """``timeout`` seconds without data are a stall; then up to ``attempts`` in a row that bring
    nothing, with pauses that double from ``pause`` up to ``longest`` seconds.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0
    longest: float = 60.0


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    ``name`` is its own, ``urls`` are addresses of the same bytes, best first; ``size`` its bytes,
    exactly, or ``about`` so many; ``checksum`` None where no source states one; ``origin`` says
    which source states all this. Raises UserError for what cannot be right.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    about: int | None = None
    checksum: Checksum | None = None
    licence: str = ""
    origin: str = ""

    def __post_init__(self) -> None:
        if not self.urls:
            raise UserError(f"{self.name}: no address")
        for url in self.urls:
            check_url(url)
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise UserError(f"{self.name!r} is no plain file name")
        for number in (self.size, self.about):
            if number is not None and number <= 0:
                raise UserError(f"{self.name}: {number} bytes")

    @property
    def most(self) -> int:
        """More bytes than this are another file, or a server that never ends."""
        if self.size is not None:
            return self.size
        # Sizes stated in MiB are rounded to a thousandth of one.
        return self.about + 2**20 if self.about else MOST

    @property
    def verified_by(self) -> str:
        """The algorithm, or that there is none, in words."""
        return str(self.checksum) if self.checksum else UNVERIFIED

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "RemoteFile":
        """From the keys of a registry's TOML table (``KEYS``); others are not looked at."""
        sums = [Checksum(name, _text(table, name)) for name in ALGORITHMS if name in table]
        if len(sums) > 1:
            raise UserError("more than one checksum; keep the strongest")
        about = table.get("about_mib")
        if about is not None and not isinstance(about, int | float):
            raise UserError(f"about_mib = {about!r} is no number")
        size = table.get("size")
        if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
            raise UserError(f"size = {size!r} is no whole number")
        urls = table.get("urls")
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise UserError("urls is no list of addresses")
        return cls(
            name=_text(table, "file"),
            urls=tuple(urls),
            size=size,
            about=None if about is None else round(about * 2**20),
            checksum=sums[0] if sums else None,
            licence=_text(table, "licence"),
            origin=_text(table, "from"),
        )


def check_url(url: str) -> None:
    """UserError unless ``url`` is http or https with a host, in printable ASCII."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise UserError(f"{url!r} is no http or https address")


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key} = {value!r} is no text")
    return value
