"""Options that several commands have, and what their texts mean."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fullconv.cli import completion
from fullconv.cli.main import say
from fullconv.errors import UserError
from fullconv.inference.engines import ENGINES, engine_names

if TYPE_CHECKING:
    from fullconv.inference import Engine as Runner
    from fullconv.inference import Tile
    from fullconv.inference.storage.predictor_options import PredictorOptions

Run = Annotated[
    Path,
    typer.Argument(
        help="Run folder, a model.safetensors, an exported file (.onnx, .xml, .pt2), foreign "
        "weights (.caffemodel, ...), or the name of published ones, as 'fullconv weights' lists "
        "them."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(help="bf16 is faster where the hardware supports it, and nearly as exact."),
]
Tiles = Annotated[
    str | None,
    typer.Option(
        "--tile",
        metavar="auto|N",
        help="Predict large photos in overlapping tiles of at most N pixels a side, with the same "
        "result as without tiles; auto: tiles that need about 2 GiB.",
    ),
]
TestTime = Annotated[
    str,
    typer.Option(
        "--tta",
        metavar="none|mirror,S,...",
        help="Test-time augmentation: the mean of the probabilities of several views of a photo, "
        "mirrored and at the scales S, as mirror,0.75,1,1.25.",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        metavar="|".join(engine_names()),
        help="Engine that runs the net. auto: torch, or for an exported file its own runtime; "
        f"{'; '.join(f'{engine.name}: {engine.what}' for engine in ENGINES)}. 'fullconv benchmark' "
        "measures them.",
        autocompletion=completion.engines,
    ),
]
Thresholds = Annotated[
    str | None,
    typer.Option(
        "--threshold",
        metavar="P[,P...]",
        help="Binary and multi-label nets: the probability from which a pixel has a class; one for "
        "all classes, or one for each.  [default: the net's own]",
    ),
]
ColorsOf = Annotated[
    Literal["classes", "colour-blind"],
    typer.Option(
        "--palette",
        help="Colours of the classes: their own, or ones that are far apart for every kind of "
        "colour vision.",
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Download nothing; the same as FULLCONV_OFFLINE=1.")
]


LONGEST_SIDE = 65_535  # pixels: the most that a JPEG can have


def size_of(text: str) -> tuple[int, int]:
    """'375x500' as (375, 500), height first; UserError for anything else."""
    parts = [part.strip() for part in text.lower().split("x")]
    if len(parts) != 2 or not all(map(_is_side, parts)):
        raise UserError(
            f"size {text!r} is not HEIGHTxWIDTH, as 375x500, with sides of 1 to {LONGEST_SIDE}",
            "FC-CLI-003",
        )
    return int(parts[0]), int(parts[1])


def _is_side(text: str) -> bool:
    return text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= LONGEST_SIDE


def whole_number(text: str) -> int:
    """A whole number from text; UserError for anything else."""
    try:
        return int(text)
    except ValueError:  # also where it has more digits than Python reads
        raise UserError(f"{text!r} is not a whole number", "FC-CLI-004") from None


def tile_of(text: str | None) -> "Tile | None":
    """'auto', or '1024' as a number; UserError for anything else."""
    if text is None or text == "auto":
        return text
    if not _is_side(text):
        raise UserError(
            f"--tile {text}: is neither auto nor a number of pixels up to {LONGEST_SIDE}, as 1024",
            "FC-CLI-003",
        )
    return int(text)


def thresholds_of(text: str | None) -> tuple[float, ...] | None:
    """'0.4' or '0.4,0.6' as numbers; UserError for what is none."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--threshold {text}: is one probability for all classes, as 0.4, or one for each, as "
            "0.4,0.6",
            "FC-CLASS-014",
        ) from None


def change_of(text: str, option: str = "--set optimizer.lr=0.01") -> tuple[str, str]:
    """'optimizer.lr=0.01' as its key and value; UserError, with the example, without a '='."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UserError(f"{text!r} is not KEY=VALUE, as {option}", "FC-CLI-005")
    return key.strip(), value.strip()


def fetched(weights: Path) -> Path:
    """``weights`` as they are, or the file of published ones, downloaded with a bar."""
    from fullconv.checkpoints.open_weights import is_name, located
    from fullconv.cli.tables import download_progress

    if not is_name(weights):
        return weights
    with download_progress(f"downloading {weights}") as progress:
        return located(weights, progress)


def with_net(options: "PredictorOptions") -> "PredictorOptions":
    """``options`` with the file of the net, downloaded with a bar where it is a published one."""
    return replace(options, path=str(fetched(Path(options.path))))


def checked(file: Any) -> str:
    """How a RemoteFile was verified, in words."""
    if file.checksum:
        return f"verified by {file.checksum}"
    return f"{file.verified_by}, as no source states one"


def warn_of_origin(origin: dict[str, Any]) -> None:
    """On stderr, what the file of a foreign net cannot tell and the user should know."""
    if warning := origin.get("warning"):
        say(f"note: {warning}")


def warn_of_tiles(engine: "Runner") -> None:
    """On stderr, what tiles cost that are small for their net, and which are no exact ones."""
    from fullconv.inference import PhotoEngine

    if isinstance(engine, PhotoEngine) and engine.warning:
        say(f"note: {engine.warning}")
