"""The body of a request, as far as it may go: so many bytes, so many seconds."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from fullconv.serve.connection_limit import Seats
from fullconv.serve.request_errors import Refusal, busy, too_many_bytes

BEYOND = 2**24
"""Bytes read and forgotten past the limit: who is cut off while sending sees no answer."""


async def received(request: Request, limit: int, seconds: float, seats: Seats) -> bytes:
    """The whole body.

    Raises Refusal: 408 when it takes more than ``seconds``, 413 beyond ``limit`` bytes, 503 where
    all ``seats`` of those who send are taken.
    """
    try:
        async with asyncio.timeout(seconds):
            if seats.full:
                await _body(request, 0)
                raise busy(seats.wait)
            with seats.seat():
                body = await _body(request, limit)
    except TimeoutError:
        raise Refusal(
            408, f"the photo did not arrive within {seconds:g} s", {"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise Refusal(499, "the client has gone") from None
    if body is None:
        raise too_many_bytes(limit)
    return body


async def _body(request: Request, limit: int) -> bytes | None:
    """The body; None where it is more than ``limit`` bytes, which are forgotten."""
    body, total = bytearray(), 0
    async for chunk in request.stream():
        total += len(chunk)
        if total <= limit:
            body += chunk
        else:
            body.clear()
        if total > limit + BEYOND:
            break
    return bytes(body) if total <= limit else None
