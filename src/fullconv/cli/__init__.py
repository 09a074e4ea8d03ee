"""The command ``fullconv``: every command is a thin call of one function of the package.

What a command needs is imported inside it, so that ``--help`` answers at once. The commands stand
in the help in the order in which they are imported here.
"""

# ruff: noqa: I001, F401 (the order is the help's; importing a command adds it)
from fullconv.cli.main import app, main
from fullconv.cli.commands import (
    train,
    evaluate,
    calibrate,
    predict,
    serve,
    export,
    compare,
    benchmark,
    nets,
    check,
    data,
    importing,
    inspect,
    suggest,
    packing,
    weights,
    recipes_and_report,
    push,
)

__all__ = ["app", "main"]
