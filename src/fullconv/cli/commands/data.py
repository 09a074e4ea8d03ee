"""``fullconv statistics``, ``shapes`` and ``download``."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.main import app
from fullconv.cli.options import Offline, checked, size_of
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.modalities import MAX_MEGAPIXELS


@app.command()
def statistics(
    data: Annotated[str, typer.Argument(help="Data set.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="Split to count.  [default: train, or all photos where there are no splits]"
        ),
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Count the classes of a data set, and show the class weights that follow from the counts.

    A training uses them as loss.cross_entropy.class_weights says: mild in the recipe default, none
    in the recipe scratch and in those of the FCN paper.

    \b
    Examples:
      fullconv statistics photos/
      fullconv train photos/ --set loss.cross_entropy.class_weights=median-frequency
    """
    from fullconv.cli import tables as screen
    from fullconv.data import count_classes, open_source
    from fullconv.data.layouts.listing import ALL
    from fullconv.data.open_dataset import is_unsplit

    read = read_options(bands, span, max_megapixels)
    split = split or (ALL if is_unsplit(data) else "train")
    source = open_source(data, split, classes, options=read)
    with screen.progress("counting") as progress:
        counts = count_classes(source, progress)
    screen.console().print(screen.statistics_table(source.classes.names, counts))


@app.command()
def shapes(
    out: Annotated[Path, typer.Argument(help="New folder.")],
    number: Annotated[
        int, typer.Option(min=1, help="Scenes in each split, up to 100 in val and test.")
    ] = 100,
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; can be repeated.")
    ] = None,
    size: Annotated[str, typer.Option(help="Height x width.")] = "160x208",
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Write generated scenes as a folder data set.

    Use them to try commands, or as an example of the layout of your own data:
    images/SPLIT/NAME.jpg, masks/SPLIT/NAME.png and classes.toml.

    \b
    Examples:
      fullconv shapes scenes/
      fullconv shapes scenes/ --number 400 --size 240x320 --seed 7
    """
    from fullconv.cli import tables as screen
    from fullconv.data import open_source, write_folder

    height, width = size_of(size)
    name = f"shapes:{height}x{width}:seed={seed}:n={max(10 * number, 10)}"
    splits = split or ["train", "val", "test"]
    sources = [open_source(name, part) for part in splits]
    total = sum(min(number, len(source)) for source in sources)
    with screen.progress("drawing") as progress:
        write_folder(sources, out, number, lambda done: progress(done, total))
    print(f"{total} scenes in {out}; next: fullconv train {out}")


@app.command()
def download(
    name: Annotated[str | None, typer.Argument(help="Data set; left out: list them.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Folder to put it into.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archive after unpacking.")] = False,
    offline: Offline = False,
) -> None:
    """Download a data set with a known public address, verify and unpack it.

    An interrupted download resumes where it stopped. The data set appears in the folder when it is
    complete. If it is already there, the command does nothing.

    \b
    Examples:
      fullconv download
      fullconv download voc2012 VOCdata/
      fullconv download sbd VOCdata/
    """
    from fullconv.cli import tables as screen
    from fullconv.data.open_dataset import is_known
    from fullconv.data.published import fetch, find_published_data, published_data

    if name is None:
        screen.console().print(screen.data_table(published_data().values()))
        return
    data = find_published_data(name)
    if folder is None:
        raise UserError(f"name a folder too, as in: fullconv download {name} data/", "FC-CLI-001")
    there = (folder.expanduser() / data.folder).exists()
    place = fetch(name, folder, keep=keep, shown=screen.download_progress, offline=offline or None)
    print(f"{data.what}: in {place}, {'it was there' if there else checked(data.file)}")
    print(f"licence: {data.file.licence}")
    print(f"next: fullconv check {place}" if is_known(place) else "next: see docs/data.md")
