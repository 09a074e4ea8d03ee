"""``fullconv pack``."""

from pathlib import Path
from typing import Annotated

import typer

from fullconv.cli.main import app
from fullconv.cli.read_options import Bands, MaxMegapixels, Range, read_options
from fullconv.errors import UserError
from fullconv.files.file_errors import file_errors
from fullconv.files.write_targets import check_target
from fullconv.modalities import MAX_MEGAPIXELS


@app.command()
def pack(
    data: Annotated[str, typer.Argument(help="Data set of files.")],
    out: Annotated[Path, typer.Argument(help="New folder for the shards.")],
    shard_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Largest shard, as 256MB or 1GB.")
    ] = "256MB",
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; can be repeated.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    bands: Bands = None,
    span: Range = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Write a data set as tar shards, to train on it from a disk, a bucket or a server.

    The shards are in WebDataset's layout (NAME.jpg, NAME.png), and shards.json says where each
    sample is, so that a training reads any sample with one range request: from a disk, or from
    s3://, gs://, hf://datasets/ and http(s):// with a cache on this machine. The data is checked
    first, and nothing is written if it has errors. OUT appears when it is complete. A folder at an
    address is copied to this machine first, whatever its size.

    \b
    Examples:
      fullconv pack photos/ shards/
      fullconv pack VOCdevkit/VOC2012 shards/ --split train --split val --shard-size 1GB
      fullconv pack s3://bucket/photos/ shards/
      fullconv train shards/
      fullconv train s3://bucket/shards --set data.cache=/scratch/cache --set data.cache_size=200GB
    """
    from fullconv.cli import tables as screen
    from fullconv.data import available_splits, check, listing, open_source, with_measured_range
    from fullconv.data import pack as pack_data
    from fullconv.data.shards.cache import ALL_OF_THE_DISK, size_in_bytes

    largest = size_in_bytes(shard_size, "--shard-size")
    _refuse_existing(out)
    read = read_options(bands, span, max_megapixels)
    names = split or available_splits(data, ALL_OF_THE_DISK)
    sources = {
        name: open_source(data, name, classes, options=read, cache=ALL_OF_THE_DISK)
        for name in names
    }
    with screen.progress("checking") as progress:
        sources, options, line = with_measured_range(sources, progress)
        findings = check(sources, progress)
    if line:
        print(f"note: {line}")
    for line in listing(findings):
        print(line)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise UserError(
            f"{data}: {len(errors)} errors, so nothing was packed; correct them, or write a "
            "corrected copy: fullconv check --fix",
            "FC-SHARDS-010",
        )
    with screen.progress("packing") as progress:
        packed = pack_data(sources, out, largest, options, True, progress)
    photos = ", ".join(f"{count} {name}" for name, count in packed.photos.items())
    shards = f"{packed.shards} shard{'s' if packed.shards != 1 else ''}"
    print(f"{photos} photos in {shards}, {packed.size / 2**20:.1f} MiB: {out}")
    print(f"next: fullconv train {out}")


def _refuse_existing(out: Path) -> None:
    """UserError before the long work for what is refused after it."""
    with file_errors(out):
        if out.is_dir() and not any(out.iterdir()):
            return
        if out.exists():
            raise UserError(f"{out}: is not empty; name a new folder", "FC-FILE-006")
    check_target(out)
