"""Processes that fullconv starts: what they say of a first one that dies before they have met."""

import os
import subprocess
import sys

import pytest

WAITS = """
import time
from pathlib import Path
from fullconv.training.parallel.launcher import starting
with starting(Path("runs/first")):
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="a child keeps its parent's number there")
@pytest.mark.parametrize("rank", [1, 2])
def test_a_first_process_that_died_is_named_once(rank):
    variables = {"FULLCONV_PARENT": "999999999 of 3", "LOCAL_RANK": str(rank)}
    done = subprocess.run(
        [sys.executable, "-c", WAITS], env=os.environ | variables, capture_output=True, text=True
    )
    assert done.returncode == 2
    says = "fullconv: process 0 of 3 died before the training began; nothing was saved: start it"
    assert done.stderr == (f"{says} again [FC-TRAIN-015]\n" if rank == 1 else "")
