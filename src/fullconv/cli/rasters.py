"""Rasters in ``fullconv predict``."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fullconv.cli.main import say, say_error
from fullconv.errors import UserError, printable

if TYPE_CHECKING:
    from fullconv.inference import Input, Predictor, Tile
    from fullconv.inference.rasters import RasterOutcome
    from fullconv.visualize import Legend


def predict_rasters(
    predictor: "Predictor",
    rasters: "Sequence[Input]",
    tile: "Tile | None",
    overlay: bool,
    alpha: float,
    legend: "Legend",
    probability: bool,
    then: "Callable[[Predictor, Input, RasterOutcome], None]",
) -> int:
    """Predict each of ``rasters``, and call ``then`` with each; how many could not be."""
    from fullconv.cli import tables as screen
    from fullconv.inference.rasters import predict_raster

    errors = 0
    for entry in rasters:
        assert entry.file is not None
        try:
            with screen.progress(entry.file.name) as progress:
                outcome = predict_raster(
                    predictor, entry.file, entry.result, tile=tile, overlay=overlay, alpha=alpha,
                    legend=legend, probability=probability, report=progress, say=_note,
                )  # fmt: skip
            print(raster_account(entry, outcome, str(outcome.written[0])))
            then(predictor, entry, outcome)
        except UserError as error:
            errors += 1
            say_error(error)
    return errors


def refuse_scores(rasters: "Sequence[Input]", scores: bool) -> None:
    """UserError where scores are asked for of a raster."""
    if rasters and scores:
        raise UserError(
            f"{rasters[0]}: is a raster, whose scores are not written, as they are a number a "
            "class and pixel; leave --scores out: --probability writes a byte a pixel",
            "FC-RASTER-017",
        )


def _note(text: str) -> None:
    say(f"note: {text}")


def raster_account(entry: "Input", outcome: "RasterOutcome", result: str) -> str:
    """The result of a raster in one line."""
    height, width = outcome.size
    parts = [f"{outcome.tiles} tiles" if outcome.tiles > 1 else "one tile"]
    if outcome.earlier:
        parts.append(f"{outcome.earlier} of them already done")
    if outcome.empty:
        parts.append(f"{outcome.empty} without pixels")
    return f"{entry}: {width} x {height} in {', '.join(parts)}; {printable(result)}"
