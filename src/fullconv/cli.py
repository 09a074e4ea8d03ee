"""The command ``fullconv``: every command is a thin call of one function of the package.

What a command needs is imported inside it, so that ``--help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from fullconv import __version__
from fullconv.errors import UserError


class _Group(TyperGroup):
    """Turns a user's fault into one line and exit code 2, Ctrl-C into one line and 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as fault:
            print(f"fullconv: {fault}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("fullconv: stopped by Ctrl-C", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Run = Annotated[
    Path, typer.Argument(help="Run folder, a model.safetensors, or foreign weights (.caffemodel).")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(help="bf16 is faster where the hardware has it, and nearly as exact."),
]


def main() -> None:
    """Run the command line."""
    app()


def _version(asked: bool) -> None:
    if asked:
        print(f"fullconv {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show and exit.")
    ] = False,
) -> None:
    """Semantic segmentation with fully convolutional networks.

    \b
    From a folder of photos and masks to a trained net, scores and pictures:
      fullconv train photos/ --net fcn8s-resnet18 --out runs/first
      fullconv evaluate runs/first
      fullconv predict runs/first photo.jpg --out pictures/
    """


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Argument(help="Data set: a folder, a list of pairs, VOC, CamVid, SBD, or shapes."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.  [default: runs/DATA-NET]")] = None,
    net: Annotated[str | None, typer.Option(help="Net, as 'fullconv nets' lists them.")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A recipe's name, or a TOML file as a run's config.toml.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key; can be given again."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Checkpoint, run folder or foreign weights (.caffemodel) to start from."),
    ] = None,
    stages: Annotated[
        str | None, typer.Option(help="Train one stride after the other, as 32,16,8.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Updates of the weights.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes through the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Photos in a batch.")] = None,
    crop: Annotated[str | None, typer.Option(help="Height x width of training crops.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides order and chance.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that read data.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, ...")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out where it stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that is in --out.")
    ] = False,
) -> None:
    """Train a net on photos and masks.

    The recipe gives all settings; the options here and --set change single ones. 'fullconv
    recipes' lists the recipes, a run's config.toml all keys.

    \b
    Examples:
      fullconv train photos/ --net fcn8s-resnet18 --out runs/first
      fullconv train data/camvid --recipe camvid-scratch --out runs/camvid
      fullconv train VOCdevkit/VOC2012 --net fcn8s-vgg16 --stages 32,16,8 --precision bf16
      fullconv train photos/ --set optimiser.kind=sgd --set augment.mirror=true
      fullconv train --resume --out runs/first
    """
    from fullconv.train import Interrupted, make_config, read_config
    from fullconv.train import train as start

    given = {
        "data.path": data,
        "data.classes": classes and str(classes),
        "data.workers": workers,
        "net.name": net,
        "net.weights": weights and str(weights),
        "stages": stages and [_whole_number(part) for part in stages.split(",")],
        "length.steps": steps,
        "length.epochs": epochs,
        "length.batch": batch_size,
        "augment.crop": crop and list(_size(crop)),
        "optimiser.rate": rate,
        "seed": seed,
        "machine.device": device,
        "machine.precision": precision,
    }
    overrides = {key: value for key, value in given.items() if value is not None}
    overrides |= dict(_change(change) for change in changes or ())
    config = None
    if out is None and resume:
        raise UserError("--resume needs --out, the folder of the run to go on with")
    if not resume:
        file = recipe is not None and (recipe.endswith(".toml") or "/" in recipe)
        config = (read_config if file else make_config)(recipe or "default", overrides)
        name = f"{Path(config.data.path.split(':')[0]).resolve().name}-{config.net.name}"
        out = out or Path("runs", name)
    assert out is not None
    try:
        start(None, out, overrides=overrides, config=config, resume=resume, overwrite=overwrite)
    except Interrupted:
        print(f"fullconv: stopped and saved; to go on: fullconv train --resume --out {out}")
        raise typer.Exit(130) from None


