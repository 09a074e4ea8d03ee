"""Signals as a flag, sent for real to this process."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from fullconv.training.run.signals import StopRequested, stop_on_signals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def as_in_a_terminal():
    """A test run in the background of a shell may have been started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number=signal.SIGINT):
    """A real signal to this process."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_sets_the_flag_and_names_itself(number):
    with stop_on_signals() as stop:
        assert not stop
        send(number)
        assert stop
        assert stop.number == number


def test_a_second_ctrl_c_stops_at_once():
    with stop_on_signals():
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


SECOND = """
import os, signal
from fullconv.training.run.signals import stop_on_signals
with stop_on_signals():
    os.kill(os.getpid(), signal.SIGTERM)
    print("one", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("two")
"""


def test_a_second_sigterm_ends_the_process_at_once():
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "one\n")


def test_a_wait_ends_at_once_and_none_begins_afterwards():
    with stop_on_signals() as stop:
        with pytest.raises(StopRequested), stop.interruptible():
            send(signal.SIGTERM)
            pytest.fail("still waiting")
        with pytest.raises(StopRequested), stop.interruptible():
            pytest.fail("waits again")


def test_afterwards_signals_are_what_they_were():
    before = [signal.getsignal(number) for number in NUMBERS]
    with stop_on_signals():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    with pytest.raises(RuntimeError), stop_on_signals():
        raise RuntimeError
    assert [signal.getsignal(number) for number in NUMBERS] == before
    with pytest.raises(KeyboardInterrupt):
        send()


def test_what_is_ignored_stays_so():
    """As SIGHUP under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            send(signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_installed():
    seen = []

    def work():
        with stop_on_signals() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
