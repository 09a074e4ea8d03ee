"""``fullconv recipes`` and ``report``: what goes into a run, and the page that comes out."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.app import app


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Recipe to print.")] = None,
) -> None:
    """List the recipes, or print one: paper, command, cost, expected score, settings.

    \b
    Examples:
      fullconv recipes
      fullconv recipes camvid-scratch > mine.toml
    """
    from fullconv.train import recipe_names, recipe_text

    if name:
        print(recipe_text(name), end="")
        return
    width = max(map(len, recipe_names()), default=0)
    for known in recipe_names():
        print(f"{known:{width}}  {recipe_text(known).splitlines()[0].lstrip('# ')}")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder, finished or not.")],
) -> None:
    """Write report.html of a run: curves, scores, samples on one page.

    \b
    Example:
      fullconv report runs/camvid
    """
    from fullconv.report import write_report

    print(write_report(run))