@app.command()
def evaluate(
    run: Run,
    data: Annotated[
        str | None, typer.Argument(help="Data set; left out: the one the run was trained on.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    out: Annotated[
        Path | None, typer.Option(help="Folder for scores.json and confusion.png.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
) -> None:
    """Score a trained net on a data set.

    Prints the table of the classes and the four scores of the FCN paper, from one confusion
    matrix over all pixels of the split, every photo at its own size.

    \b
    Examples:
      fullconv evaluate runs/camvid
      fullconv evaluate runs/camvid data/camvid --split test --out scores/
      fullconv evaluate runs/shapes shapes --precision bf16
    """
    from fullconv import screen
    from fullconv.data import open_source
    from fullconv.evaluate import evaluate
    from fullconv.predict import TorchEngine
    from fullconv.report import trained_on, write_scores
    from fullconv.weights import load

    engine = TorchEngine(load(run), device, precision)
    source = open_source(data or trained_on(run), split, classes)
    with screen.progress(f"scoring {split}") as progress:
        scores = evaluate(engine, source, progress=progress)
    shown = screen.console()
    for table in screen.scores_tables(scores):
        shown.print(table, "")
    shown.print(f"In percent, of {len(source)} photos ({split}), from one confusion matrix.")
    if out:
        for path in write_scores(scores, source.classes, out):
            shown.print(path)


@app.command()
def predict(
    run: Run,
    inputs: Annotated[
        list[str],
        typer.Argument(help="Photos, folders, quoted patterns; - is a picture on standard input."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("pictures"),
    overlay: Annotated[bool, typer.Option(help="Write the photo tinted by its classes.")] = True,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="How much of the tint: 0 none, 1 all.")
    ] = 0.6,
    scores: Annotated[bool, typer.Option("--scores", help="Write the scores as .npy.")] = False,
    device: Device = "auto",
    precision: Precision = "fp32",
) -> None:
    """Predict photos with a trained net.

    Writes for each photo NAME.png (the class of every pixel, as a palette picture of the photo's
    size) and NAME_overlay.jpg. A photo that cannot be read is reported, the others go on, and
    the exit code is 1.

    \b
    Examples:
      fullconv predict runs/camvid photo.jpg
      fullconv predict runs/camvid folder/ 'more/**/*.png' --out pictures/
      curl -s https://example.org/street.jpg | fullconv predict runs/camvid - --scores
    """
    from fullconv import screen
    from fullconv.predict import Predictor, find_inputs, predict_each

    photos = find_inputs(inputs, out)
    predictor = Predictor(run, device, precision)
    faults = 0
    with screen.progress("predicting") as progress:
        results = predict_each(predictor, photos, overlay=overlay, scores=scores, alpha=alpha)
        for done, outcome in enumerate(results, 1):
            progress(done, len(photos))
            if outcome.fault:
                faults += 1
                print(f"fullconv: {outcome.fault}", file=sys.stderr)
    print(f"{len(photos) - faults} of {len(photos)} photos predicted, results in {out}")
    if faults:
        raise typer.Exit(1)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Weights of another framework.")],
    out: Annotated[Path, typer.Argument(help="The checkpoint to write, as net.safetensors.")],
    net: Annotated[
        str | None, typer.Option(help="Net to make of them; left out: the one they are of.")
    ] = None,
    padding: Annotated[
        Literal["same", "paper"] | None,
        typer.Option(help="Left out: paper for an FCN of the reference, same for a classifier."),
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file with names and colours.")] = None,
    output: Annotated[
        str | None, typer.Option(help="Which of several outputs: sem or geo (SIFT Flow).")
    ] = None,
) -> None:
    """Turn weights of another framework into a checkpoint of fullconv.

    Reads Caffe's .caffemodel; nothing in a file is executed. Every array is accounted for:
    loaded, not needed and why, missing and how it starts. predict, evaluate and train --weights
    also take such a file as it is.

    \b
    Examples:
      fullconv convert fcn8s-heavy-pascal.caffemodel fcn8s.safetensors
      fullconv convert VGG_ILSVRC_16_layers.caffemodel vgg16.safetensors --net fcn8s-vgg16
      fullconv convert siftflow-fcn8s-heavy.caffemodel geo.safetensors --output geo
    """
    from fullconv import screen
    from fullconv.classes import read_classes
    from fullconv.weights import convert, save

    if out.is_dir() or (out.exists() and source.exists() and out.samefile(source)):
        raise UserError(f"{out}: name a new file for the checkpoint, as net.safetensors")
    made = convert(source, net, padding, read_classes(classes) if classes else None, output)
    save(out, made.checkpoint)
    shown, spec = screen.console(), made.checkpoint.net.spec
    what = f"{spec.name}, {spec.classes} classes, padding {spec.padding}"
    shown.print(f"{made.title}: {what}", "", markup=False)
    for each in screen.conversion_tables(made):
        shown.print(each, "")
    shown.print(
        f"{len(made.loaded)} loaded, {len(made.missing)} missing, {len(made.not_needed)} not "
        f"needed; written to {out}",
        markup=False,
    )
    next_step = f"train DATA --weights {out}" if made.is_classifier else f"predict {out} PHOTO"
    shown.print(f"next: fullconv {next_step}", markup=False)


@app.command()
def explain(
    net: Annotated[str, typer.Argument(help="Name of a net, as 'fullconv nets' lists them.")],
    size: Annotated[str, typer.Option(help="Height x width of the photo.")] = "375x500",
    padding: Annotated[str, typer.Option(help="same, paper, or none.")] = "same",
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 21,
    width: Annotated[float, typer.Option(help="Multiplies the channels of every layer.")] = 1.0,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.")] = None,
) -> None:
    """Show what a net does to a photo, layer by layer.

    Sizes, strides, receptive fields, where each map lies, memory and multiply-adds; the
    deconvolutions and crops and why; what cannot work.

    \b
    Examples:
      fullconv explain fcn8s-vgg16 --size 375x500
      fullconv explain fcn32s-vgg16 --size 500x500 --padding paper
      fullconv explain fcn8s-vgg16 --size 224x224 --padding none --plot vgg.png
    """
    from fullconv import screen
    from fullconv.nets import NetSpec
    from fullconv.nets import explain as explain_net

    spec = NetSpec(net, classes, padding=padding, width=width)  # pyright: ignore
    explained = explain_net(spec, _size(size))
    shown = screen.console()
    shown.print(screen.explanation_table(explained), "")
    for note in screen.explanation_notes(explained):
        shown.print(f"- {note}", markup=False)
    if plot:
        from fullconv.report import explanation_picture, write_file

        write_file(plot, explanation_picture(explained))
        shown.print(f"Drawn in {plot}")


@app.command()
def nets(
    size: Annotated[str, typer.Option(help="Height x width that multiply-adds are for.")] = (
        "375x500"
    ),
) -> None:
    """List the nets with parameters, receptive field and multiply-adds.

    \b
    Examples:
      fullconv nets
      fullconv nets --size 360x480
    """
    from fullconv import screen
    from fullconv.nets import NetSpec, available, summarise

    pair = _size(size)
    summaries = [summarise(NetSpec(name, 21), pair) for name in available()]
    screen.console().print(screen.nets_table(summaries, pair))


@app.command()
def compare(
    data: Annotated[
        str | None,
        typer.Argument(help="Data set; left out: each run is scored on what it was trained on."),
    ] = None,
    nets: Annotated[
        list[str] | None, typer.Option(help="Nets to compare untrained, separated by commas.")
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder, or a model.safetensors; can be given again."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Height x width of the photo.  [default: DATA's photos, else 375x500]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.md, .csv and .png.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to score the runs on.")] = "val",
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class file, or the number of classes of --nets.  [default: DATA's, else 21]"
        ),
    ] = None,
    padding: Annotated[str, typer.Option(help="same or paper, of --nets.")] = "same",
    width: Annotated[
        float, typer.Option(help="Multiplies the channels of every layer of --nets.")
    ] = 1.0,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often each net has its turn to be measured.")
    ] = 3,
    device: Device = "auto",
    precision: Precision = "fp32",
) -> None:
    """Compare nets and runs: size, receptive field, time, memory, scores.

    The table 1 of the FCN paper for this machine. Times and memory are measured, one photo at a
    time, all nets in turn; runs are scored on DATA, or on what they were trained on.

    \b
    Examples:
      fullconv compare --nets fcn32s-caffenet,fcn32s-vgg16,fcn32s-googlenet --size 375x500
      fullconv compare photos/ --nets fcn8s-vgg16 --runs runs/a --runs runs/b --out comparison/
    """
    from fullconv import screen
    from fullconv.compare import Request, write_comparison
    from fullconv.compare import compare as compare_nets
    from fullconv.compare.table import notes

    names = [name.strip() for given in nets or () for name in given.split(",")]
    request = Request(
        data, names, runs or (), _size(size) if size else None, split, classes,
        padding, width, device, precision, rounds,  # pyright: ignore
    )  # fmt: skip
    if out and out.is_file():
        raise UserError(f"{out}: is a file; name a folder for the comparison")
    with screen.progress("comparing") as progress:
        comparison = compare_nets(request, progress)
    shown = screen.console()
    for table in screen.comparison_tables(comparison):
        shown.print(table, "")
    for note in notes(comparison):
        shown.print(f"- {note}", markup=False)
    for path in write_comparison(comparison, out) if out else ():
        shown.print(path)


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="Data set.")],
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; can be given again.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
) -> None:
    """Look for faults in a data set: every photo and mask is read once.

    Names each file, the likely cause and the mend. Exit code 1 if training would stumble.

    \b
    Examples:
      fullconv check photos/
      fullconv check VOCdevkit/VOC2012 --split train --split val
    """
    from fullconv import screen
    from fullconv.data import available_splits, listing, open_source
    from fullconv.data import check as check_data

    names = split or available_splits(data)
    sources = {name: open_source(data, name, classes) for name in names}
    with screen.progress("checking") as progress:
        faults = check_data(sources, progress)
    for line in listing(faults):
        print(line)
    errors = sum(fault.severity == "error" for fault in faults)
    photos = ", ".join(f"{len(source)} {name}" for name, source in sources.items())
    print(f"errors: {errors}, warnings: {len(faults) - errors}, in {photos} photos")
    if errors:
        raise typer.Exit(1)


