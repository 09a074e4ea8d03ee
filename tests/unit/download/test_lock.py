"""Locks of several processes: one at a time, and nobody waits for a dead one."""

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter

import pytest

from fullconv.data.shards.cache import RangeCache
from fullconv.download import exclusive
from fullconv.training.run.run_folder import Run

COUNT = """
import sys, time
from pathlib import Path
from fullconv.download.cache import exclusive
path = Path(sys.argv[1])
for _ in range(20):
    with exclusive(path):
        value = int(path.read_text())
        time.sleep(0.002)
        path.write_text(str(value + 1))
"""
HOLD = """
import sys, time
from pathlib import Path
from fullconv.download.cache import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def started(code, path):
    return subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)


def test_of_three_processes_one_works_at_a_time_and_no_lock_is_left(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    children = [started(COUNT, path) for _ in range(3)]
    assert [child.wait(100) for child in children] == [0, 0, 0]
    assert path.read_text() == "60"
    assert os.listdir(tmp_path) == ["count"]


def test_a_lock_that_a_killed_process_left_blocks_nobody(tmp_path):
    path = tmp_path / "file"
    child = started(HOLD, path)
    assert child.stdout.readline() == "held\n"
    waited = threading.Event()
    thread = threading.Thread(target=lambda: entered(path, waited))
    thread.start()
    assert not waited.wait(0.3)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert waited.wait(20)
    thread.join()
    assert os.listdir(tmp_path) == []


def entered(path, waited):
    with exclusive(path):
        waited.set()


def test_threads_take_turns(tmp_path):
    seen, inside = Counter(), []

    def work():
        with exclusive(tmp_path / "file"):
            inside.append(1)
            seen[len(inside)] += 1
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {1: 5}


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP])
def no_locks(request, monkeypatch):
    """As on some network disks."""

    def refuse(handle, operation):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_disk_without_locks_is_worked_on_all_the_same(tmp_path, no_locks):
    with exclusive(tmp_path / "file"):
        (tmp_path / "file").write_text("done")
    assert (tmp_path / "file").read_text() == "done"


def test_a_disk_without_locks_takes_runs_and_ranges(tmp_path, no_locks):
    with Run(tmp_path / "run").locked():
        assert (tmp_path / "run").is_dir()
    cache, content = RangeCache(tmp_path / "cache", 10_000), b"some bytes"
    digest = hashlib.sha256(content).digest()
    cache.put(digest, content)
    assert cache.get(digest) == content


READ_ONLY = """
import os, sys
from pathlib import Path
from fullconv.download import RemoteFile, download
from fullconv.errors import UserError
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    download(RemoteFile("weights.bin", ("http://127.0.0.1:1/x",)), Path(sys.argv[1]))
except UserError as error:
    print(error)
"""


def test_a_read_only_folder_is_one_line():
    with tempfile.TemporaryDirectory() as folder:  # that of the tests is closed to other users
        os.chmod(folder, 0o555)
        child = started(READ_ONLY, f"{folder}/weights.bin")
        said, _ = child.communicate(timeout=100)
        assert said.count("\n") == 1
        assert said.startswith(f"{folder}/weights.bin: cannot be written (Permission denied)")
        assert os.listdir(folder) == []
