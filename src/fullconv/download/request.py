"""One HTTP request: the missing bytes of a partial file, asked for by Range and If-Range."""

import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import IO, Any
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from fullconv.download.partial_file import PartialFile
from fullconv.download.remote import RemoteFile

Progress = Callable[[int, int | None], object]
BLOCK = 1 << 18
SLOWEST = 100  # bytes a second, over the time that counts as a stall
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)  # errors that may be over soon


class TransientError(Exception):
    """The connection or the server failed in a way that another attempt may not.

    ``wait`` is how many seconds the server asks for.
    """

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class PermanentError(Exception):
    """This address does not give the file, however often it is asked.

    ``discard`` where what has been fetched so far belongs to another file.
    """

    def __init__(self, why: str, discard: bool = False) -> None:
        super().__init__(why)
        self.discard = discard


def fetch_rest(
    url: str, part: PartialFile, wanted: RemoteFile, timeout: float, progress: Progress | None
) -> None:
    """Complete ``part`` by one GET of ``url``; else TransientError or PermanentError.

    The download resumes where the server confirms that the rest belongs to the same file (Range,
    If-Range, Content-Range), else it starts at byte 0. OSError of the disk passes through.
    """
    have, validator = part.resumable(url, wanted)
    if wanted.size is not None and have == wanted.size:
        return
    headers = {"User-Agent": "fullconv", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    answer = _open(url, headers, timeout, part, have)
    if answer is None:
        return
    with answer:
        have = _first_byte(answer, have, part)
        total = _total(answer, have)
        _check(answer, total, wanted)
        with part.open(url, have, _validator(answer.headers)) as file:
            _copy(answer, file, have, total, wanted.most, timeout, progress)


def _open(
    url: str, headers: dict[str, str], timeout: float, part: PartialFile, have: int
) -> http.client.HTTPResponse | None:
    """The response with status 200 or 206; None where the server says that no byte is missing."""
    try:
        return _opener().open(request.Request(url, headers=headers), timeout=timeout)
    except HTTPError as error:
        with error:
            if error.code == 416:
                if have and error.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                    return None
                part.discard()
                raise TransientError("the server has fewer bytes than were fetched", 0) from None
            raise _error_of_status(error.code, error.headers) from None
    except URLError as error:
        raise _error_of_connection(error.reason) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _error_of_connection(error) from None


class _Redirects(request.HTTPRedirectHandler):
    """Few, and never from https to http, nor away from the web."""

    max_redirections = 5
    max_repeats = 2

    def redirect_request(
        self, req: request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> request.Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("http", "https"):
            raise PermanentError(f"it redirects to {after}:, which is not the web")
        if (before, after) == ("https", "http"):
            raise PermanentError(
                "it redirects from https to http, where anyone can change the bytes"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> request.OpenerDirector:
    """urllib's, without its handlers for files, ftp and data."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


def _error_of_status(code: int, headers: Message) -> TransientError | PermanentError:
    if 300 <= code < 400:
        return PermanentError("it redirects in a circle, or too often")
    try:
        what = f"HTTP {code} {HTTPStatus(code).phrase}"
    except ValueError:
        what = f"HTTP {code}"
    if code in _TRANSIENT:
        return TransientError(what, _seconds(headers.get("Retry-After")))
    return PermanentError(what)


def _error_of_connection(error: object) -> TransientError | PermanentError:
    if isinstance(error, socket.gaierror):
        return PermanentError("its name is not found; is there a connection to the internet?")
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError("its certificate is not valid")
    if isinstance(error, TimeoutError):
        return TransientError("the connection stalled")
    if isinstance(error, OSError):
        return TransientError(error.strerror or type(error).__name__)
    return TransientError(f"no valid answer ({type(error).__name__})")


def _seconds(text: str | None) -> float | None:
    """Retry-After, a number of seconds or a date."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _first_byte(answer: http.client.HTTPResponse, have: int, part: PartialFile) -> int:
    """The position of the response's first byte in the file: ``have``, or 0 for the whole file."""
    if answer.status == 200:
        return 0
    span = re.match(r"bytes (\d{1,18})-\d+/", answer.headers.get("Content-Range", ""))
    if answer.status != 206 or not span or int(span[1]) != have or not have:
        part.discard()
        raise TransientError("the server sent another range than was asked for", 0)
    return have


def _total(answer: http.client.HTTPResponse, have: int) -> int | None:
    """Bytes of the whole file as the server states them."""
    span = re.match(r"bytes \d+-\d+/(\d{1,18})$", answer.headers.get("Content-Range", ""))
    if answer.status == 206 and span:
        return int(span[1])
    return None if answer.length is None else have + answer.length


def _check(answer: http.client.HTTPResponse, total: int | None, wanted: RemoteFile) -> None:
    if answer.headers.get_content_type() == "text/html":
        raise PermanentError(
            "a web page came instead of the file (a question, or a notice of its end)"
        )
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packed != "identity" and not wanted.name.endswith(("gz", "bz2", "xz")):
        raise PermanentError(
            f"the server packs it on the way ({packed!a}), which was not asked for"
        )
    if total is None:
        return
    if wanted.size is not None and total != wanted.size:
        raise PermanentError(f"the file there has {total} bytes, not {wanted.size}", discard=True)
    if total > wanted.most:
        raise PermanentError(f"the file there has {total} bytes, over {wanted.most}", discard=True)


def _validator(headers: Message) -> str:
    """The version of the file on the server: a strong ETag, else Last-Modified, else ''."""
    tag = headers.get("ETag", "").strip()
    return tag if tag.startswith('"') else headers.get("Last-Modified", "").strip()


def _copy(
    answer: http.client.HTTPResponse,
    file: IO[bytes],
    done: int,
    total: int | None,
    most: int,
    timeout: float,
    progress: Progress | None,
) -> None:
    mark, marked = time.monotonic(), done
    while block := _read(answer):
        done += len(block)
        if done > (most if total is None else total):
            raise PermanentError(
                f"more than {total or most} bytes came: another file", discard=True
            )
        file.write(block)
        if progress:
            progress(done, total)
        now = time.monotonic()
        if now - mark > timeout:
            # A drip of single bytes never runs into the socket's own timeout.
            if done - marked < SLOWEST * timeout:
                raise TransientError("the connection nearly stalled")
            mark, marked = now, done
    if total is not None and done < total:
        raise TransientError(f"the connection was cut after {done} of {total} bytes")


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(BLOCK)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _error_of_connection(error) from None