@app.command()
def statistics(
    data: Annotated[str, typer.Argument(help="Data set.")],
    split: Annotated[str, typer.Option(help="Split to count.")] = "train",
    classes: Annotated[Path | None, typer.Option(help="Class file, if not the data's own.")] = None,
) -> None:
    """Count the classes of a data set, and show the loss weights that would follow.

    Weights are off unless loss.class_weights asks for them; the FCN paper uses none.

    \b
    Examples:
      fullconv statistics photos/
      fullconv train photos/ --set loss.class_weights=median-frequency
    """
    from fullconv import screen
    from fullconv.data import count_classes, open_source

    source = open_source(data, split, classes)
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
        list[str] | None, typer.Option(help="Only this split; can be given again.")
    ] = None,
    size: Annotated[str, typer.Option(help="Height x width.")] = "160x208",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other scenes.")] = 0,
) -> None:
    """Write generated scenes as a folder data set.

    To look at, to try commands on, or to see how the files of one's own data should lie:
    images/SPLIT/NAME.jpg, masks/SPLIT/NAME.png and classes.toml.

    \b
    Examples:
      fullconv shapes scenes/
      fullconv shapes scenes/ --number 400 --size 240x320 --seed 7
    """
    from fullconv import screen
    from fullconv.data import open_source, write_folder

    height, width = _size(size)
    name = f"shapes:{height}x{width}:seed={seed}:n={max(10 * number, 10)}"
    splits = split or ["train", "val", "test"]
    sources = [open_source(name, each) for each in splits]
    total = sum(min(number, len(source)) for source in sources)
    with screen.progress("drawing") as progress:
        write_folder(sources, out, number, lambda done: progress(done, total))
    print(f"{total} scenes in {out}; next: fullconv train {out}")


