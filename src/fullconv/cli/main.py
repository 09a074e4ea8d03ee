"""The program that the commands belong to, and what a user's error becomes."""

import logging
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fullconv import __version__
from fullconv.cli.help_panels import write_commands
from fullconv.errors import UserError


class _Group(TyperGroup):
    """Turns a user's error into one line and exit code 2, Ctrl-C into one line and 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            print(f"fullconv: {error.coded()}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("fullconv: stopped by Ctrl-C", file=sys.stderr)
            raise typer.Exit(130) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        write_commands(self, ctx, formatter)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a warning meant for the user is one line, as an error is."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its caches are no user's business
    with warnings.catch_warnings():
        warnings.showwarning = _one_line
        app()


def _one_line(message: Warning | str, category: type[Warning], *place: Any) -> None:
    if category.__module__.partition(".")[0] == "fullconv":
        print(f"fullconv: warning: {message}", file=sys.stderr)
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
