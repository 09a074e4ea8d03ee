"""Exports of other tools, made on the spot, and what is expected of them."""

import shutil

import pytest

from fullconv.data.importers import Request, import_data
from fullconv.errors import UserError


@pytest.fixture
def refused(tmp_path):
    """``refused(source, code, said)``: the message of an import that fails and leaves nothing.

    ``code`` is that of the error or of a finding; None where another part of the project has it.
    """

    def run(source, code, said="", format=None, **request):
        with pytest.raises(UserError, match=said or None) as caught:
            import_data(source, tmp_path / "out", Request(**({"val": 0.0} | request)), format)
        assert not (tmp_path / "out").exists()
        if code is not None:
            assert code in {caught.value.code, *codes_of(source, format, request)}
        return str(caught.value)

    return run


def codes_of(source, format, request):
    """The codes of the findings that a reader makes."""
    from fullconv.data.importers.registry import recognise

    try:
        return {f.code for f in recognise(source, format).read(source, Request(**request)).findings}
    except UserError as error:
        return {error.code}


@pytest.fixture
def again(tmp_path):
    """Remove what an import wrote."""
    return lambda: shutil.rmtree(tmp_path / "out")