Offline = Annotated[
    bool, typer.Option("--offline", help="Download nothing; the same as FULLCONV_OFFLINE=1.")
]


@app.command()
def weights(
    name: Annotated[str | None, typer.Argument(help="Weights to download.")] = None,
    offline: Offline = False,
) -> None:
    """List the published weights known by name, or download some and print their path.

    The file is kept in FULLCONV_CACHE (else ~/.cache/fullconv). An interrupted download goes on
    where it stopped; size and checksum are verified where they are known.

    \b
    Examples:
      fullconv weights
      fullconv weights vgg16-caffe
    """
    from fullconv import screen
    from fullconv.download import cache_folder
    from fullconv.weights.download import cached_path, fetch
    from fullconv.weights.registry import find_published, published

    if name is None:
        for table in screen.weights_tables(published().values()):
            screen.console().print(table, "")
        print(f"cache: {cache_folder() / 'weights'}; next: fullconv weights NAME")
        return
    found = find_published(name)
    there = cached_path(found).exists()
    with screen.download_progress(f"downloading {found.name}") as progress:
        path = fetch(found.name, progress=progress, offline=offline or None)
    how = "in the cache" if there else "downloaded"
    lines = [f"{found.name}: {how}, {_checked(found.file)}", f"licence: {found.file.licence}"]
    lines += [f"note: {found.note}"] if found.note else []
    print("\n".join(lines), file=sys.stderr)  # the path alone goes to a pipe
    print(path)


