"""``fullconv push``."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.main import app


@app.command()
def push(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    repo: Annotated[str, typer.Argument(help="OWNER/REPO on the Hugging Face Hub.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    licence: Annotated[
        str, typer.Option("--license", help="Licence of the net, as the Hub names it: mit, ...")
    ] = "",
    samples: Annotated[
        bool, typer.Option("--samples", help="Upload a few photos too, if you may.")
    ] = False,
    dry_run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Upload nothing: write the folder there.")
    ] = None,
) -> None:
    """Upload a run to the Hugging Face Hub, with a model card made from its files.

    Photos are not uploaded unless --samples is given. Log in first: hf auth login.

    \b
    Examples:
      fullconv push runs/first jane/street-scenes --dry-run card/
      fullconv push runs/first jane/street-scenes --license mit --private
      fullconv predict --weights hf:jane/street-scenes photo.jpg
    """
    from fullconv.publishing import model_folder
    from fullconv.publishing import push as upload

    if dry_run is not None:
        folder = model_folder(run, repo, dry_run, licence, samples)
        print(f"written, not uploaded: {', '.join(sorted(p.name for p in folder.iterdir()))}")
        print(f"next: fullconv push {run} {repo}")
        return
    print(upload(run, repo, private, licence, samples))
    print(f"next: fullconv predict --weights hf:{repo} PHOTO")
