"""Photo after photo without waiting: the next are read, the last are written, while the net runs.

Pillow and zlib release Python's lock while they decode and encode, so threads suffice.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

AHEAD = 2  # items read before their turn
BEHIND = 2  # items that may wait to be written
ROOM = 2**26  # pixels at hand at a time, 192 MiB of photos; a larger photo is taken alone

Item = TypeVar("Item")
Read = TypeVar("Read")
Made = TypeVar("Made")
Written = TypeVar("Written")


def overlapped(
    items: Sequence[Item],
    read: Callable[[Item], Read],
    work: Callable[[Item, Read], Made],
    write: Callable[[Item, Made], Written],
    pixels: Callable[[Item], int],
) -> Iterator[Written]:
    """``write(item, work(item, read(item)))`` of each item, in order.

    ``work`` runs in the calling thread, the others in threads of their own: `AHEAD` items are read
    before their turn, as long as all that are at hand have no more than `ROOM` ``pixels``. What one
    of the three raises ends the iteration in the item's turn; what ``work`` has made by then is
    still written, and the rest is dropped. No thread outlives the iteration.
    """
    line = _Line(items, pixels)
    with _threads(AHEAD) as readers, _threads(1, drop=False) as writer:
        while line.waiting or line.reading or line.writing:
            for item in line.admitted():
                line.reading.append((item, readers.submit(read, item)))
            if line.reading:
                item, content = line.reading.popleft()
                made = work(item, content.result())
                del content  # the photo goes when it has been written
                line.writing.append(writer.submit(write, item, made))
                del made
            while line.is_due():
                yield line.finished()


class _Line:
    """What waits, what is being read and what is being written, each in order."""

    def __init__(self, items: Sequence[Any], pixels: Callable[[Any], int]) -> None:
        self.waiting = deque(items)
        self.reading: deque[tuple[Any, Future[Any]]] = deque()
        self.writing: deque[Future[Any]] = deque()
        self.pixels = pixels
        self.sizes: deque[int] = deque()  # of all that are at hand

    def admitted(self) -> Iterator[Any]:
        """The next items, one at a time, while there is room for them."""
        while self.waiting and len(self.reading) <= AHEAD:
            size = self.pixels(self.waiting[0])
            if self.sizes and sum(self.sizes) + size > ROOM:
                return
            self.sizes.append(size)
            yield self.waiting.popleft()

    def is_due(self) -> bool:
        """Whether to wait for the first that is being written."""
        if not self.writing:
            return False
        return not self.reading or len(self.writing) > BEHIND or self.writing[0].done()

    def finished(self) -> Any:
        """What the first that is being written gives."""
        found = self.writing.popleft().result()
        self.sizes.popleft()
        return found


def read_ahead(read: Callable[[int], Read], count: int) -> Generator[Read, None, None]:
    """``read(0)``, ``read(1)``, ... below ``count``, each read while the one before is worked on.

    What ``read`` raises is raised in its turn. No thread outlives the iteration.
    """
    with _threads(1) as reader:
        coming = [reader.submit(read, index) for index in range(min(count, 1))]
        for index in range(1, count + 1):
            found = coming.pop().result()
            if index < count:
                coming.append(reader.submit(read, index))
            yield found
            del found  # not kept while the next one is waited for


@contextmanager
def _threads(most: int, drop: bool = True) -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block; ``drop`` what they have not begun by then."""
    pool = ThreadPoolExecutor(most, thread_name_prefix="fullconv")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=drop)
