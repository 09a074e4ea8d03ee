"""The options of all commands that say how photos are read: bands, range, the largest photo."""

from typing import Annotated

import typer

from fullconv.cli.help_panels import MORE
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS, ReadOptions

Bands = Annotated[
    str | None,
    typer.Option(
        "--bands",
        metavar="R,G,B",
        help="Bands of each photo to use, counted from 1, as 3,2,1, or 1 for grey; a net can be "
        "trained on any number.  [default: as trained; else as classes.toml or the file says]",
        rich_help_panel=MORE,
    ),
]
Range = Annotated[
    str | None,
    typer.Option(
        "--range",
        metavar="LOW,HIGH",
        help="For photos of more than 8 bits: the values that become black and white, as 0,4095, "
        "or a pair for each band, as 0,4095,0,9000,0,4095.  [default: as trained; else as "
        "classes.toml says, or measured]",
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
