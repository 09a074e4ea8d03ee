"""What a refusal of a damaged or hostile file has to be: one line, its file first, no memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fullconv.errors import UserError, UserErrors


def refused(call: Callable[[], Any], path: Path, *says: str, memory: float | None = None) -> str:
    """The line that ``call`` ends with about ``path``; ``memory`` is the most bytes it may take."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as error:
            call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert memory is None or peak < memory
    message = str(error.value)
    assert is_one_line(message, path)
    for part in says:
        assert part in message, message
    return message


def survived(call: Callable[[], Any], path: Path | None = None, what: Any = None) -> Any:
    """What ``call`` returns, or None for a refusal; any other error goes through.

    A refusal is one line, and where it names several files a line for each.

    ``what`` was done to the file: it is shown with the error.
    """
    try:
        return call()
    except UserError as error:
        lines = error.coded().split("\n") if isinstance(error, UserErrors) else [error.coded()]
        assert all(is_one_line(line, path) for line in lines)
        assert error.code.startswith("FC-"), error
        return None
    except Exception as error:
        error.add_note(f"for {what!r}")
        raise


def is_one_line(message: str, path: Path | None) -> bool:
    """Whether a message begins with its file and can be shown, and read, in one line."""
    named = path is None or message.startswith(f"{path}: ")
    return named and message.isprintable() and len(message) < len(str(path)) + 900
