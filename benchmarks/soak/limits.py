"""One damaged file after the other in child processes that may use little time and memory."""

import os
import re
import resource
import select
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

MEMORY = 2**30
"""Bytes that a child may take beyond those that it starts with."""
SECONDS = 5
"""Of the processor, for one file; waiting for the processor is no hang."""
LONGEST_WAIT = 30
"""Seconds by the clock after which a file counts as hanging all the same."""
CASES = 100
"""Files that a child reads before another one is started."""
LONGEST = 900
"""Characters of a refusal beside the name of its file."""
_RUNS_CODE = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen",
              "pty.spawn", "pickle.find_class", "socket.connect", "socket.getaddrinfo",
              "urllib.Request")  # fmt: skip
"""Events of `sys.addaudithook` that reading a file has no reason for."""

Prepare = Callable[[int], object]
"""Writes the damaged file of a number."""


def outcomes(
    prepare: Prepare, read: Callable[[], object], count: int, folder: Path
) -> Iterator[tuple[int, str, str]]:
    """(number, outcome, what it is) of each file.

    Outcomes: 'read', 'refused', 'traceback', 'hang', 'died' and 'ran code'. Files are written into
    ``folder``, and writing elsewhere counts as running code.
    """
    done = 0
    while done < count:
        for number, outcome, what in _child(
            prepare, read, range(done, min(done + CASES, count)), folder
        ):
            done = number + 1
            yield number, outcome, what


def _child(
    prepare: Prepare, read: Callable[[], object], numbers: range, folder: Path
) -> Iterator[tuple[int, str, str]]:
    """The outcomes until all are read or the child ends."""
    receive, send = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(receive)
        _read_all(prepare, read, numbers, send, folder)
    os.close(send)
    number, text, ended = numbers.start, "", False
    since, used = time.monotonic(), 0.0
    with os.fdopen(receive, "rb", buffering=0) as pipe:
        while not ended:
            if not select.select([pipe], [], [], 0.5)[0]:
                waited, busy = time.monotonic() - since, _processor_seconds(pid) - used
                if busy < SECONDS and waited < LONGEST_WAIT:
                    continue
                os.kill(pid, 9)
                os.waitpid(pid, 0)
                yield number, "hang", f"{busy:.0f} s of the processor, {waited:.0f} s in all"
                return
            got = pipe.read(2**16).decode("utf-8", "replace")
            ended, text = not got, text + got
            *lines, text = text.split("\n")
            for line in lines:
                outcome, _, what = line.partition("\t")
                if outcome != "begins":
                    yield number, outcome, what
                    number += 1
                since, used = time.monotonic(), _processor_seconds(pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number < numbers.stop:
        yield number, "died", f"exit code {code}"


def _processor_seconds(pid: int) -> float:
    """What a process that is not waited for has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read_all(
    prepare: Prepare, read: Callable[[], object], numbers: range, send: int, folder: Path
) -> None:
    """What a child does."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    sys.stdout, sys.stderr = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
    os.chdir(folder)
    events: list[str] = []
    allowed = str(folder), os.devnull, "/proc", "/dev"
    started = int(re.search(r"VmSize:\s*(\d+)", Path("/proc/self/status").read_text())[1])  # pyright: ignore
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (started * 1024 + MEMORY,) * 2)
    sys.addaudithook(lambda event, arguments: _watch(event, arguments, events, allowed))
    for number in numbers:
        prepare(number)
        events.clear()
        os.write(send, b"begins\n")
        outcome, what = _outcome(read)
        if events:
            outcome, what = "ran code", f"{events[0]} ({outcome}: {what})"
        os.write(send, f"{outcome}\t{' '.join(what.split())[:400]}\n".encode("utf-8", "replace"))
    os._exit(0)


def _watch(event: str, arguments: tuple, events: list[str], allowed: tuple[str, ...]) -> None:
    """Note what no reader does: starting programs, asking the network, writing elsewhere."""
    if event in _RUNS_CODE:
        events.append(f"{event} {arguments[:2]!r}"[:200])
    elif event == "open" and isinstance(arguments[0], str | bytes):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes and not path.startswith(allowed):
            events.append(f"writes {path}"[:200])


def _outcome(read: Callable[[], object]) -> tuple[str, str]:
    """How reading a file ended."""
    from fullconv.errors import UserError, UserErrors
    from fullconv.serve.request_errors import RequestError

    try:
        read()
    except UserErrors as error:
        return _refused(error.coded().split("\n"))
    except UserError as error:
        return _refused([error.coded()])
    except RequestError as error:
        return _refused([error.message])
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "fullconv" in f.filename]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        reason = (
            f"{type(error).__name__}: {str(error)[:120]} at {where}, {Path(place.filename).name}"
        )
        return "traceback", reason
    return "read", ""


def _refused(lines: list[str]) -> tuple[str, str]:
    for line in lines:
        if not line.isprintable() or len(line) > LONGEST + 200:
            return (
                "traceback",
                f"a refusal that is no line of at most {LONGEST} characters: {line!r}",
            )
    return "refused", lines[0]
