"""What a command asks of a data set several times, answered once.

A training opens its data several times before the first step: for the range of its photos, for its
classes, for the crop. With 100,000 photos each listing, stat and split takes a while.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Answer = TypeVar("Answer")
_answers: ContextVar[dict[Hashable, tuple[Any, Any]] | None] = ContextVar("answers", default=None)


@contextmanager
def listings_kept() -> Iterator[None]:
    """In the block files are listed, looked at and split once, however often the data is opened.

    Outside of one every call looks anew: between two calls people change their files.
    """
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def once(key: Hashable, answer: Callable[[], Answer], of: tuple[Any, ...] = ()) -> Answer:
    """``answer()``, or what it gave earlier in this block for the same ``key``.

    ``of`` are further parts of the key that count as the same only where they are the same objects.
    An answer is kept as long as the block: it should be small.
    """
    answers = _answers.get()
    if answers is None:
        return answer()
    key = (key, *map(id, of))
    if key not in answers:
        answers[key] = answer(), of  # which keeps their ids from being given to others
    return answers[key][0]
