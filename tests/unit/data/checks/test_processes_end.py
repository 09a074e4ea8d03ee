"""Processes that check photos end with the one that started them, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fullconv.data.checks.examine_many import FEW

CHECKS = """
import os, sys, time
from fullconv.data import open_source
from fullconv.data.checks import examine_many

def examine(source, index):
    os.write(1, b"%d\\n" % os.getpid())  # at once: print writes the end of the line by itself
    time.sleep(0.02)

examine_many.examine, examine_many._cores = examine, lambda: 2
source = open_source(sys.argv[1], "train")
list(examine_many.examined({"train": source}, [("train", 0)] * examine_many.FEW))
"""


def is_running(process: int) -> bool:
    """Whether a process is there, and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(make_folder, number):
    """They would wait for photos for ever, with all that they hold."""
    command = [sys.executable, "-c", CHECKS, make_folder(train=2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as checking:
        assert checking.stdout is not None
        found: set[int] = set()
        for _ in range(FEW):
            found.add(int(checking.stdout.readline()))
            if len(found) == 2:
                break
        checking.send_signal(number)
    try:
        end = time.monotonic() + 60
        while any(map(is_running, found)):
            assert time.monotonic() < end, "they are still there"
            time.sleep(0.05)
    finally:
        for process in filter(is_running, found):
            os.kill(process, signal.SIGKILL)
