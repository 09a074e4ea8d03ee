"""The description of a file before it is downloaded: URLs, size, checksum, licence."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fullconv.errors import UserError

MAX_BYTES = 8 * 2**30  # of a file whose size nobody states
UNVERIFIED = "not verified by checksum"
_WRONG = "FC-DOWNLOAD-009"
# Digits of a whole digest in hexadecimal.
DIGITS = {"sha256": 64, "sha1": 40, "md5": 32}
PREFIX = "sha256-prefix"
ALGORITHMS = (*DIGITS, PREFIX)
KEYS = ("file", "urls", "size", "about_mib", "licence", "from", *ALGORITHMS)
PREFIX_DIGITS = 8  # at least: torchvision's file names hold so many


@dataclass(frozen=True)
class Checksum:
    """``digest`` (lower-case hexadecimal) under ``algorithm``.

    The algorithms are sha256, sha1, md5, and sha256-prefix, the first digits of a sha256, which
    torchvision writes into its file names. sha1, md5 and short prefixes find damage and mix-ups;
    against someone who forges a file on purpose only a whole sha256 helps. Raises UserError for
    an unknown algorithm or a digest that cannot be one.
    """

    algorithm: str
    digest: str

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            message = f"checksum {self.algorithm!r} is none of {', '.join(ALGORITHMS)}"
            raise UserError(message, _WRONG)
        digits = len(self.digest)
        whole = DIGITS.get(self.algorithm)
        right = digits == whole if whole else PREFIX_DIGITS <= digits <= DIGITS["sha256"]
        if not right or set(self.digest) - set("0123456789abcdef"):
            message = f"{self.digest!r} is no {self.algorithm} in lower-case hexadecimal"
            raise UserError(message, _WRONG)

    def __str__(self) -> str:
        if self.algorithm == PREFIX:
            return f"sha256 ({len(self.digest)} digits)"
        return self.algorithm

    def of(self, path: Path) -> str:
        """The digest of the file, cut to the digits that this checksum has."""
        name = "sha256" if self.algorithm == PREFIX else self.algorithm
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
        return digest.hexdigest()[: len(self.digest)]


@dataclass(frozen=True)
class RetryPolicy:
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
            raise UserError(f"{self.name}: no address", _WRONG)
        for url in self.urls:
            check_url(url)
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise UserError(f"{self.name!r} is no plain file name", _WRONG)
        for number in (self.size, self.about):
            if number is not None and number <= 0:
                raise UserError(f"{self.name}: {number} bytes", _WRONG)

    @property
    def most(self) -> int:
        """More bytes than this are another file, or a server that never ends."""
        if self.size is not None:
            return self.size
        # Sizes stated in MiB are rounded to a thousandth of one.
        return self.about + 2**20 if self.about else MAX_BYTES

    @property
    def verified_by(self) -> str:
        """The algorithm, or that there is none, in words."""
        return str(self.checksum) if self.checksum else UNVERIFIED

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "RemoteFile":
        """From the keys of a registry's TOML table (``KEYS``); others are not looked at."""
        sums = [Checksum(name, _text(table, name)) for name in ALGORITHMS if name in table]
        if len(sums) > 1:
            raise UserError("more than one checksum; keep the strongest", _WRONG)
        about = table.get("about_mib")
        if about is not None and not isinstance(about, int | float):
            raise UserError(f"about_mib = {about!r} is no number", _WRONG)
        size = table.get("size")
        if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
            raise UserError(f"size = {size!r} is no whole number", _WRONG)
        urls = table.get("urls")
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise UserError("urls is no list of addresses", _WRONG)
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
        raise UserError(f"{url!r} is no http or https address", _WRONG)


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key} = {value!r} is no text", _WRONG)
    return value
