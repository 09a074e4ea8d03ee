"""``--help`` in parts: commands by what they are for, options that most people need first."""

import math
from typing import Any

from typer.core import TyperCommand

from fullconv.errors import UserError

MORE = "More options"
"""The panel of options that few people need; the first one has no name of its own."""

COMMANDS = {
    "Start here": ("check", "train", "evaluate", "predict", "export"),
    "Data": ("import", "inspect", "suggest", "statistics", "pack", "shapes", "download"),
    "Using a run": ("serve", "calibrate", "benchmark", "compare", "report", "push"),
    "Nets and weights": ("nets", "explain", "recipes", "weights", "convert"),
}


class Command(TyperCommand):
    """A command that takes no `nan` or `inf` for a number."""

    def invoke(self, ctx: Any) -> Any:
        """Run it; UserError for a number that is none."""
        for name, value in ctx.params.items():
            if isinstance(value, float) and not math.isfinite(value):
                option = f"--{name.replace('_', '-')}"
                raise UserError(f"{option} {value}: must be a finite number", "FC-CLI-002")
        return super().invoke(ctx)


class PanelledCommand(Command):
    """A command whose options stand in the panels that they name (``rich_help_panel``)."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options panel by panel, in the order in which panels first appear."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and parameter.param_type_name == "option":
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)


def write_commands(group: Any, ctx: Any, formatter: Any) -> None:
    """Write the commands of ``group`` by what they are for.

    A command that stands in no panel would be forgotten: it raises KeyError.
    """
    missing = set(group.list_commands(ctx)) - {
        name for names in COMMANDS.values() for name in names
    }
    if missing:
        raise KeyError(f"no panel of the help has {', '.join(sorted(missing))}")
    for panel, names in COMMANDS.items():
        with formatter.section(panel):
            limit = formatter.width - 6 - max(map(len, names))
            commands = [(name, group.get_command(ctx, name)) for name in names]
            formatter.write_dl([(name, c.get_short_help_str(limit)) for name, c in commands])
