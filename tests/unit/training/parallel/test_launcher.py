"""Processes that fullconv starts: how they end, and what they say, where another one has died."""

import os
import socket
import subprocess
import sys

import pytest
from torch.distributed import TCPStore

from fullconv.training.parallel.launcher import reserved_port

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


LOSES_THE_OTHER = """
import socket, time
from pathlib import Path
from fullconv.training.parallel import peers
from fullconv.training.parallel.connections import Connections

peers.GRACE = 0.1
with socket.create_server(("127.0.0.1", 0)) as server:
    other = socket.create_connection(server.getsockname())
    link, _ = server.accept()
peers.Peers(0, 2, Connections({1: link}), Path("runs/first"))
other.close()
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="a child keeps its parent's number there")
@pytest.mark.parametrize("script", [WAITS, LOSES_THE_OTHER])
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_process_ends_with_the_others_also_where_nobody_reads_what_it_says(script, closed):
    """As in ``fullconv train ... 2>&1 | tee log``, where tee was killed."""
    variables = {"FULLCONV_PARENT": "999999999 of 3", "LOCAL_RANK": "1", "PYTHONUNBUFFERED": ""}
    begin = "import sys; sys.stdin.read(); print('said before', end='')\n"
    with subprocess.Popen(
        [sys.executable, "-c", begin + script], env=os.environ | variables,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as waiting:  # fmt: skip
        assert waiting.stdin is not None
        getattr(waiting, closed).close()
        waiting.stdin.close()
        assert waiting.wait(50) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other rules")
def test_a_reserved_port_is_torch_s_and_nobody_else_s():
    with reserved_port() as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        store = TCPStore("127.0.0.1", port, 2, True, wait_for_workers=False)
        TCPStore("127.0.0.1", port, 2, False).set("said", "yes")
        assert store.get("said") == b"yes"
