"""Text in the encodings of one country: which it may be, how it would read, how to convert it.

Nothing is decoded by a guess: what text says of itself, or names of files that are there, decide.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from fullconv.errors import printable

LOOKED_AT = 4000  # bytes of lines that are not ASCII
PLAUSIBLE = 0.8  # of the letters that are no ASCII, in the part that everyday words are of


@dataclass(frozen=True)
class Encoding:
    """An encoding by iconv's and Python's name.

    ``is_common`` tells of the bytes of a letter whether everyday words are written with it.
    """

    name: str
    codec: str
    is_common: Callable[[bytes], bool]


def _between(low: int, high: int, least: int = 0xA1) -> Callable[[bytes], bool]:
    return lambda code: len(code) == 2 and low <= code[0] <= high and code[1] >= least


ENCODINGS = (
    Encoding("GB18030", "gb18030", _between(0xB0, 0xD7)),  # GB 2312, level 1
    Encoding("CP932", "cp932", _between(0x81, 0x98, 0x40)),  # Shift-JIS: kana, kanji of level 1
    Encoding("BIG5", "big5", _between(0xA4, 0xC6, 0x40)),
    Encoding("CP949", "cp949", _between(0xB0, 0xC8)),  # EUC-KR: Hangul
    Encoding("EUC-JP", "euc_jp", _between(0xA4, 0xCF)),
)
_LATIN = "WINDOWS-1252", "cp1252"
_CYRILLIC = "WINDOWS-1251", "cp1251"
_FOREIGN = re.compile(r"[^\x00-\x7f]+")


def decodings(content: bytes) -> list[str]:
    """``content`` by every encoding here in which it is valid, each reading once."""
    codecs = [*(encoding.codec for encoding in ENCODINGS), _LATIN[1], _CYRILLIC[1], "latin-1"]
    texts = (_decoded(content, codec) for codec in codecs)
    return list(dict.fromkeys(text for text in texts if text is not None))


def readings(content: bytes) -> dict[str, str]:
    """The encodings that ``content`` is likely to be in -> how its first foreign word reads."""
    lines = [line for line in content.splitlines() if not line.isascii()]
    part = b"\n".join(lines[:200])
    if len(part) > LOOKED_AT:
        part = b"\n".join(lines[: max(1, LOOKED_AT // max(map(len, lines[:200])))])
    likely = {e.name: text for e in ENCODINGS if (text := _plausible(part, e))}
    for (name, codec), letters in ((_LATIN, "À-ÖØ-öø-ÿŒœŠšŽž"), (_CYRILLIC, "А-яЁё")):
        text = _decoded(part, codec)
        if text is not None and _share_of_words(text, letters, name == _LATIN[0]) >= PLAUSIBLE:
            likely[name] = text
    return {name: _first_word(text) for name, text in likely.items()}


def how_to_convert(content: bytes, name: str) -> tuple[str, str]:
    """The encoding error of a text that is no UTF-8, and the command that converts it."""
    likely = readings(content)
    if not likely:
        return (
            "is neither UTF-8 nor UTF-16 text",
            "open it in an editor and save it as UTF-8; where it is no text, export it again",
        )
    listed = " or ".join(f"{encoding} ({word!r})" for encoding, word in list(likely.items())[:3])
    first = next(iter(likely))
    file = shlex.quote(printable(name))
    return (
        f"is not UTF-8, it looks like {listed}",
        f"convert it: iconv -f {first} -t UTF-8 {file} > NEW",
    )


def _decoded(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def _plausible(part: bytes, encoding: Encoding) -> str | None:
    text = _decoded(part, encoding.codec)
    foreign = "" if text is None else "".join(_FOREIGN.findall(text))
    if not foreign:
        return None
    common = sum(encoding.is_common(letter.encode(encoding.codec)) for letter in foreign)
    return text if common >= PLAUSIBLE * len(foreign) else None


def _share_of_words(text: str, letters: str, is_latin: bool) -> float:
    """The share of the foreign letters that stand in a word as people write them.

    In the Latin alphabet at most two of them stand side by side, beside a plain letter.
    """
    foreign = sum(map(len, _FOREIGN.findall(text)))
    word = rf"(?<![^\x00-\x7f])[{letters}]{{1,2}}(?![^\x00-\x7f])" if is_latin else f"[{letters}]+"
    fitting = (
        match
        for match in re.finditer(word, text)
        if not is_latin or re.search(r"[A-Za-z]", text[max(match.start() - 1, 0) : match.end() + 1])
    )
    return sum(len(match[0]) for match in fitting) / max(foreign, 1)


def _first_word(text: str) -> str:
    match = re.search(r"\w*[^\x00-\x7f]\w*", text)
    return match[0][:12] if match else ""
