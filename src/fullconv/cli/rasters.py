"""Rasters in ``fullconv predict``, and the options of all commands that say how photos are read."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.help_panels import MORE
from fullconv.cli.main import say, say_error
from fullconv.errors import UserError, printable
from fullconv.modalities import MAX_MEGAPIXELS, ReadOptions

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


Bands = Annotated[
    str | None,
    typer.Option(
        "--bands",
        metavar="R,G,B",
        help="Bands of each photo to use, counted from 1, as 3,2,1, or 1 for grey; a net can be "
        "trained on any number.  [default: as trained, or as the file says]",
        rich_help_panel=MORE,
    ),
]
Range = Annotated[
    str | None,
    typer.Option(
        "--range",
        metavar="LOW,HIGH",
        help="For photos of more than 8 bits: the values that become black and white, as 0,4095, "
        "or a pair for each band, as 0,4095,0,9000,0,4095.  [default: as trained, or measured]",
        rich_help_panel=MORE,
    ),
]
MaxMegapixels = Annotated[
    float,
    typer.Option("--max-megapixels", help="Larger photos are refused.", rich_help_panel=MORE),
]


def read_options(
    bands: str | None, span: str | None, max_megapixels: float = MAX_MEGAPIXELS
) -> ReadOptions:
    """How photos are read, by the texts of --bands and --range; UserError for others."""
    numbers = bands_of(bands)
    return ReadOptions(
        None if numbers is None else tuple(numbers), range_of(span), max_megapixels=max_megapixels
    )


def bands_of(text: str | None) -> list[int] | None:
    """'3,2,1' as numbers; UserError for anything else."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts):
        raise UserError(
            f"--bands {text[:80]}: give numbers of bands, counted from 1, as 3,2,1", "FC-RASTER-001"
        )
    return [int(part) for part in parts]


def range_of(text: str | None) -> tuple[float, ...] | None:
    """'0,4000' as two numbers, or as many pairs as bands; UserError for anything else."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text[:4000].split(","))
    except ValueError:
        raise UserError(
            f"--range {text[:80]}: give the values that become black and white, as 0,4000",
            "FC-RASTER-002",
        ) from None
    try:
        return ReadOptions(range=values).range
    except UserError as error:
        raise UserError(f"--{error}", error.code) from None


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
