"""The program that the commands belong to, and what errors and warnings look like."""

import contextlib
import errno
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from fullconv import __version__
from fullconv.cli.help_panels import Command, write_commands
from fullconv.errors import UserError, one_line
from fullconv.files.file_errors import file_error

UsageError: Any = typer.BadParameter.__base__
"""The exception of typer for wrong options and arguments; it has no public name."""


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
    except UserError as error:
        _fail(error)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # typer shows the help
            raise
        place = error.ctx.command_path if error.ctx else "fullconv"
        message = error.format_message().rstrip(".")
        _fail(UserError(f"{message} (see {place} --help)", "FC-CLI-001"))
    except OSError as error:
        if error.errno == errno.EPIPE:  # as in "fullconv nets | head": typer ends quietly
            raise
        _fail(file_error(error))
    except RuntimeError as error:
        if not str(error).startswith("Symlink loop"):  # pathlib's, up to Python 3.12
            raise
        _fail(UserError(f"{error}: its links lead in a circle", "FC-FILE-005"))
    except KeyboardInterrupt:
        say("stopped by Ctrl-C")
        raise typer.Exit(130) from None


def _fail(error: UserError) -> NoReturn:
    say_error(error)
    raise typer.Exit(2) from None


def say_error(error: UserError) -> None:
    """An error on stderr, with its code."""
    for line in error.coded().split("\n"):
        print(f"fullconv: {line}", file=sys.stderr)


def say(message: str) -> None:
    """A line on stderr, as `one_line`."""
    print(f"fullconv: {one_line(message)}", file=sys.stderr)


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
    open_closed_streams()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its caches are no user's business
    with contextlib.suppress(AttributeError):  # a test's stream
        # File names need not be text that the terminal's encoding has.
        sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        app()


def open_closed_streams() -> None:
    """Give a process that was started without standard streams (``>&-``, a daemon) empty ones.

    Python has None in their place, and the next file that is opened would take their number: what
    a library writes to it would go into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this
        if getattr(sys, name) is None:
            stream = os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
    if category.__module__.partition(".")[0] == "fullconv":
        say(f"warning: {message}")
    elif not {"PIL", "rasterio"} & {
        *Path(str(place[0])).parts
    }:  # of a file, which its reader names
        sys.stderr.write(warnings.formatwarning(message, category, *place[:2]))


def _version(asked: bool) -> None:
    if asked:
        print(f"fullconv {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Semantic segmentation with fully convolutional networks.

    \b
    From a folder of photos and masks to a trained net, scores and pictures:
      fullconv train photos/ --out runs/first
      fullconv evaluate runs/first
      fullconv predict runs/first photo.jpg --out pictures/
    """
