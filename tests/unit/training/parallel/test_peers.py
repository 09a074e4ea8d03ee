"""Processes that watch one another say goodbye, and are not taken for dead ones."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from fullconv.errors import UserError
from fullconv.training.parallel import connections
from fullconv.training.parallel import peers as module
from fullconv.training.parallel.connections import Connections
from fullconv.training.parallel.peers import Peers


class Counted(Connections):
    """Connections that note what is sent."""

    def __init__(self, links):
        super().__init__(links)
        self.sent = []

    def send(self, message, without=None):
        self.sent.append(message["kind"])
        super().send(message, without)


def connection():
    """The two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        zero, _ = server.accept()
    for link in (zero, one):
        link.settimeout(2.0)
    return zero, one


def linked():
    """The two ends, as processes 0 and 1 have them."""
    zero, one = connection()
    return Counted({1: zero}), Counted({0: one})


def test_a_sign_of_life_does_not_bring_another_one(tmp_path):
    """Each sends its own by the clock; answers to answers would fill the connection."""
    begin = time.monotonic()
    met = [Peers(rank, 2, ends, tmp_path) for rank, ends in enumerate(linked())]
    time.sleep(0.5)
    most = 1 + (time.monotonic() - begin) / module.BEAT
    for peers in met:
        assert 1 <= peers.connections.sent.count("beat") <= most + 1
        threading.Thread(target=peers.close).start()


@pytest.mark.parametrize("first", [0, 1])
def test_a_goodbye_is_no_death_whatever_is_unread(tmp_path, first, monkeypatch):
    """Both leave nearly at once, with messages on their way: neither sees the other die."""
    monkeypatch.setattr(module, "BEAT", 0.1)  # for which its thread may look on
    for _ in range(50):
        pair = [Peers(rank, 2, ends, tmp_path) for rank, ends in enumerate(linked())]
        noise = b"".join(json.dumps({"kind": "beat"}).encode() + b"\n" for _ in range(500))
        for peers in pair:
            for link in peers.connections.links.values():
                link.sendall(noise)
        leaving = [threading.Thread(target=pair[rank].close) for rank in (first, 1 - first)]
        for thread in leaving:
            thread.start()
        for thread in leaving:
            thread.join()
        for peers in pair:
            peers.thread.join(10)
            assert peers.verdict is None


def test_strangers_at_the_door_do_not_keep_the_processes_from_meeting(monkeypatch):
    """A scanner of ports says nothing, goes, or resets the connection."""
    monkeypatch.setattr(connections, "SAID", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent, gone, reset, wrong, one = (
            socket.create_connection(server.getsockname()) for _ in range(5)
        )
        gone.close()
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset.close()
        wrong.sendall(b"GET / HTTP/1.0\r\n\r\n")
        one.sendall(b"secret 1\n")
        links = connections._accept(server, 2, "secret")
    assert list(links) == [1]
    assert silent.recv(1) == b""  # closed
    for link in (silent, wrong, one, *links.values()):
        link.close()


def test_an_error_is_heard_whatever_is_unread(tmp_path, monkeypatch):
    """What one process failed by is said by process 0, not that the process has died."""
    monkeypatch.setattr(module, "GRACE", 60.0)  # the thread of process 0 ends nothing here
    for _ in range(20):
        zero, one = [Peers(rank, 2, ends, tmp_path) for rank, ends in enumerate(linked())]
        for link in zero.connections.links.values():
            link.sendall(b'{"kind": "beat"}\n' * 500)
        with pytest.raises(SystemExit), one.ending_together():
            raise UserError("photo.png is damaged", "FC-DATA-001")
        assert zero.is_decided.wait(10)
        assert str(zero.verdict.error) == "photo.png is damaged"
        assert zero.verdict.error.code == "FC-DATA-001"
        zero.is_over.set()


def test_who_leaves_waits_once_for_all_that_say_nothing(monkeypatch):
    """A machine that has lost its network takes several processes along: no time for each."""
    monkeypatch.setattr(connections, "LEAVING", 0.5)
    pairs = [connection() for _ in range(20)]
    begin = time.monotonic()
    Connections({number: here for number, (here, _) in enumerate(pairs, 1)}).leave()
    assert 0.5 <= time.monotonic() - begin < 5
    for _, there in pairs:
        there.close()


DIES_AT_THE_LIMIT = """
import os, socket, sys, time
from pathlib import Path
from fullconv.errors import UserError
from fullconv.training.parallel import peers
from fullconv.training.parallel.connections import Connections
from fullconv.training.parallel.launcher import say
peers.GRACE = 0.2

def lose(late):
    zero, one = socket.socketpair()
    lost = peers.Peers(1, 2, Connections({0: one}), Path("runs/first"))
    zero.close()
    try:
        with lost.ending_together():
            lost.is_decided.wait()
            time.sleep(peers.GRACE + late)
            raise lost.verdict.error
    except UserError as error:
        say(error.coded())
        os._exit(2)

for late in range(-10, 11):
    child = os.fork()
    if not child:
        lose(late / 5000)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_death_is_said_once_however_late_the_training_comes_to_its_end():
    """At the moment in which patience ends, two threads would say it."""
    done = subprocess.run([sys.executable, "-c", DIES_AT_THE_LIMIT], capture_output=True, text=True)
    assert done.stdout.split() == ["2"] * 21
    lines = done.stderr.splitlines()
    assert len(lines) == 21, done.stderr
    assert all("fullconv: process 0 of 2 died" in line for line in lines)
