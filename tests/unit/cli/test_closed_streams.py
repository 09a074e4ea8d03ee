"""Commands of a process that has no standard streams, as cron jobs and daemons may be started."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from fullconv.cli.main import open_closed_streams
open_closed_streams()
print("out", flush=True); print("err", file=sys.stderr, flush=True); sys.stdin.read()
first = os.open(os.devnull, os.O_RDONLY)
open(sys.argv[1], "w").write(str(first))
"""


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1), (0, 1, 2)])
def test_missing_streams_are_empty_ones_and_no_file_takes_their_numbers(tmp_path, closed):
    def close():
        for number in closed:
            os.close(number)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "said"], preexec_fn=close, timeout=300,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0
    assert int((tmp_path / "said").read_text()) > 2
