"""``fullconv suggest``: which photos to label next."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.main import app, say, say_error
from fullconv.cli.options import Device, fetched, warn_of_origin
from fullconv.errors import UserError, printable

if TYPE_CHECKING:
    from fullconv.curation.prelabelled import Prelabelled
    from fullconv.curation.read_views import Labelled
    from fullconv.curation.suggestions import Suggestions
    from fullconv.inference import Input, Predictor
    from fullconv.report.pages.suggestions_page import SuggestionPictures


@app.command()
def suggest(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder, checkpoint or foreign weights; not an exported file, which has no "
            "features to compare photos by."
        ),
    ],
    inputs: Annotated[list[str], typer.Argument(help="Unlabelled photos, folders, patterns.")],
    number: Annotated[int, typer.Option(min=1, help="How many photos to suggest.")] = 20,
    out: Annotated[
        Path, typer.Option(help="New folder for the page, the table and the photos.")
    ] = (Path("suggestions")),
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="masks|TOOL",
            help="Format of the pre-labels: masks (images/ and masks/), or shapes for labelme, "
            "cvat, coco, label-studio or geojson.",
        ),
    ] = "masks",
    data: Annotated[
        str | None,
        typer.Option(help="The labelled data set.  [default: that of the run]"),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Split of --data that the net was trained on.")
    ] = "train",
    classes: Annotated[
        Path | None, typer.Option(help="Class file of --data, if not its own.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Suggest which photos to label next: typical of many others, and uncertain.

    A photo is chosen if many photos that no labelled or chosen photo resembles are near to it, by
    the features of the net. Photos count more if the net is uncertain about them or predicts rare
    classes in them. Duplicates of labelled or chosen photos are left out. OUT gets
    suggestions.html with the reasons and pictures, suggestions.csv, and the photos with the net's
    predictions as pre-labels to correct. Photos that cannot be read are named, and the exit code is
    1.

    \b
    Examples:
      fullconv suggest runs/first unlabelled/
      fullconv suggest runs/first unlabelled/ --number 50 --out next/ --to labelme
      fullconv suggest runs/first 'video/**/*.jpg' --data photos/
    """
    from fullconv.cli import tables as screen
    from fullconv.curation.prelabelled import check_form, write_prelabelled
    from fullconv.curation.read_views import torch_engine, view_photos
    from fullconv.curation.suggestions import suggest as choose
    from fullconv.files.atomic import folder_atomically
    from fullconv.inference import Predictor, find_inputs
    from fullconv.report.pages.suggestions_page import write_suggestions

    check_form(to)
    out = out.expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{printable(str(out))}: is not empty; name a new folder", "FC-FILE-006")
    photos = find_inputs(inputs, out)
    predictor = Predictor(fetched(run), device, engine="torch" if run.is_dir() else "auto", say=say)
    warn_of_origin(predictor.origin)
    torch_engine(predictor)
    labelled = _labelled(predictor, run, data, split, classes)
    with screen.progress("looking at the photos") as progress:
        viewed = view_photos(predictor, photos, progress)
    for error in viewed.errors:
        say_error(error)
    chosen = choose(
        viewed.views, labelled.views, predictor.classes, number, labelled.pixels, labelled.held_out
    )
    if not chosen.photos:
        raise UserError(
            f"none of {len(photos)} photos is new: all look like a labelled one, or cannot be read",
            "FC-CURATE-002",
        )
    pictures: list[SuggestionPictures] = []
    with folder_atomically(out) as folder, screen.progress("writing") as progress:
        written = _prelabelled(predictor, viewed.photos, chosen, out, pictures, progress)
        write_prelabelled(to, written, folder / to, predictor.classes)
        searched = ", ".join(map(str, inputs))
        write_suggestions(
            folder, str(run), searched, pictures, chosen.duplicates, predictor.classes
        )
    console = screen.console()
    console.print(screen.suggestions_table(chosen))
    print("typical: nearer to so many other photos than any labelled or chosen one")
    print("uncertain, new: more than so many percent of the other photos")
    unread = f"; could not be read: {len(viewed.errors)}" if viewed.errors else ""
    print(
        f"{len(chosen.photos)} of {len(photos)} photos; duplicates left out: {chosen.duplicates}"
        f"{unread}"
    )
    if len(chosen.photos) < number:
        say(f"note: no more than {len(chosen.photos)} of these photos are new")
    for name in ("suggestions.html", "suggestions.csv", to):
        print(printable(str(out / name)))
    if viewed.errors:
        raise typer.Exit(1)


def _labelled(
    predictor: "Predictor", run: Path, data: str | None, split: str, classes: Path | None
) -> "Labelled":
    """The views of what is labelled; none, with a note, where the run does not say what it is."""
    from fullconv.cli import tables as screen
    from fullconv.curation.read_views import Labelled, labelled_views
    from fullconv.data import available_splits
    from fullconv.data.data_of_run import trained_on
    from fullconv.data.splits.subset import split_lists

    try:
        place = data or trained_on(run)
        known = ["train", "val"] if split_lists(run) else available_splits(place)
    except UserError as error:
        if data is not None:
            raise
        say(f"note: the labelled data set is not known ({error}): name it with --data")
        return Labelled()
    others = [each for each in known if each not in (split, "all", "trainval")]
    with screen.progress("looking at what is labelled") as progress:
        labelled = labelled_views(predictor, place, [split, *others], progress, classes)
    for error in labelled.errors:
        say(f"note: left out of what is labelled: {error}")
    return labelled


def _prelabelled(
    predictor: "Predictor",
    photos: "Sequence[Input]",
    chosen: "Suggestions",
    out: Path,
    pictures: "list[SuggestionPictures]",
    progress: Callable[[int, int], object],
) -> "Iterator[Prelabelled]":
    """The chosen photos one by one, predicted once more; their pictures go to ``pictures``."""
    from fullconv.curation.photo_views import photo_maps
    from fullconv.curation.prelabelled import Prelabelled
    from fullconv.curation.read_views import torch_engine
    from fullconv.report.pages.suggestions_page import suggestion_pictures

    for done, suggestion in enumerate(chosen.photos, 1):
        photo = photos[suggestion.place]
        assert photo.file is not None
        maps = photo_maps(torch_engine(predictor), predictor.classes, predictor.read(photo.file))
        nearest = _shown(predictor, suggestion.nearest)
        pictures.append(suggestion_pictures(suggestion, maps, predictor.classes, nearest))
        yield Prelabelled(photo.file, photo.result.relative_to(out).as_posix(), maps)
        progress(done, len(chosen.photos))


def _shown(predictor: "Predictor", nearest: str | None):
    """The photo that is nearest; None where there is none, or it is no file."""
    from fullconv.visualize import as_photo

    try:
        return None if nearest is None else as_photo(predictor.read(nearest))
    except UserError:
        return None
