"""What the screen shows while photos are predicted: a bar, and each error at once."""

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from fullconv.cli.main import say_error

if TYPE_CHECKING:
    from fullconv.inference import PhotoResult


def show_results(results: "Generator[PhotoResult, None, None]", total: int) -> tuple[int, float]:
    """Move a bar while ``results`` come; the number of errors, and the net's seconds."""
    from fullconv.cli import tables as screen

    errors, seconds = 0, 0.0
    with screen.progress("predicting") as progress, closing(results):
        for done, result in enumerate(results, 1):
            progress(done, total)
            seconds += result.seconds
            if result.error:
                errors += 1
                say_error(result.error)
    return errors, seconds
