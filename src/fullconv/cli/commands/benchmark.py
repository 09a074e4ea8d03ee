"""``fullconv benchmark``."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.main import app, say
from fullconv.cli.options import Device, Precision, Run, fetched


@app.command()
def benchmark(
    run: Run,
    photo: Annotated[
        Path | None,
        typer.Argument(help="Photo to measure with.  [default: a built-in picture of 480x640]"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each engine is measured.")] = 3,
    device: Device = "auto",
    precision: Precision = "fp32",
) -> None:
    """Measure all installed engines on a photo: time, memory, agreement.

    In each round every engine runs once, in a process of its own. The table shows the median
    seconds of a photo, the peak memory, and how many pixels get the same class as from torch. Files
    that were exported into the run folder, INT8 among them, are measured too. The last line is the
    command for the fastest.

    \b
    Examples:
      fullconv benchmark runs/camvid
      fullconv benchmark runs/camvid street.jpg --rounds 5
      fullconv benchmark runs/camvid/model.onnx street.jpg
    """
    from fullconv.benchmark import benchmark_engines
    from fullconv.cli import tables as screen

    run = fetched(run)
    with screen.progress("measuring") as progress:
        measured = benchmark_engines(
            run,
            photo,
            device=device,
            precision=precision,
            rounds=rounds,
            progress=progress,
            say=say,
        )
    shown = screen.console()
    shown.print(screen.engines_table(measured), "")
    for line in screen.engine_notes(measured):
        shown.print(line, markup=False, soft_wrap=True)
