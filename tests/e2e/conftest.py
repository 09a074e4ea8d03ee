"""The command line in this process: torch is loaded once for all commands."""

import sys

import pytest

from fullconv.cli import main


@pytest.fixture
def inside(monkeypatch, capfd):
    """``inside(*arguments, code=0)`` is what ``fullconv`` printed: (output, errors)."""

    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["fullconv", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, error = capfd.readouterr()
        assert (stop.value.code or 0) == code, error + out
        return out, error

    return call


@pytest.fixture
def run(inside):
    """As ``inside``, output and errors in one text."""

    def call(*arguments, code=0):
        return "".join(inside(*arguments, code=code))

    return call
