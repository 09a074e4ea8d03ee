"""The screen: width, progress bars, and how every table looks."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

PIPED = 120  # columns of a table where no terminal says how wide it is


def console() -> Console:
    """The screen; in a pipe or a file lines are not cut to 80 columns."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, drawn while the block runs; gives the function that moves it.

    The function takes the photos done and the photos in all. Nothing is drawn where stderr is no
    terminal.
    """
    with _bar(what, MofNCompleteColumn()) as move:
        yield move


@contextmanager
def frame_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """As ``progress``, with the frames a second; in all None where nobody knows."""
    with _bar(what, MofNCompleteColumn(), _FramesPerSecond()) as move:
        yield move


class _FramesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.2g}/s")


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A line on stderr that says what is done while the block runs; none without a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True).status(what):
        yield


@contextmanager
def download_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """As ``progress``, for bytes; in all None where the server does not say."""
    with _bar(what, DownloadColumn(binary_units=True), TransferSpeedColumn()) as move:
        yield move


@contextmanager
def _bar(what: str, *counts: ProgressColumn) -> Iterator[Callable[[int, int | None], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        *counts,
        TimeRemainingColumn(),
    )
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """An empty table; the first ``left`` columns are words, the others numbers."""
    new = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        new.add_column(name, justify="left" if index < left else "right", no_wrap=index > 0)
    return new
