"""Files that are whole or not there, also after processes that were killed."""

import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from fullconv.errors import UserError
from fullconv.files.atomic import folder_atomically, remove_abandoned, write_atomically

WRITES = """
import sys, time
from fullconv.files.atomic import folder_atomically, write_atomically
if sys.argv[1] == "file":
    def slow(file):
        file.write(b"half")
        print("begun", flush=True)
        time.sleep(60)
    write_atomically(sys.argv[2], slow)
else:
    with folder_atomically(sys.argv[2]) as folder:
        (folder / "inside").write_text("half")
        print("begun", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """``writer('file')`` or ``('folder')``: a process in the middle of writing ``result``."""
    running = []

    def start(kind):
        command = [sys.executable, "-c", WRITES, kind, str(tmp_path / "result")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def parts(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_only_what_dead_processes_left_is_removed(writer, tmp_path, kind):
    process = writer(kind)
    assert remove_abandoned(tmp_path) == []
    (part,) = parts(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert remove_abandoned(tmp_path, lambda name: name != "result") == []
    assert [path.name for path in remove_abandoned(tmp_path)] == [part]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_next_command_beside_removes_what_a_killed_one_left(writer, tmp_path, kind):
    dead, alive = writer(kind), writer("folder")
    dead.kill()
    dead.wait()
    (of_dead,) = set(parts(tmp_path)) - {f.name for f in tmp_path.iterdir() if is_locked(f)}
    with folder_atomically(tmp_path / "another") as folder:
        (folder / "a").touch()
    assert of_dead not in parts(tmp_path)
    assert len(parts(tmp_path)) == 1
    alive.kill()
    alive.wait()
    write_in_a_new_process(tmp_path / "third.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "third.png"]


def is_locked(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def write_in_a_new_process(path):
    code = "import sys; from fullconv.files.atomic import write_atomically as w; "
    code += "w(sys.argv[1], b'x')"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_files_of_other_kinds_stay(tmp_path):
    names = ["a.part", ".part", ".a.part", ".download.part", ".a.png.XYZ.part", ".a.png.abcdefgh"]
    for name in names:
        (tmp_path / name).touch()
    assert remove_abandoned(tmp_path) == []
    assert remove_abandoned(tmp_path / "not there") == []
    (tmp_path / ".two\nlines.png.abcdefgh.part").touch()
    assert len(remove_abandoned(tmp_path)) == 1


def test_what_this_process_writes_is_not_removed_meanwhile(tmp_path):
    stop, path = threading.Event(), tmp_path / "file"

    def remove():
        while not stop.is_set():
            remove_abandoned(tmp_path)

    sweeper = threading.Thread(target=remove)
    sweeper.start()
    try:
        for number in range(100):
            write_atomically(path, str(number))
            assert path.read_text() == str(number)
    finally:
        stop.set()
        sweeper.join()
    assert parts(tmp_path) == []


def test_an_error_leaves_nothing(tmp_path):
    def fails(file):
        file.write(b"half")
        raise ValueError

    with pytest.raises(ValueError):
        write_atomically(tmp_path / "file", fails)
    with pytest.raises(UserError), folder_atomically(tmp_path / "folder") as folder:
        os.mkdir(folder / "sub")
        (folder / "sub").write_text("a folder")
    assert list(tmp_path.iterdir()) == []


def test_the_longest_names_can_be_written(tmp_path):
    write_atomically(tmp_path / ("x" * 255), "whole")
    with folder_atomically(tmp_path / ("é" * 127)) as folder:
        (folder / "a").touch()
    assert sorted(len(os.fsencode(path.name)) for path in tmp_path.iterdir()) == [254, 255]
