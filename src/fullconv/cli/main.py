"""The program that the commands belong to, and what errors and warnings look like."""

import contextlib
import errno
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fullconv import __version__
from fullconv.atomic import file_error, printable
from fullconv.cli.help_panels import Command, write_commands
from fullconv.errors import UserError, UserErrors

UsageError: Any = typer.BadParameter.__base__
"""What typer raises for wrong options and arguments; it has no public name."""
LONGEST_WORD = 160  # characters of a path or value in a message
LONGEST_LINE = 900


class Program(TyperGroup):
    """Every error of the user is one line and exit code 2, Ctrl-C one line and 130."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _errors_as_lines():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _errors_as_lines():
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        write_commands(self, ctx, formatter)


@contextmanager
def _errors_as_lines() -> Iterator[None]:
    try:
        yield
    except UserErrors as error:
        _fail(*error.lines, code=error.code)
    except UserError as error:
        _fail(str(error), code=error.code)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        place = error.ctx.command_path if error.ctx else "fullconv"
        _fail(f"{error.format_message().rstrip('.')} (see {place} --help)", code="FC-CLI-001")
    except OSError as error:
        if error.errno == errno.EPIPE:  # as in "fullconv nets | head": typer ends quietly
            raise
        file = file_error(error)
        _fail(str(file), code=file.code)
    except RuntimeError as error:
        if not str(error).startswith("Symlink loop"):  # pathlib's, up to Python 3.12
            raise
        _fail(f"{error}: its links lead in a circle", code="FC-FILE-005")
    except KeyboardInterrupt:
        say("stopped by Ctrl-C")
        raise typer.Exit(130) from None


def _fail(*lines: str, code: str) -> None:
    *before, last = lines
    for line in before:
        say(line)
    say(last, f" [{code}]" if code else "")
    raise typer.Exit(2) from None


def say(message: str, end: str = "") -> None:
    """A line on stderr, as `one_line`; ``end`` is never left out of it."""
    print(f"fullconv: {one_line(message)}{end}", file=sys.stderr)


def one_line(message: str) -> str:
    """``message`` without control characters, and no longer than a person reads.

    File names and values come from anywhere: what would clear the screen, begin a new line or turn
    the direction of the text is escaped; the middle of a very long name or text is left out.
    """
    words = (printable(word, LONGEST_WORD) for word in message.split(" "))
    return printable(" ".join(words), LONGEST_LINE)


class Commands(typer.Typer):
    """Registers commands as a `Command`, which checks its numbers."""

    def command(self, name: str | None = None, **options: Any) -> Any:
        return super().command(name, **{"cls": Command, **options})


app = Commands(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a warning of this package is one line, as an error is."""
    with contextlib.suppress(AttributeError):  # a test's stream
        # File names need not be text that the terminal's encoding has.
        sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        app()


def _show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
    if category.__module__.partition(".")[0] == "fullconv":
        say(f"warning: {message}")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, *place[:2]))


def _version(asked: bool) -> None:
    if asked:
        print(f"fullconv {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show and exit.")
    ] = False,
) -> None:
    """Semantic segmentation with fully convolutional networks.

    \b
    From a folder of photos and masks to a trained net, scores and pictures:
      fullconv train photos/ --out runs/first
      fullconv evaluate runs/first
      fullconv predict runs/first photo.jpg --out pictures/
    """
