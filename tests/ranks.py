"""Trainings of several real processes, joined by gloo on the CPU, as a launcher starts them.

They are forked from a server that has imported torch already: starting them costs no second.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from fullconv.training.parallel.launcher import reserved_port

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "fullconv.cli.commands.train",
        "fullconv.training.train_run",
        "fullconv.evaluation",
        "fullconv.report",
        "lightning_fabric",
        "torch.distributed.nn",
        "torch.utils.data",
    ]
)


STARTED: list = []


def end_all() -> None:
    """Kill what a failed test has left."""
    for process in STARTED:
        process.kill()
    STARTED.clear()


class Ranks:
    """Processes that run ``task(*arguments)`` together, or alone; what each says is in a file."""

    def __init__(self, count: int, folder: Path, task: Callable, *arguments) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.files = [folder / f"said-{rank}.txt" for rank in range(count)]
        for file in self.files:  # of those before: what they said is not what these say
            file.unlink(missing_ok=True)
        self.port = ExitStack()  # no other test is given it, until these have ended
        port = self.port.enter_context(reserved_port())
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        self.processes = [
            SERVER.Process(
                target=_run,
                args=(
                    {**shared, "LOCAL_RANK": str(rank)} if count > 1 else {},
                    file, task, arguments,
                ),
            )
            for rank, file in enumerate(self.files)
        ]  # fmt: skip
        for process in self.processes:
            process.start()
            STARTED.append(process)

    def wait(self, seconds: float = 100) -> list[int | None]:
        """Their exit codes; a process that does not end in time fails the test."""
        end = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))
        codes = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
        self.port.close()
        assert None not in codes, f"still running after {seconds} s: {codes}; {self.said()}"
        return codes

    def said(self) -> str:
        """What all of them have said."""
        return "".join(file.read_text("utf-8") for file in self.files if file.exists())

    def lines(self) -> list[str]:
        """Those that the program prints for its user when it ends."""
        return [line for line in self.said().splitlines() if line.startswith("fullconv: ")]

    def when(self, seen: Callable[[], bool], rank: int, number: int = signal.SIGKILL) -> bool:
        """Send a signal to one of them at the moment that ``seen`` is true; whether all ran."""
        while all(process.is_alive() for process in self.processes) and not seen():
            time.sleep(0.0005)
        were_running = all(process.is_alive() for process in self.processes)
        if were_running:
            os.kill(self.processes[rank].pid, number)
        return were_running


def _run(variables: dict[str, str], file: Path, task: Callable, arguments: Sequence) -> None:
    os.environ.update(variables)
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # of loader processes, as in a command
    task(*arguments)


def command(*arguments: object) -> None:
    """The ``fullconv`` command in this process."""
    from fullconv.cli.commands import train  # noqa: F401
    from fullconv.cli.main import main

    sys.argv = ["fullconv", *map(str, arguments)]
    main()
