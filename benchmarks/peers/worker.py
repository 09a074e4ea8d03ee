"""What every measured process does: takes a job, times it warm, says its peak memory.

It runs in the venvs of the peers too, so it needs NumPy alone. A job is JSON on the command line,
the answer JSON in the last line that is printed. Photos are uint8 RGB (H, W, 3), class maps uint8
(H, W), both as .npy.
"""

import json
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np


def job():
    """What this process is asked to do."""
    return json.loads(sys.argv[1])


def predict(job, class_map, **said):
    """Time ``class_map``, photo to best classes; the last map goes to ``job["out"]``."""
    photo = np.load(job["photo"])
    forget_peak()
    found = class_map(photo)  # what the first call prepares does not count
    seconds = []
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        found = class_map(photo)
        seconds.append(time.perf_counter() - began)
    np.save(job["out"], found.astype(np.uint8))
    answer(seconds=seconds, mib=peak_mib(), **said)


def train(job, step, **said):
    """Time ``step``, which takes a photo and its mask (uint8 (H, W)) and changes the weights."""
    photo, mask = np.load(job["photo"]), np.load(job["mask"])
    forget_peak()
    step(photo, mask)
    seconds = []
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        step(photo, mask)
        seconds.append(time.perf_counter() - began)
    answer(seconds=seconds, mib=peak_mib(), **said)


def answer(**found):
    """Print what was found, for the process that asked."""
    print(json.dumps(found), flush=True)


def forget_peak():
    """Let the peak count from here on: loading the weights may take them twice (man 5 proc)."""
    with suppress(OSError):  # not everywhere allowed: then loading counts
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib():
    """The most memory that this process held since ``forget_peak``, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) // 1024
