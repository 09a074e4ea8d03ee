"""A process of a training that is killed, ends with an error, or gets a signal: the others too."""

import os
import resource
import shutil
import signal
import sys
import time

import pytest

from fullconv.data import open_source, write_folder
from ranks import Ranks, command

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")

SETTINGS = {
    "net.name": "fcn8s-resnet18",
    "net.width": 0.125,
    "net.weights": "none",
    "schedule.steps": 12,
    "schedule.batch_size": 2,
    "schedule.log_every": 2,
    "schedule.validate_every": 6,
    "schedule.save_minutes": 0,  # the state is saved at each step
    "optimizer.ema": 0.9,
    "augment.crop": "[32, 48]",
    "data.workers": 1,
    "data.check": "false",
    "compute.precision": "fp32",
    "compute.device": "cpu",
    "compute.devices": 2,
}
SAME = ["model.safetensors", "resume/state.safetensors", "log.csv", "config.toml", "scores.json"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    splits = [open_source("shapes:40x56:n=10", split) for split in ("train", "val")]
    return write_folder(splits, tmp_path_factory.mktemp("data") / "photos", limit=6)


def start(photos, out, **changes):
    given = {**SETTINGS, **changes}
    options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
    return Ranks(
        2, out.with_name(f"{out.name}-said"), command, "train", photos, "--out", out, *options
    )


def resume(out):
    folder = out.with_name(f"{out.name}-said")
    return Ranks(2, folder, command, "train", "--resume", "--out", out)


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    """The run that nothing disturbs."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    ranks = start(photos, out)
    assert ranks.wait() == [0, 0], ranks.said()
    assert len(ranks.lines()) == 0
    return out


def same_bits(one, other):
    return [name for name in SAME if (one / name).read_bytes() != (other / name).read_bytes()] == []


def writing(out, name, or_written=False):
    """True while the temporary file of ``name`` exists, which a resume has not found there.

    With ``or_written`` also once it is there: a small file is written between two looks.
    """
    folder, base = (out / name).parent, (out / name).name
    starts = (f".{base}.", base) if or_written else (f".{base}.",)

    def seen():
        try:
            return any(entry.startswith(starts) for entry in os.listdir(folder))
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


def test_killed_five_times_and_resumed_to_the_same_bits(photos, whole, tmp_path):
    out = tmp_path / "killed"
    moments = [
        (1, rows(out, 1)),
        (0, writing(out, "resume/state.safetensors")),
        (1, writing(out, "resume/state.safetensors")),
        (0, rows(out, 3)),
        (1, writing(out, "samples/0000012.jpg", or_written=True)),
    ]
    for number, (rank, seen) in enumerate(moments):
        ranks = resume(out) if number else start(photos, out)
        has_begun = lambda n=number, r=ranks: n == 0 or "resuming at step" in r.said()  # noqa: E731
        assert ranks.when(lambda s=seen, begun=has_begun: begun() and s(), rank)
        killed_at = time.monotonic()
        codes = ranks.wait()
        assert time.monotonic() - killed_at < 50  # not after the 60 s of silence
        assert codes[rank] == -signal.SIGKILL
        assert codes[1 - rank] == 2
        (line,) = ranks.lines()
        assert f"process {rank} of 2 died" in line
        assert "--resume" in line
        assert str(out) in line
        assert "FC-TRAIN-015" in line
        assert "Traceback" not in ranks.said()
    ranks = resume(out)
    assert ranks.wait() == [0, 0], ranks.said()
    assert ranks.said().count("resuming at step ") == 1
    assert same_bits(out, whole)


@pytest.mark.parametrize(
    ("rank", "number"),
    [pytest.param(0, signal.SIGTERM, marks=pytest.mark.slow), (1, signal.SIGUSR1)],
)
def test_a_signal_to_one_process_saves_and_ends_all(photos, whole, tmp_path, rank, number):
    out = tmp_path / "stopped"
    ranks = start(photos, out)
    assert ranks.when(rows(out, 2), rank, number)
    assert ranks.wait(50) == [128 + number] * 2
    (line,) = ranks.lines()
    assert f"stopped by {signal.Signals(number).name} and saved" in line
    ranks = resume(out)
    assert ranks.wait() == [0, 0], ranks.said()
    assert same_bits(out, whole)


def test_a_photo_that_one_process_cannot_read_ends_both_with_one_line(photos, tmp_path):
    data, out = tmp_path / "photos", tmp_path / "run"
    shutil.copytree(photos, data)
    broken = sorted((data / "images" / "train").iterdir())[3]
    broken.write_bytes(broken.read_bytes()[:100])
    ranks = start(data, out)
    assert ranks.wait() == [2, 2]
    (line,) = ranks.lines()
    assert broken.name in line
    assert not out.exists()  # nothing was saved, as in one process


def full_disk(out, ranks):
    """From now on no file may grow beyond a few bytes."""
    resource.prlimit(ranks.processes[0].pid, resource.RLIMIT_FSIZE, (4096, 4096))


def full_log(out, ranks):
    """The log lies on a disk without space."""
    (out / "log.csv").rename(out / "kept.csv")
    (out / "log.csv").symlink_to("/dev/full")


def vanished(out, ranks):
    """The folder is where nobody looks for it."""
    out.rename(out.with_name("elsewhere"))


def log_back(out):
    if (out / "kept.csv").exists():
        (out / "kept.csv").replace(out / "log.csv")
    if not out.exists():
        out.with_name("elsewhere").rename(out)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
@pytest.mark.parametrize(
    ("fault", "code"),
    [(full_disk, "FC-FILE-002"), (full_log, "FC-FILE-002"), (vanished, "FC-TRAIN-017")],
)
def test_a_disk_that_fails_ends_all_with_one_line_and_the_last_state_is_good(
    photos, whole, tmp_path, fault, code
):
    out = tmp_path / "run"
    ranks = start(photos, out, **{"schedule.validate_every": 12})
    seen = rows(out, 2)
    while not seen() and all(process.is_alive() for process in ranks.processes):
        time.sleep(0.001)
    fault(out, ranks)
    assert ranks.wait(50) == [2, 2], ranks.said()
    (line,) = ranks.lines()
    assert code in line
    assert str(out) in line
    assert "Traceback" not in ranks.said()
    log_back(out)
    ranks = resume(out)
    assert ranks.wait() == [0, 0], ranks.said()
    assert "resuming at step 0" not in ranks.said()
