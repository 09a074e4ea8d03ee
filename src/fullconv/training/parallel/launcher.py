"""How the processes of a training are started: by this command, torchrun, SLURM or another.

Where nobody else has, this process starts the others as copies of itself and becomes process 0.
Until all are connected (`parallel.peers`), it looks whether they live, and they whether it does.
"""

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from fullconv.errors import UserError
from fullconv.notebook_progress import in_notebook

PARENT = "FULLCONV_PARENT"
"""The variable by which a process that was started here knows its parent, and how many train."""
CODE = 2  # of a process that ends because another one did
LAST_WAIT = 60  # seconds for the others, when the first process ends
_LOOK = 0.2  # seconds between two looks at a process

_started: list["subprocess.Popen[bytes]"] = []


def is_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def with_torchrun(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``overrides`` with the numbers of processes and machines that torchrun started.

    UserError where they have other numbers.
    """
    if not is_torchrun():
        return dict(overrides)
    world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    numbers = {"compute.devices": local, "compute.nodes": world // local}
    for key, number in numbers.items():
        if str(overrides.get(key, number)) != str(number):
            raise UserError(
                f"{key}: is {overrides[key]}, and torchrun has started {number}: leave it out",
                "FC-CONFIG-013",
            )
    return {**overrides, **numbers}


def how_to_resume(out: Path) -> str:
    """The command that resumes after an unwanted end."""
    if not (out / "config.toml").is_file():
        return "nothing was saved: start it again"
    if _started or PARENT in os.environ:
        return f"to resume: fullconv train --resume --out {out}"
    return f"to resume: start it as before, with --resume --out {out}"


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port at which torch can listen, and which no other program is given during the block.

    The system gives a port that is bound to nobody, and torch may bind it once more (SO_REUSEADDR);
    so it is on Linux, elsewhere the port was free a moment ago.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("", 0))
        port = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port


def start_others(devices: int, address: str, port: int) -> None:
    """Start the processes 1 to ``devices`` - 1 of this machine, by the command of this one.

    Process 0 of all machines will be met at ``address`` and ``port``.
    """
    command = _command()
    os.environ |= {"LOCAL_RANK": "0", "MASTER_ADDR": address, "MASTER_PORT": str(port)}
    for number in range(1, devices):
        variables = os.environ | {"LOCAL_RANK": str(number), PARENT: f"{os.getpid()} of {devices}"}
        _started.append(subprocess.Popen(command, env=variables))
    atexit.register(_wait_for_others)


def _command() -> list[str]:
    """How this process was started; UserError where that cannot be repeated."""
    command = [sys.executable, *sys.orig_argv[1:]]
    if in_notebook() or hasattr(sys, "ps1") or len(command) < 2 or command[1] == "-":
        raise UserError(
            "compute.devices: several processes are copies of a command or of a script in a file, "
            "which there is none of here; write the training into a file, or use fullconv train",
            "FC-CONFIG-013",
        )
    return command


def end_of(number: int) -> str:
    """The signal that ended process ``number``, if this process started it: " (SIGKILL)"."""
    if not 0 < number <= len(_started):
        return ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = _started[number - 1].wait(2)
        if code < 0:
            return f" ({signal.Signals(-code).name})"
        return f" (exit code {code})"
    return ""


def _wait_for_others() -> None:
    end = time.monotonic() + LAST_WAIT
    for process in _started:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))
        process.kill()


@contextmanager
def starting(out: Path) -> Iterator[None]:
    """Within the block this process ends when one that it started ends, or its parent."""
    over = threading.Event()
    parent = os.environ.get(PARENT)
    if _started:
        threading.Thread(target=_look_at_others, args=(over, out), daemon=True).start()
    elif parent:
        threading.Thread(target=_look_at_parent, args=(over, out, parent), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _look_at_others(over: threading.Event, out: Path) -> None:
    while not over.wait(_LOOK):
        for number, process in enumerate(_started, 1):
            if process.poll() is None:
                continue
            if process.returncode != CODE:  # else it has said itself why
                _say_died(f"{number} of {len(_started) + 1}", end_of(number), out)
            end_process()


def _look_at_parent(over: threading.Event, out: Path, parent: str) -> None:
    pid, _, count = parent.partition(" of ")
    while not over.wait(_LOOK):
        if os.getppid() != int(pid):
            if os.environ["LOCAL_RANK"] == "1":  # one of them says it
                _say_died(f"0 of {count}", "", out)
            end_process()


def _say_died(process: str, how: str, out: Path) -> None:
    text = f"process {process} died{how} before the training began; {how_to_resume(out)}"
    say(f"{text} [FC-TRAIN-015]")


def say(text: str) -> None:
    """A last line on stderr; where nobody reads that any more, the process has to end all the same.

    So it is where the user has ended what the messages were piped into.
    """
    with contextlib.suppress(OSError, ValueError):
        print(f"fullconv: {text}", file=sys.stderr, flush=True)


def end_process(code: int = CODE) -> NoReturn:
    """End this process at once, with its loader processes and those that it started."""
    import multiprocessing

    for child in [*multiprocessing.active_children(), *_started]:
        with contextlib.suppress(OSError, ValueError):
            child.kill()
    with contextlib.suppress(OSError, ValueError):  # as `say`
        sys.stdout.flush()
    os._exit(code)
