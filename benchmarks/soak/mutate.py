"""Files damaged at random, in the ways that disks, tools and people who mean harm damage them."""

import io
import random
import re
import struct
import zipfile
from collections.abc import Callable, Sequence

Random = random.Random
TEXTS = [
    b"9" * 5000, b"-1", b"1e999", b"NaN", b"-Infinity", b"null", b"true", b"\"x\"", b"[]", b"{}",
    b"[" * 100_000, b"{\"a\":" * 5000, b"<a>" * 5000, b"\0", b"\r", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", b"../../../x", b"/etc/passwd", b"/vsicurl/http://127.0.0.1/x", b"\x1b[2J",
    b"%s%n", b"99999999999", b"0x7fffffff", b"<!DOCTYPE a [<!ENTITY b \"c\">]>", b"\xe2\x80\xae",
    b"!!python/object/apply:os.system [x]", b"&a [*a]",
]  # fmt: skip
"""Put into a file, or in place of a number or a quoted text."""
EXTREMES = [0, 1, -1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]
PICKLES = [
    b"cos\nsystem\n(S'touch ran-code'\ntR.",
    b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0etouch ran-code\x85R.",
]
"""Make a file in the working folder when they are loaded."""
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_QUOTED = re.compile(rb"\"[^\"\n]{0,200}\"|'[^'\n]{0,200}'")


def mutated(content: bytes, chance: Random) -> bytes:
    """``content`` with one to four damages; inside of it where it is a zip."""
    if chance.random() < 0.5 and (inside := _in_zip(content, chance)) is not None:
        return inside
    for _ in range(chance.choice((1, 1, 2, 4))):
        content = chance.choice(_WAYS)(content, chance)
    return content


def _flip(content: bytes, chance: Random) -> bytes:
    """Bits and bytes at random places."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 8, 64))):
        if changed:
            place = chance.randrange(len(changed))
            changed[place] = chance.choice((changed[place] ^ 1 << chance.randrange(8),
                                            chance.randrange(256), 0, 255))  # fmt: skip
    return bytes(changed)


def _cut(content: bytes, chance: Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _remove(content: bytes, chance: Random) -> bytes:
    start, stop = _range(content, chance)
    return content[:start] + content[stop:]


def _repeat(content: bytes, chance: Random) -> bytes:
    start, stop = _range(content, chance)
    return content[:stop] + content[start:stop] * chance.choice((1, 2, 50)) + content[stop:]


def _move(content: bytes, chance: Random) -> bytes:
    start, stop = _range(content, chance)
    rest, place = content[:start] + content[stop:], chance.randrange(len(content) + 1)
    return rest[:place] + content[start:stop] + rest[place:]


def _blank(content: bytes, chance: Random) -> bytes:
    """A range of zeros, as a disk that lost a block leaves it."""
    start, stop = _range(content, chance)
    return content[:start] + bytes(stop - start) + content[stop:]


def _insert(content: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.choice(TEXTS + PICKLES) + content[place:]


def _field(content: bytes, chance: Random) -> bytes:
    """An extreme number over a field of 1 to 8 bytes, in either order of bytes."""
    size = chance.choice((1, 2, 4, 8))
    if len(content) < size:
        return content
    head = chance.random() < 0.5  # headers are where the numbers are
    place = chance.randrange(min(len(content), 512 if head else len(content)) - size + 1)
    value = chance.choice(EXTREMES) & (2 ** (8 * size) - 1)
    field = value.to_bytes(size, chance.choice(("little", "big")))
    return content[:place] + field + content[place + size :]


def _word(content: bytes, chance: Random) -> bytes:
    """Nonsense in place of a number or of a quoted text."""
    matches = list(chance.choice((_NUMBER, _QUOTED)).finditer(content[:200_000]))
    if not matches:
        return _flip(content, chance)
    match, text = chance.choice(matches), chance.choice(TEXTS)
    if match[0][:1] in b"\"'" and chance.random() < 0.7:
        text = match[0][:1] + text.replace(match[0][:1], b"") + match[0][:1]
    return content[: match.start()] + text + content[match.end() :]


def _length(content: bytes, chance: Random) -> bytes:
    """A change in a header of JSON whose length stands before it, made right again."""
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= len(content) - 8:
        return _word(content, chance)
    header = _word(content[8 : 8 + size], chance)
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def _range(content: bytes, chance: Random) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    longest = chance.choice((4, 64, 1024, len(content)))
    return start, min(len(content), start + 1 + int(longest * chance.random()))


def _in_zip(content: bytes, chance: Random) -> bytes | None:
    """A zip with one member damaged, its checksum right; None for other files."""
    if content[:2] != b"PK":
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
    except Exception:
        return None
    if not members:
        return None
    target, buffer = chance.randrange(len(members)), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (info, data) in enumerate(members):
            way: Callable[[bytes, Random], bytes] = chance.choice(_WAYS)
            archive.writestr(info, way(data, chance) if number == target else data)
    return buffer.getvalue()


_WAYS: Sequence[Callable[[bytes, Random], bytes]] = (
    _flip, _flip, _cut, _remove, _repeat, _move, _blank, _insert, _field, _field, _word, _word,
    _length,
)  # fmt: skip
