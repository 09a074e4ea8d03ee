"""A training that is really killed, at several moments, ends in the bits of one that was not."""

import os
import signal
import subprocess
import sys
import time

import pytest

from fullconv.data import open_source, write_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")

STEPS = 10
SETTINGS = {
    "schedule.log_every": 2,
    "schedule.validate_every": 5,
    "schedule.save_minutes": 0,  # the state is saved at each step
    "schedule.half_size": 0.4,
    "net.width": 0.125,
    "net.dropout": 0.3,
    "compute.activation_checkpointing": 2,
    "optimizer.ema": 0.9,
    "optimizer.warmup": 0.05,
}
SAME = ["model.safetensors", "resume/state.safetensors", "log.csv", "config.toml", "scores.json"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    splits = [open_source("shapes:48x64:n=10", split) for split in ("train", "val")]
    return write_folder(splits, tmp_path_factory.mktemp("data") / "photos", limit=5)


def begin(*arguments, **options):
    """Start ``fullconv train`` as a process of its own."""
    command = [sys.executable, "-m", "fullconv", "train", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, **options,
    )  # fmt: skip


def fresh(photos, out, **options):
    """A run from its beginning."""
    changes = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return begin(
        photos, "--out", out, "--net", "fcn8s-resnet18", "--steps", STEPS, "--batch-size", 2,
        "--crop", "32x48", "--workers", 1, "--precision", "fp32", *changes, **options,
    )  # fmt: skip


def going_on(out):
    return begin("--resume", "--out", out)


def ended(process, code=0):
    """What the process said, once it has ended."""
    said, _ = process.communicate(timeout=400)
    assert process.returncode == code, said
    return said


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    """The run that nothing interrupts."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    ended(fresh(photos, out))
    return out


def same_bits(one, other):
    return [name for name in SAME if (one / name).read_bytes() != (other / name).read_bytes()] == []


def kill_when(process, seen):
    """SIGKILL at the moment that ``seen`` is true; whether the process still ran."""
    while process.poll() is None and not seen():
        time.sleep(0.0002)  # some files exist for a few milliseconds only
    running = process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    return running


def writing(out, name):
    """True while the temporary file of ``name`` (see `files.write_atomically`) exists."""
    folder, base = (out / name).parent, (out / name).name

    def seen():
        try:
            return any(found.startswith(f".{base}.") for found in os.listdir(folder))
        except FileNotFoundError:
            return False

    return seen


def rows(out, count):
    """True when the log has so many rows."""

    def seen():
        try:
            return (out / "log.csv").read_bytes().count(b"\n") > count
        except FileNotFoundError:
            return False

    return seen


def killed(out, seen):
    """Kill a resumed run at a moment; how many files it was writing."""
    assert kill_when(going_on(out), seen)
    return len(list(out.rglob(".*.part")))


def test_killed_again_and_again(photos, whole, tmp_path):
    out = tmp_path / "killed"
    assert kill_when(fresh(photos, out), lambda: (out / "config.toml").exists())
    assert not (out / "resume").exists()  # before any state
    left = 0
    for _ in range(4):  # on a busy machine the kill may come after the writing
        if left := left + killed(out, writing(out, "resume/state.safetensors")):
            break
    left += killed(out, rows(out, 1))
    left += killed(out, writing(out, "model.safetensors"))
    assert left  # it was killed inside the writing, not only near it
    said = ended(going_on(out))
    assert "resuming at step " in said
    assert "done: " in said
    assert same_bits(out, whole)
    assert not list(out.rglob("*.part"))


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_a_signal_to_all_processes_saves_and_ends_without_a_traceback(
    photos, whole, tmp_path, number
):
    """As SLURM and systemd send it: to the training and to its workers."""
    out = tmp_path / "stopped"
    process = fresh(photos, out, start_new_session=True)
    seen = rows(out, 2)
    while process.poll() is None and not seen():
        time.sleep(0.001)
    os.killpg(process.pid, number)
    said = ended(process, 128 + number)
    assert "Traceback" not in said
    assert f"stopped by {signal.Signals(number).name} and saved" in said.splitlines()[-1]
    ended(going_on(out))
    assert same_bits(out, whole)


@pytest.mark.slow  # test_cli.py has what is said, SIGTERM here what is saved
def test_ctrl_c_saves_and_says_how_to_go_on(photos, whole, tmp_path):
    out = tmp_path / "stopped"
    process = fresh(photos, out)
    seen = rows(out, 2)
    while process.poll() is None and not seen():
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    said = ended(process, 130)
    last = said.splitlines()[-1]
    assert last == (f"fullconv: stopped and saved; to resume: fullconv train --resume --out {out}")
    assert "Traceback" not in said
    assert "done: " not in said
    said = ended(begin(*last.partition("fullconv train ")[2].split()))
    assert "resuming at step 0" not in said
    assert same_bits(out, whole)
