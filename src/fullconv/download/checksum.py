"""Checksums of published files, in the forms in which their sources give them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fullconv.errors import UserError

# Digits of a whole digest in hexadecimal.
DIGITS = {"sha256": 64, "sha1": 40, "md5": 32}
PREFIX = "sha256-prefix"
ALGORITHMS = (*DIGITS, PREFIX)
LEAST = 8  # digits of a prefix: torchvision's file names hold so many


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
            raise UserError(f"checksum {self.algorithm!r} is none of {', '.join(ALGORITHMS)}")
        digits = len(self.digest)
        whole = DIGITS.get(self.algorithm)
        right = digits == whole if whole else LEAST <= digits <= DIGITS["sha256"]
        if not right or set(self.digest) - set("0123456789abcdef"):
            raise UserError(f"{self.digest!r} is no {self.algorithm} in lower-case hexadecimal")

    def __str__(self) -> str:
        if self.algorithm == PREFIX:
            return f"sha256 ({len(self.digest)} digits)"
        return self.algorithm

    def of(self, path: Path) -> str:
        """The digest of the file, cut to the digits that this checksum has."""
        name = "sha256" if self.algorithm == PREFIX else self.algorithm
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
        return found.hexdigest()[: len(self.digest)]
