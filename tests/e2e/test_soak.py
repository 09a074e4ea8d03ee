"""`make soak` with the smallest counts, and that it finds what it is there to find."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from soak.limits import outcomes  # noqa: E402
from soak.mutate import mutated  # noqa: E402
from soak.tally import Tally, load  # noqa: E402

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def soak(tmp_path, *options):
    path = os.pathsep.join(map(str, (ROOT / "benchmarks", ROOT / "tests", ROOT / "src")))
    return subprocess.run(
        [sys.executable, "-m", "soak", "--results", tmp_path, "--page", tmp_path / "page.md",
         "--findings", tmp_path / "findings", *options],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "rows", "least"),
    [
        ("training", 1, 2),
        ("processes", 2, 2 + 1),
        ("kills", 5, 5 * 2),
        ("mutations", 50, 50 * 2),
        ("service", 1, 16),
    ],
)
def test_each_part_counts_and_finds_nothing(tmp_path, part, rows, least):
    counts = "--kills", "2", "--mutations", "2", "--requests", "16"
    done = soak(tmp_path, "--only", part, *counts)
    assert done.returncode == 0, done.stdout + done.stderr
    tally = load(part, tmp_path)
    assert tally is not None and len(tally.rows) >= rows
    assert tally.total(tally.columns[0]) >= least
    page = (tmp_path / "page.md").read_text()
    assert f"{tally.total(tally.columns[0]):,}" in page


def read_as(kind, path):
    """Readers with one fault each."""
    if kind == "traceback":
        return lambda: {}[path.read_text()]
    if kind == "hang":
        return lambda: time.sleep(60)
    if kind == "died":
        return lambda: os.kill(os.getpid(), 9)
    if kind == "ran code":
        return lambda: os.system("true")
    return lambda: (path.parent.parent / "elsewhere").write_text("x")


@pytest.mark.parametrize("kind", ["traceback", "died", "ran code", "writes elsewhere"])
def test_a_faulty_reader_is_found(tmp_path, kind):
    folder = tmp_path / "place"
    folder.mkdir()
    path = folder / "x.txt"
    seen = list(outcomes(lambda n: path.write_text(str(n)), read_as(kind, path), 3, folder))
    assert [number for number, _, _ in seen] == [0, 1, 2]
    assert {outcome for _, outcome, _ in seen} == {"ran code" if "writes" in kind else kind}


@pytest.mark.slow
def test_a_reader_that_hangs_or_takes_all_memory_is_ended(tmp_path):
    path = tmp_path / "x.txt"
    hung = list(outcomes(lambda n: path.write_text("x"), read_as("hang", path), 1, tmp_path))
    assert [outcome for _, outcome, _ in hung] == ["hang"]
    large = list(outcomes(lambda n: None, lambda: bytearray(2**31), 1, tmp_path))
    assert large[0][1] == "traceback" and "MemoryError" in large[0][2]


def test_the_same_seed_damages_the_same_way():
    content = b'{"a": [1, 2, 3], "b": "text"}' * 20
    first = [mutated(content, random.Random(seed)) for seed in range(200)]
    assert first == [mutated(content, random.Random(seed)) for seed in range(200)]
    assert len(set(first)) > 150 and sum(one == content for one in first) < 20


def test_counts_come_back_from_their_file(tmp_path):
    tally = Tally("x", ["a", "b"])
    tally.count("one", "a", 2)
    tally.count("two", "b")
    tally.find("two", "broken")
    tally.save("make soak", 60, tmp_path)
    counts = load("x", tmp_path)
    assert counts is not None and (counts.rows, counts.findings) == (tally.rows, tally.findings)
    assert (counts.total("a"), counts.total("b")) == (2, 1)


def test_a_run_replaces_its_own_rows_and_leaves_the_others(tmp_path):
    for command, rows in (("all", ["one", "two"]), ("all", ["three"]), ("again", ["two"])):
        tally = Tally("x", ["a"])
        for row in rows:
            tally.count(row, "a", len(command))
            if command == "all":
                tally.find(row, "broken")
        tally.save(command, 60, tmp_path)
    counts = load("x", tmp_path)
    assert counts is not None
    assert {row: cells["a"] for row, cells in counts.rows.items()} == {
        "one": 3,
        "two": 5,
        "three": 3,
    }
    assert list(counts.findings) == ["one", "three"]
    assert [(run.command, run.rows, run.seconds) for run in counts.runs] == [
        ("all", ["one", "three"], 120), ("again", ["two"], 60),
    ]  # fmt: skip
