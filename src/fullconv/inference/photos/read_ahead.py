"""Reading ahead in threads: the next photo is read while the one before is predicted.

Pillow and zlib release Python's lock while they decode and encode, so threads suffice.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Read = TypeVar("Read")


def read_ahead(read: Callable[[int], Read], count: int) -> Generator[Read, None, None]:
    """``read(0)``, ``read(1)``, ... below ``count``, each read while the one before is worked on.

    What ``read`` raises is raised in its turn. No thread outlives the iteration.
    """
    with threads(1) as reader:
        coming = [reader.submit(read, index) for index in range(min(count, 1))]
        for index in range(1, count + 1):
            item = coming.pop().result()
            if index < count:
                coming.append(reader.submit(read, index))
            yield item
            del item  # not kept while the next one is waited for


@contextmanager
def threads(most: int, drop: bool = True) -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block; ``drop`` what they have not begun by then."""
    pool = ThreadPoolExecutor(most, thread_name_prefix="fullconv-read")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=drop)