@app.command()
def download(
    name: Annotated[str | None, typer.Argument(help="Data set; left out: list them.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Folder to put it into.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archive after unpacking.")] = False,
    offline: Offline = False,
) -> None:
    """Download a data set with a known public address, verify and unpack it.

    An interrupted download goes on where it stopped. The data set appears in the folder when it
    is complete; where it is there already, nothing happens.

    \b
    Examples:
      fullconv download
      fullconv download voc2012 VOCdata/
      fullconv download sbd VOCdata/
    """
    from fullconv import screen
    from fullconv.data.download import fetch
    from fullconv.data.published import find_published_data, published_data
    from fullconv.data.sources import is_known

    if name is None:
        screen.console().print(screen.data_table(published_data().values()))
        return
    data = find_published_data(name)
    if folder is None:
        raise UserError(f"name a folder too, as in: fullconv download {name} data/")
    there = (folder.expanduser() / data.folder).exists()
    place = fetch(name, folder, keep=keep, shown=screen.download_progress, offline=offline or None)
    print(f"{data.what}: in {place}, {'it was there' if there else _checked(data.file)}")
    print(f"licence: {data.file.licence}")
    print(f"next: fullconv check {place}" if is_known(place) else "next: see docs/data.md")


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Recipe to print.")] = None,
) -> None:
    """List the recipes, or print one: paper, command, cost, expected score, settings.

    \b
    Examples:
      fullconv recipes
      fullconv recipes camvid-scratch > mine.toml
    """
    from fullconv.train.config import recipe_names, recipe_text

    if name:
        print(recipe_text(name), end="")
        return
    width = max(map(len, recipe_names()), default=0)
    for known in recipe_names():
        print(f"{known:{width}}  {recipe_text(known).splitlines()[0].lstrip('# ')}")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder, finished or not.")],
) -> None:
    """Write report.html of a run: curves, scores, samples on one page.

    \b
    Example:
      fullconv report runs/camvid
    """
    from fullconv.report import write_report

    print(write_report(run))


def _size(text: str) -> tuple[int, int]:
    """'375x500' as (375, 500), height first; UserError for anything else."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise UserError(f"size {text!r} is not HEIGHTxWIDTH, as 375x500")
    return int(parts[0]), int(parts[1])


def _checked(file: Any) -> str:
    """How a RemoteFile was verified, in words."""
    if file.checksum:
        return f"verified by {file.checksum}"
    return f"{file.verified_by}, as no source states one"


def _whole_number(text: str) -> int:
    """A whole number from text; UserError for anything else."""
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{text!r} is not a whole number") from None


def _change(text: str) -> tuple[str, str]:
    """'optimiser.rate=0.01' as its key and value; UserError without a '='."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UserError(f"--set {text!r} is not KEY=VALUE, as optimiser.rate=0.01")
    return key.strip(), value.strip()
