"""Rasters in ``fullconv predict``: each in turn, a bad one is reported and the rest go on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fullconv.cli.main import say, say_error
from fullconv.errors import UserError

if TYPE_CHECKING:
    from fullconv.inference import Input, Predictor, Tile
    from fullconv.inference.rasters import RasterOutcome
    from fullconv.visualize import Legend


def predict_rasters(
    predictor: "Predictor",
    rasters: "Sequence[Input]",
    tile: "Tile | None",
    bands: list[int] | None,
    span: tuple[float, float] | None,
    overlay: bool,
    alpha: float,
    legend: "Legend",
) -> int:
    """Predict each of ``rasters``; how many could not be."""
    from fullconv.cli import tables as screen
    from fullconv.inference.rasters import predict_raster

    errors = 0
    for entry in rasters:
        assert entry.file is not None
        try:
            with screen.progress(entry.file.name) as progress:
                outcome = predict_raster(
                    predictor, entry.file, entry.result, tile=tile, bands=bands, span=span,
                    overlay=overlay, alpha=alpha, legend=legend, report=progress, say=_note,
                )  # fmt: skip
            print(_account(entry, outcome))
        except UserError as error:
            errors += 1
            say_error(error)
    return errors


def bands_of(text: str | None) -> list[int] | None:
    """'3,2,1' as numbers; UserError for anything else."""
    if text is None:
        return None
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise UserError(f"--bands {text}: is not the numbers of bands, from 1, as 3,2,1")
    return [int(part) for part in text.split(",")]


def range_of(text: str | None) -> tuple[float, float] | None:
    """'0,4000' as two numbers; UserError for anything else."""
    if text is None:
        return None
    from fullconv.inference.rasters.bands import check_span

    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--range {text}: is not the values that are black and white, as 0,4000"
        ) from None
    check_span((low, high))
    return low, high


def refuse_scores(rasters: "Sequence[Input]") -> None:
    """UserError where scores are asked for of a raster."""
    if rasters:
        raise UserError(
            f"{rasters[0]}: is a raster, whose scores would be a number a class and pixel and are "
            "not written; leave --scores out"
        )


def _note(text: str) -> None:
    say(f"note: {text}")


def _account(entry: "Input", outcome: "RasterOutcome") -> str:
    """What was done, in a line."""
    height, width = outcome.size
    parts = [f"{outcome.pieces} pieces" if outcome.pieces > 1 else "one piece"]
    if outcome.earlier:
        parts.append(f"{outcome.earlier} of them done before")
    if outcome.empty:
        parts.append(f"{outcome.empty} without pixels")
    return f"{entry}: {width} x {height} in {', '.join(parts)}; {outcome.written[0]}"
