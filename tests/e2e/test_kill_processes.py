"""Trainings started by their own command and by torchrun lose a process, and are resumed."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import kill_processes

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="sends signals")]


@pytest.mark.parametrize("launcher", ["own", "torchrun"])
def test_a_killed_process_ends_all_and_the_run_is_resumed_to_the_same_bits(launcher):
    counts = kill_processes.soak(2, launcher, seed=1, stops=1)
    assert (counts.kills, counts.stops) == (2, 1)
    assert counts.failures == []
