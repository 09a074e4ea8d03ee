import os
import signal
import threading

import pytest

from fullconv.training.signals import interrupts


def press():
    """A real Ctrl-C to this process."""
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_raises_the_flag_the_second_stops_at_once():
    with interrupts() as flag:
        assert not flag
        press()
        assert flag
        with pytest.raises(KeyboardInterrupt):
            press()


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(RuntimeError), interrupts():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        press()


def test_in_another_thread_nothing_is_installed():
    found = []

    def work():
        with interrupts() as flag:
            found.append((bool(flag), signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]
