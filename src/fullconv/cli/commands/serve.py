"""``fullconv serve``."""

import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.main import app
from fullconv.cli.options import (
    Device,
    Engine,
    Precision,
    Thresholds,
    Tiles,
    fetched,
    thresholds_of,
    tile_of,
)
from fullconv.cli.read_options import Bands, Range, read_options
from fullconv.errors import UserError

if TYPE_CHECKING:
    from fullconv.serve import Models, Settings

TOKEN = "FULLCONV_TOKEN"
LONGEST_TOKEN = 4096  # bytes of the file that are read


@app.command()
def serve(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders and other nets, as 'fullconv predict' takes them."),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen at; one that other machines reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0: any that is free.")
    ] = 8000,
    browser: Annotated[
        bool, typer.Option("--browser", help="Open the page in the browser of this machine.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the access token; or set FULLCONV_TOKEN."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Host name that requests may use; can be repeated."),
    ] = None,
    max_mb: Annotated[float, typer.Option(help="Largest upload, in MiB.")] = 32,
    max_megapixels: Annotated[float, typer.Option(help="Largest photo.")] = 25,
    queue: Annotated[
        int, typer.Option(min=1, help="Photos accepted at a time; more get 503.")
    ] = 16,
    batch: Annotated[int, typer.Option(min=1, help="Small photos of equal size in one batch.")] = 8,
    timeout: Annotated[float, typer.Option(help="Seconds for an answer, then 504.")] = 60,
    log: Annotated[
        bool, typer.Option("--log", help="Print a line for each request, without its query.")
    ] = False,
    device: Device = "auto",
    precision: Precision = "fp32",
    tile: Tiles = "auto",
    threshold: Thresholds = None,
    engine: Engine = "auto",
    bands: Bands = None,
    span: Range = None,
) -> None:
    """Serve trained nets: a web page and an HTTP API.

    The page works without internet: drop, paste or take a photo, and see its classes over it.
    SIGTERM or Ctrl-C ends the service when all accepted photos are answered.

    \b
    Examples:
      fullconv serve runs/camvid
      fullconv serve runs/camvid runs/camvid/model.onnx --port 9000 --browser
      curl -F photo=@street.jpg 'http://127.0.0.1:8000/v1/segment?answer=mask' -o mask.png
      FULLCONV_TOKEN=$(openssl rand -hex 16) fullconv serve runs/camvid --host 0.0.0.0
    """
    _check_installed()
    from fullconv.serve import (
        Service,
        Settings,
        address,
        bound,
        hosts_for,
        is_loopback,
        open_models,
        run,
    )

    token, read = _token(token_file), read_options(bands, span)
    if token is None and not is_loopback(host):
        raise UserError(
            f"--host {host} lets other machines in: set a token, as {TOKEN}=$(openssl rand -hex "
            "16), or leave --host out",
            "FC-SERVE-020",
        )
    settings = Settings(
        int(max_mb * 2**20), int(max_megapixels * 1e6), queue, batch, timeout, token=token,
        hosts=hosts_for(host, tuple(allow_host or ())),
    )  # fmt: skip
    listening = bound(host, port)  # before the nets are loaded, which takes longer
    models = open_models(
        [fetched(path) for path in runs], device, precision, engine, tile_of(tile), read,
        thresholds_of(threshold),
    )  # fmt: skip
    place = address(listening)

    def ready() -> None:
        _print_models(models, settings, place)
        if browser:
            webbrowser.open(place)

    run(Service(models, settings), listening, log, ready)
    print("stopped; all accepted photos were answered")


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN) or None
    try:
        with file.open("rb") as opened:
            return opened.read(LONGEST_TOKEN).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: the token cannot be read ({error}); write it into a text file"
        raise UserError(message, "FC-SERVE-017") from error


def _check_installed() -> None:
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        message = f"{error.name} is not installed: pip install 'fullconv[serve]'"
        raise UserError(message, "FC-SERVE-021") from error


def _print_models(models: "Models", settings: "Settings", place: str) -> None:
    for model in models:
        print(f"{model.name}: {model.net}, {len(model.classes)} classes")
    asked = ", asks for the token" if settings.token else ""
    print(f"{place}  (Ctrl-C ends it{asked})", flush=True)
