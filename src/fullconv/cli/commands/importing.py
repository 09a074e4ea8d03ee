"""``fullconv import``: from a labelling tool to a folder data set."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fullconv.cli import completion
from fullconv.cli.main import app


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Folder or file that the labelling tool wrote.")],
    out: Annotated[Path, typer.Argument(help="New folder, as fullconv check and train read it.")],
    format: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"{', '.join(completion.formats(''))}.  [default: recognised]",
            autocompletion=completion.formats,
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photos, if it is not in SOURCE.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="What SOURCE's values or colours mean: class file, .json or .csv."),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Class file with the classes of OUT.")
    ] = None,
    merge: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="Label OLD becomes class NEW.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Label to ignore: neither trained on nor scored."),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Class of unlabelled pixels, or __ignore__.  [default: 'background' for drawn "
            "shapes, __ignore__ for masks]",
        ),
    ] = None,
    val: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Share for the val split.  [default: SOURCE's splits, else 0.2]"
        ),
    ] = None,
    test: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share for the test split.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the split.")] = 0,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Photos whose names give the same match stay in one split.",
        ),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link/--copy", help="Hard links to the photos, or copies.")
    ] = False,
    exif: Annotated[
        Literal["upright", "stored"],
        typer.Option(help="How photos with an EXIF rotation were shown when they were labelled."),
    ] = "upright",
    line_width: Annotated[float, typer.Option(help="Width of lines, in pixels.")] = 10.0,
    point_radius: Annotated[float, typer.Option(help="Radius of points, in pixels.")] = 5.0,
    task: Annotated[
        Literal["semantic", "multilabel"],
        typer.Option(help="One class per pixel, or a mask for each class, which may overlap."),
    ] = "semantic",
    skip: Annotated[
        bool,
        typer.Option("--skip", help="Leave out photos that cannot be used; the report names them."),
    ] = False,
) -> None:
    """Convert the export of a labelling tool to a data set.

    OUT gets images/SPLIT/, masks/SPLIT/, classes.toml and import-report.txt (and .json), which
    says what was merged, cut off, ignored or left out. After an error OUT does not exist.

    \b
    Examples:
      fullconv import labelme/ photos/
      fullconv import instances_train.json photos/ --images train/ --val 0.2
      fullconv import cvat/ photos/ --val 0.2 --test 0.1 --group "^[^_]+"
      fullconv import instances_default.json photos/ --task multilabel
      fullconv import cityscapes/ photos/ --link --merge "rail track=road"
    """
    from fullconv.cli import tables as screen
    from fullconv.data.importers import Request, import_data

    request = Request(
        images=images,
        labels=labels,
        classes=classes,
        merge=tuple(merge or ()),
        ignore=tuple(ignore or ()),
        background=background,
        val=val,
        test=test,
        seed=seed,
        group=group,
        exif=exif,
        link=link,
        skip=skip,
        task=task,
        line_width=line_width,
        point_radius=point_radius,
    )
    with screen.progress("importing") as progress:
        report = import_data(source, out, request, format, progress)
    print(report.to_text())
    check, train = report.next_commands()
    print(f"{out} is ready, with this report in it; next: {check}, then: {train}")
