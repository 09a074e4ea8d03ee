"""What a TIFF's directories say, whatever is in its pixels: pages, bands, bits, place."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 262, 277
_SUBFILE, _EXTRA, _FORMAT, _COMPRESSION, NODATA = 254, 338, 339, 259, 42113
_GEOREFERENCE = frozenset({33550, 33922, 34264, 34735})
"""Tags of a GeoTIFF: pixel scale, tie points, transformation, keys (OGC 19-008r4, 7.1)."""
_KNOWN = frozenset(
    {_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA, _FORMAT, _COMPRESSION}
)
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType (TIFF 6.0)
_MOST_PAGES = 4096
WHITE_IS_ZERO, RGB, PALETTE = 0, 2, 3
ASSOCIATED, UNASSOCIATED = 1, 2
PACKED_FOR_PILLOW = frozenset(
    {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34676, 34677, 34925, 50000}
)
"""Compressions that Pillow's libtiff unpacks; not LERC (34887), WebP (50001) and JPEG 2000."""
LOSSY = (6, 7, 34892)
"""Compressions that change values: JPEG of TIFF 6.0, JPEG of its supplement 2, lossy DNG."""


@dataclass(frozen=True)
class Page:
    """One directory of a TIFF: whole numbers by tag, and all ``tags`` that it has."""

    numbers: dict[int, tuple[int, ...]] = field(default_factory=dict)
    tags: frozenset[int] = frozenset()

    def _first(self, tag: int, default: int) -> int:
        return self.numbers.get(tag, (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self._first(_HEIGHT, 0), self._first(_WIDTH, 0)

    @property
    def bits(self) -> int:
        """Bits of the widest sample."""
        return max(self.numbers.get(_BITS, (1,)))

    @property
    def samples(self) -> int:
        """Samples of a pixel."""
        return self._first(_SAMPLES, 1)

    @property
    def photometric(self) -> int:
        """PhotometricInterpretation."""
        return self._first(_PHOTOMETRIC, 1)

    @property
    def compression(self) -> int:
        """Compression."""
        return self._first(_COMPRESSION, 1)

    @property
    def is_packed_for_pillow(self) -> bool:
        """Whether Pillow can unpack it."""
        return self.compression in PACKED_FOR_PILLOW

    @property
    def is_signed(self) -> bool:
        """Whether its samples are whole numbers with a sign."""
        return self.numbers.get(_FORMAT, (1,))[0] == 2

    @property
    def is_alpha(self) -> bool:
        """Whether the last sample is said to be an alpha channel."""
        return self.numbers.get(_EXTRA, (0,))[-1] in (ASSOCIATED, UNASSOCIATED)

    @property
    def is_part_of_another(self) -> bool:
        """An overview, a preview or a mask of the picture before it."""
        return bool(self._first(_SUBFILE, 0) & (_REDUCED | _MASK))

    @property
    def is_mask(self) -> bool:
        """Whether it says which pixels of the picture before it are any."""
        return bool(self._first(_SUBFILE, 0) & _MASK)

    @property
    def is_georeferenced(self) -> bool:
        """Whether it says where it lies on the Earth, or which value is no pixel."""
        return bool(self.tags & _GEOREFERENCE) or NODATA in self.tags

    @property
    def is_plain_with_alpha(self) -> bool:
        """8-bit grey or RGB with an alpha channel."""
        usual = {1: 2, RGB: 4}.get(self.photometric)
        return self.bits == 8 and self.samples == usual and self.is_alpha

    @property
    def is_grey_16(self) -> bool:
        """One unsigned 16-bit sample, 0 being black."""
        unsigned = set(self.numbers.get(_FORMAT, (1,))) <= {1}
        return unsigned and self.bits == 16 and self.samples == 1 and self.photometric == 1

    @property
    def is_plain(self) -> bool:
        """Whether Pillow reads all of it as a photo: unsigned, 8 bits, grey, RGB or a palette."""
        unsigned = set(self.numbers.get(_FORMAT, (1,))) <= {1}
        extra = len(self.numbers.get(_EXTRA, ()))
        usual = {RGB: 3, 6: 3, 5: 4, 8: 3}.get(self.photometric, 1)
        is_known = unsigned and self.bits <= 8 and self.samples == usual and not extra
        return is_known and self.is_packed_for_pillow


@dataclass(frozen=True)
class Tiff:
    """The directories of a file: its ``pages``, and whether one is a mask of the first."""

    pages: tuple[Page, ...]
    has_mask: bool

    @property
    def first(self) -> Page:
        """The page that is read."""
        return self.pages[0]


def read_tiff(file: IO[bytes]) -> Tiff | None:
    """The directories of an open TIFF or BigTIFF; None where they are damaged."""
    try:
        directories = list(_directories(file))
    except (struct.error, ValueError, OverflowError, OSError):
        return None
    pages = tuple(page for page in directories if not page.is_part_of_another)
    masks = any(page.is_mask for page in directories)
    return Tiff(pages or tuple(directories[:1]), masks) if directories else None


def _directories(file: IO[bytes]) -> Iterator[Page]:
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}[head[:2]] if head[:2] in (b"II", b"MM") else ""
    if not order:
        raise ValueError("no TIFF")
    big = struct.unpack(f"{order}H", head[2:4])[0] == 43
    place = struct.unpack(f"{order}{'Q' if big else 'I'}", head[8:16] if big else head[4:8])[0]
    seen: set[int] = set()
    while place and place not in seen and len(seen) < _MOST_PAGES:
        seen.add(place)
        page, place = _directory(file, place, order, big)
        yield page


def _directory(file: IO[bytes], place: int, order: str, big: bool) -> tuple[Page, int]:
    file.seek(place)
    word, entry = ("Q", "HHQQ") if big else ("I", "HHII")
    count = struct.unpack(f"{order}{'Q' if big else 'H'}", file.read(8 if big else 2))[0]
    size = struct.calcsize(f"{order}{entry}")
    if count > 65535:
        raise ValueError("too many entries")
    content = file.read(count * size)
    following = file.read(8 if big else 4)
    after = struct.unpack(f"{order}{word}", following)[0] if len(following) >= 4 else 0
    numbers: dict[int, tuple[int, ...]] = {}
    tags: set[int] = set()
    for at in range(0, len(content) - size + 1, size):
        tag, kind, amount, _ = struct.unpack_from(f"{order}{entry}", content, at)
        tags.add(tag)
        if tag in _KNOWN:
            value = content[at + size - (8 if big else 4) : at + size]
            numbers[tag] = _numbers(file, kind, amount, value, order, word)
    return Page({tag: values for tag, values in numbers.items() if values}, frozenset(tags)), after


def _numbers(
    file: IO[bytes], kind: int, amount: int, value: bytes, order: str, word: str
) -> tuple[int, ...]:
    """The whole numbers of an entry, at most 1024 of them."""
    code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
    if code is None:
        return ()
    amount = min(amount, 1024)
    size = struct.calcsize(f"{order}{amount}{code}")
    if size > len(value):
        file.seek(struct.unpack(f"{order}{word}", value)[0])
        value = file.read(size)
    return struct.unpack(f"{order}{amount}{code}", value[:size])
