"""Text as people's programs save it: UTF-8 or UTF-16, with or without a mark; names as shown."""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the first half of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def decode_text(content: bytes, errors: str = "strict") -> str:
    """The text in ``content``: by its byte order mark, else UTF-16 where every second byte is 0 as
    in plain letters, else UTF-8. Raises UnicodeDecodeError for anything else.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors)
    head = content[:400]
    for zeros, encoding in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
        if len(zeros) > 1 and zeros.count(0) > len(zeros) // 2:
            return content.decode(encoding, errors)
    return content.decode("utf-8", errors)


def shown(name: str) -> str:
    """``name`` as one line of text: control characters and bytes that are no UTF-8 escaped."""
    return _UNSHOWN.sub(lambda sign: _escaped(ord(sign[0])), name)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
