"""The check of many photos by several processes, or threads where processes cannot be forked."""

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NoReturn

from fullconv.data.checks.sample_findings import SampleCheck, examine
from fullconv.data.layouts.pairs import PairSource
from fullconv.data.sample import Source
from fullconv.data.shards.source import PackedSource
from fullconv.data.splits.multimodal import outputs_of
from fullconv.data.splits.remapped import Remapped
from fullconv.errors import UserError

Job = tuple[str, int]
"""A split and the number of a photo in it."""
FEW = 200  # photos that are read sooner than processes are started
CHUNK = 32  # photos that a process looks at before it answers
LOOK = 0.5  # seconds between two looks whether the process that started this one is there
_sources: Mapping[str, Source] = {}
"""The job of a forked process."""


def examined(sources: Mapping[str, Source], jobs: Sequence[Job]) -> Iterator[SampleCheck]:
    """The results of the ``jobs``, in their order."""
    cores = _cores()
    if len(jobs) < FEW or cores < 2 or not _can_fork(sources):
        yield from _by_threads(sources, jobs, min(8, cores))
        return
    chunks = [jobs[first : first + CHUNK] for first in range(0, len(jobs), CHUNK)]
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(cores, context, _begin, (sources, os.getpid()))
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            results = pool.map(_examined_chunk, chunks)  # forks here
        for checks in results:
            yield from checks
    except BrokenProcessPool as error:
        raise UserError("a process that checks the photos died, most likely for lack of memory: "
                        "free some, or run fewer programs", "FC-DATA-130") from error  # fmt: skip
    finally:
        pool.shutdown(cancel_futures=True)


def _by_threads(
    sources: Mapping[str, Source], jobs: Sequence[Job], threads: int
) -> Iterator[SampleCheck]:
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(lambda job: examine(sources[job[0]], job[1]), jobs)


def _cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def _can_fork(sources: Mapping[str, Source]) -> bool:
    """Whether forked processes can read the photos: files, but nothing that is a user's object."""
    if "fork" not in multiprocessing.get_all_start_methods() or os.name != "posix":
        return False
    outputs = [output for source in sources.values() for output in outputs_of(source)]
    inner = [output.source if isinstance(output, Remapped) else output for output in outputs]
    is_files = all(isinstance(source, PairSource | PackedSource) for source in inner)
    return is_files and not multiprocessing.current_process().daemon


def _begin(sources: Mapping[str, Source], parent: int) -> None:
    global _sources
    _sources = sources
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one answers
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> NoReturn:
    """End this process with the one that started it: killed, that one tells nobody."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)


def _examined_chunk(jobs: Sequence[Job]) -> list[SampleCheck]:
    return [examine(_sources[split], index) for split, index in jobs]
