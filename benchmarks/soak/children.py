"""Commands in processes that start at once: forks of one that has imported the package.

A kill is a SIGKILL of such a process in the middle of the real command, as of one that was typed.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

SLOW = 300
"""Seconds after which a command that is not killed counts as hanging."""


def preload() -> None:
    """Import what commands import, once, with one thread: forks of many threads hang."""
    import rasterio  # noqa: F401
    import torch

    import fullconv.cli.main
    import fullconv.data.importers.import_dataset
    import fullconv.exporting
    import fullconv.inference
    import fullconv.report
    import fullconv.training.train_run  # noqa: F401

    torch.set_num_threads(1)


class Child:
    """A function running in a fork; what it prints goes to the file ``log``."""

    def __init__(self, function: Callable[[], object], log: Path) -> None:
        self.log = log
        self.code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            os._exit(_run(function, log))

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self, seconds: float = SLOW) -> int:
        """The exit code; after ``seconds`` the process is killed."""
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL, to the process alone; afterwards to what it has started. The exit code."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        assert self.code is not None
        return self.code

    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text("utf-8", "replace")


def command(arguments: Sequence[object], log: Path) -> Child:
    """``fullconv`` with these arguments."""

    def run() -> None:
        from fullconv.cli.main import main

        sys.argv = ["fullconv", *map(str, arguments)]
        main()

    return Child(run, log)


def _run(function: Callable[[], object], log: Path) -> int:
    """What a fork does; its exit code."""
    os.setsid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(target, stream)
    sys.stdout, sys.stderr = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
    code = 1
    try:
        function()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    return code
