"""The reference: Markdown from the commands' own help, and from docstrings by mkdocstrings."""

import importlib
import re

import typer

import fullconv
from fullconv.cli import app

MODULES = (
    ("Geometry", "fullconv.geometry", ["Window", "receptive_field", "size_after", "tent"]),
    ("Data sets of one's own", "fullconv.data", ["Source", "write_folder", "loader"]),
    ("Scores", "fullconv.metrics", ["Scores", "confusion"]),
    ("Labels and photos judged by a net", "fullconv.curation", ["find_label_errors", "suggest"]),
    ("Importing", "fullconv.data.importers", ["Request", "import_data"]),
)


def commands():
    """Every command: what it does, its call, arguments, options and examples."""
    program = typer.main.get_command(app)
    parts = [
        "# Commands",
        "What `fullconv COMMAND --help` says. `fullconv --version` shows the version. Exit code 2: "
        "a fault that one line names; 1: something was found wrong or left out; 130: Ctrl-C ended "
        "it. Tab completes commands, nets and recipes after `fullconv --install-completion`.",
    ]
    for name, command in program.commands.items():
        context = typer.Context(command, info_name=f"fullconv {name}")
        parts += [f"## fullconv {name}", *prose(command.help), call(command, context)]
        parts += table(command, context)
    return "\n\n".join(parts) + "\n"


def prose(text):
    """A help text as paragraphs, and what stands after \\b as a block that is not wrapped."""
    for paragraph in re.split(r"\n\s*\n", text):
        kept, _, rest = paragraph.partition("\b\n")
        if kept.strip():
            yield " ".join(kept.split())
        if rest:
            title, *lines = rest.splitlines()
            yield f"{title}\n\n```\n" + "\n".join(line.strip() for line in lines) + "\n```"


def call(command, context):
    """How it is called, in one line."""
    return f"```\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```"


def table(command, context):
    """The arguments and options, one a row."""
    rows = [row for p in command.params if (row := p.get_help_record(context))]
    if rows:
        lines = [f"| `{' '.join(name.split())}` | {escaped(text)} |" for name, text in rows]
        yield "\n".join(["| argument, option | |", "|---|---|", *lines])


def escaped(text):
    """A help text for a cell of a table."""
    return re.sub(r"([|<>*_\[\]])", r"\\\1", " ".join(text.split()))


def python():
    """The public names, and those that a data set or a measurement of one's own needs."""
    public = [name for name in fullconv.__all__ if not name.startswith("_")]
    parts = ["# Python", "Examples: [Python](../python.md).", "## import fullconv"]
    parts += [f"::: {home(fullconv, name)}" for name in public]
    for title, module, names in MODULES:
        inside = importlib.import_module(module)
        parts += [f"## {title}: {module}", *(f"::: {home(inside, name)}" for name in names)]
    return "\n\n".join(parts) + "\n"


def home(module, name):
    """Where a name that a module offers is written: `fullconv.inference.predictor.Predictor`."""
    each = getattr(module, name)
    return f"{each.__module__}.{each.__qualname__}"
