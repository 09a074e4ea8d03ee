"""``fullconv recipes`` and ``report``: what goes into a run, and the pages that come out."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli import completion
from fullconv.cli.main import app
from fullconv.cli.options import ColorsOf
from fullconv.errors import UserError
from fullconv.training.recipes import RECOMMENDED, recipe_names, recipe_summary, recipe_text


@app.command()
def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Recipe to print.", autocompletion=completion.recipes)
    ] = None,
) -> None:
    """List the recipes, or print one: paper, command, cost, expected score, settings.

    \b
    Examples:
      fullconv recipes
      fullconv recipes camvid-scratch > mine.toml
    """
    if name:
        print(recipe_text(name), end="")
        return
    width = max(map(len, recipe_names()), default=0)
    print("Recommended:")
    for known, why in RECOMMENDED.items():
        print(f"  {known:{width}}  {why}")
    print("All:")
    for known in recipe_names():
        print(f"  {known:{width}}  {recipe_summary(known)}")


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page.  [default: report.html in the run; comparison.html for several]"
        ),
    ] = None,
    palette: ColorsOf = "classes",
) -> None:
    """Write the report of a run, finished or not, or a comparison of several runs.

    The report of one run shows its data and net, curves, scores, confusion matrix, the best and
    worst photos with a slider between truth and prediction, time and memory, and the command to
    repeat it. A comparison shows scores, curves, classes, and how the configs differ. Each is one
    HTML file that works offline.

    \b
    Examples:
      fullconv report runs/camvid
      fullconv report runs/camvid --palette colour-blind --out page.html
      fullconv report runs/first runs/second --out comparison.html
    """
    from fullconv.report import write_report, write_run_comparison

    if out and out.is_dir():
        message = f"{out}: is a folder; name a file, as {out / 'report.html'}"
        raise UserError(message, "FC-FILE-004")
    if len(runs) == 1:
        print(write_report(runs[0], out, palette))
    else:
        print(write_run_comparison(runs, out or Path("comparison.html")))
