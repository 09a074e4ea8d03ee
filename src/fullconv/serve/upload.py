"""From the body of a request to the bytes of a photo, within the limits on bytes and seconds."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial

from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fullconv.serve.request_errors import RequestError, gone, too_many_bytes
from fullconv.serve.service import Slots

PART = "photo"
PARTS = 16
"""More are not read: nobody sends a photo in so many."""


def photo_reader(content_type: str) -> Callable[[bytes], bytes]:
    """The function that reads the photo from a body of this type; RequestError (415) else."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return partial(photo_part, content_type)
    if kind.startswith("image/") or kind in ("", "application/octet-stream"):
        return bytes
    raise RequestError(
        415,
        f"{kind[:100]}: send a photo by -H 'Content-Type: image/jpeg' or -F photo=@photo.jpg",
        "FC-SERVE-009",
    )


async def received(request: Request, limit: int, seconds: float, slots: Slots) -> bytes:
    """The whole body.

    Raises RequestError: 408 when it takes more than ``seconds``; 413 beyond ``limit`` bytes, at
    once where the header says so; 503 where all ``slots`` of those who send are taken.
    """
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and (len(length) > 18 or int(length) > limit):
        raise too_many_bytes(limit)
    try:
        async with asyncio.timeout(seconds):
            with slots.slot():
                return await _body(request, limit)
    except TimeoutError:
        message = f"the photo did not arrive within {seconds:g} s: send a smaller one"
        raise RequestError(408, message, "FC-SERVE-007", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise gone() from None


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_many_bytes(limit)
    return bytes(body)


class _InMemory(MultiPartParser):
    spool_max_size = 0  # never a file on the disk: the body, which is bounded, is in memory anyway


def photo_part(content_type: str, body: bytes) -> bytes:
    """The content of the file of a form that is called ``photo``, whatever its file name.

    Raises RequestError (422) where there is none or more than one, or the form cannot be read.
    """
    return asyncio.run(_photo_part(content_type, body))  # in a thread that has no loop


async def _photo_part(content_type: str, body: bytes) -> bytes:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield body

    headers = Headers({"content-type": content_type})
    parser = _InMemory(headers, chunks(), max_files=PARTS, max_fields=PARTS)
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        raise RequestError(422, f"the form cannot be read: {error}", "FC-SERVE-011") from error
    photos = [part for part in form.getlist(PART) if isinstance(part, UploadFile)]
    if len(photos) > 1:
        raise RequestError(
            422,
            f"the form has {len(photos)} files called {PART!r}: send each in a request of its own",
            "FC-SERVE-011",
        )
    if photos:
        return await photos[0].read()
    raise RequestError(
        422, f"no file of the form is called {PART!r}: curl -F {PART}=@photo.jpg", "FC-SERVE-011"
    )
