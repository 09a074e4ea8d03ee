"""``fullconv train``."""

import re
import signal
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fullconv.cli import completion
from fullconv.cli.help_panels import MORE, PanelledCommand
from fullconv.cli.main import app
from fullconv.cli.options import change_of, fetched, size_of, whole_number
from fullconv.cli.read_options import Bands, Range, bands_of, range_of
from fullconv.errors import UserError
from fullconv.files.file_errors import file_errors
from fullconv.training.recipes import recipe_text

if TYPE_CHECKING:
    from fullconv.training.config.config import Config

_FILES = (".safetensors", ".pth", ".pt", ".caffemodel", ".h5", ".npz")


@app.command(cls=PanelledCommand)
def train(
    data: Annotated[
        str | None,
        typer.Argument(help="Data set: a folder, a list of pairs, VOC, CamVid, SBD, or shapes."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.  [default: runs/DATA-NET]")] = None,
    net: Annotated[
        str | None,
        typer.Option(help="Net, as 'fullconv nets' lists them.", autocompletion=completion.nets),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="A recipe's name, or a TOML file as a run's config.toml.",
            autocompletion=completion.recipes,
            rich_help_panel=MORE,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key; can be repeated."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Pretrained weights: a run folder, a checkpoint, a foreign file, a published "
            "name, or imagenet (the backbone's, downloaded if missing). Give it once for each "
            "stream of --inputs.  [default: the backbone's, if they are installed]"
        ),
    ] = None,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Start from random weights; as --weights none.")
    ] = False,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="Inputs: color, hha, color,hha (late fusion), color+depth (early fusion).",
            rich_help_panel=MORE,
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            help="Loggers beside log.csv: tensorboard, mlflow, wandb; several with commas.",
            rich_help_panel=MORE,
        ),
    ] = None,
    outputs: Annotated[
        str | None,
        typer.Option(
            help="Label maps to learn jointly, as semantic,geometric.", rich_help_panel=MORE
        ),
    ] = None,
    task: Annotated[
        Literal["auto", "semantic", "binary", "multilabel"] | None,
        typer.Option(
            help="One class a pixel (semantic), one class against the rest (binary), or several "
            "that may overlap (multilabel).  [default: auto, what the masks say]",
            rich_help_panel=MORE,
        ),
    ] = None,
    foreground: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS,...",
            help="Class of a binary task, or those of a multi-label one.",
            rich_help_panel=MORE,
        ),
    ] = None,
    bands: Bands = None,
    span: Range = None,
    max_megapixels: Annotated[
        float | None, typer.Option(help="Larger photos are refused.", rich_help_panel=MORE)
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(
            help="Train in stages, one stride after the other: 32,16,8.", rich_help_panel=MORE
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps.", rich_help_panel=MORE)
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Epochs.")] = None,
    time: Annotated[
        str | None, typer.Option(help="How long to train on this machine: 15m, 1h.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop after this many validations without a better score.",
            rich_help_panel=MORE,
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Photos in a batch.")] = None,
    crop: Annotated[str | None, typer.Option(help="Height x width of training crops.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed.", rich_help_panel=MORE)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Data loading processes.", rich_help_panel=MORE)
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, ...")] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, fp32 or bf16.", rich_help_panel=MORE)
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory budget, as 4GB: batch size and checkpointing follow.",
            rich_help_panel=MORE,
        ),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Class file, if not the data's own.", rich_help_panel=MORE)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out where it stopped.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the run that is in --out.", rich_help_panel=MORE),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", help="List all options that lower the memory.", rich_help_panel=MORE
        ),
    ] = False,
) -> None:
    """Train a net on photos and masks.

    The recipe gives all settings; the options here and --set change single ones. 'fullconv
    recipes' lists the recipes, a run's config.toml all keys.

    \b
    Examples:
      fullconv train photos/ --out runs/first
      fullconv train photos/ --time 15m --out runs/quick
      fullconv train photos/ --recipe scratch --net fcn8s-resnet18 --out runs/scratch
      fullconv train photos/ --weights runs/first --out runs/second
      fullconv train photos/ --net fcn8s-resnet50 --weights imagenet
      fullconv train data/camvid --recipe camvid-scratch --out runs/camvid
      fullconv train VOCdevkit/VOC2012 --net fcn8s-vgg16 --stages 32,16,8 --precision bf16
      fullconv train photos/ --net fcn8s-vgg16 --batch-size 4 --memory 4GB
      fullconv train photos/ --set optimizer.kind=sgd --set augment.hflip=true
      fullconv train SiftFlow/ --net fcn16s-vgg16 --outputs semantic,geometric
      fullconv train nyud/ --inputs color,hha --weights runs/color --weights runs/hha
      fullconv train data/camvid --foreground car
      fullconv train photos/ --log tensorboard,mlflow --out runs/first
      fullconv train --resume --out runs/first
    """
    recipe = recipe or "default"
    if out is None and resume:
        raise UserError("--resume needs --out, the folder of the run to resume", "FC-CONFIG-014")
    if scratch and weights:
        raise UserError(
            "--scratch and --weights exclude each other: leave one out", "FC-CONFIG-014"
        )
    given = {
        "data.path": data,
        "data.classes": classes and str(classes),
        "data.workers": workers,
        "net.name": net,
        "data.inputs": inputs and [part.strip() for part in inputs.split(",")],
        "data.outputs": outputs and [part.strip() for part in outputs.split(",")],
        "task.kind": task,
        "task.foreground": foreground and [part.strip() for part in foreground.split(",")],
        "data.bands": bands_of(bands),
        "data.range": range_of(span),
        "data.max_megapixels": max_megapixels,
        "net.weights": "none" if scratch else _one_or_several(weights),
        "logging.to": log,
        "stages": stages and [whole_number(part) for part in stages.split(",")],
        "schedule.steps": steps,
        "schedule.epochs": epochs,
        "schedule.time": time,
        "schedule.patience": patience,
        "schedule.batch_size": batch_size,
        "augment.crop": crop and list(size_of(crop)),
        "optimizer.lr": lr,
        "seed": seed,
        "compute.device": device,
        "compute.precision": precision,
        "compute.memory": memory,
    }
    overrides = {key: value for key, value in given.items() if value is not None}
    overrides |= dict(change_of(change) for change in changes or ())
    out = out or _default_folder(recipe, overrides)
    if not resume:
        check_before_torch(out, overwrite, recipe, overrides)
    _train(out, recipe, overrides, resume=resume, overwrite=overwrite, verbose=verbose)


def _train(out: Path, recipe: str, overrides: dict[str, Any], **options: Any) -> None:
    from fullconv.training.config.config_sources import config_of
    from fullconv.training.run.signals import Interrupted
    from fullconv.training.train_run import train as start

    if not options["resume"]:
        _fetch(config_of(recipe, overrides))
    try:
        start(None, out, recipe=recipe, overrides=overrides, **options)
    except Interrupted as stop:
        asked = "" if stop.number == signal.SIGINT else f" by {stop}"
        print(
            f"fullconv: stopped{asked} and saved; to resume: fullconv train --resume --out {out}",
            flush=True,
        )
        raise typer.Exit(128 + stop.number) from None


def _default_folder(recipe: str, overrides: Mapping[str, Any]) -> Path:
    """runs/DATA-NET; UserError for a recipe that there is not."""
    with file_errors(recipe):
        text = (
            Path(recipe).read_text("utf-8", "replace") if _is_file(recipe) else recipe_text(recipe)
        )
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError):
        values = {}  # which reading the config will say
    data, net = (
        overrides.get(f"{section}.{key}") or _value(values, section, key)
        for section, key in (("data", "path"), ("net", "name"))
    )
    text = str(data or "")
    url = re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+:/+(.*)", text)
    folder = Path(url[1]).name if url else Path(text.split(":")[0]).resolve().name
    return Path("runs", f"{folder}-{net or 'fcn8s-resnet18'}")


def _is_file(recipe: str) -> bool:
    """As `training.config.config_sources.is_file`, which needs torch."""
    return recipe.endswith(".toml") or "/" in recipe


def _value(values: Mapping[str, Any], section: str, key: str) -> Any:
    place = values.get(section)
    return place.get(key) if isinstance(place, dict) else None


def _one_or_several(weights: list[str] | None) -> str | list[str] | None:
    return weights[0] if weights and len(weights) == 1 else weights


def check_before_torch(
    out: Path, overwrite: bool, recipe: str, overrides: Mapping[str, Any]
) -> None:
    """UserError for what can be refused without torch, whose import takes seconds.

    A folder that holds a run already, a recipe or a net that there is not, and weights that are not
    there: each is refused again, with more words, where it is used.
    """
    with file_errors(out):
        is_run = (out / "config.toml").exists()
    if is_run and not overwrite:
        raise UserError(
            f"{out}: holds a run already; continue it with --resume, replace it with --overwrite, "
            "or name another folder",
            "FC-TRAIN-004",
        )
    if not _is_file(recipe):
        recipe_text(recipe)
    wanted = overrides.get("net.weights")
    for source in [wanted] if isinstance(wanted, str) else wanted or ():
        if _is_missing(str(source)):
            raise UserError(
                f"{source}: no such weights; name a run folder, a file or a published name, as "
                "'fullconv weights' lists them",
                "FC-FILE-003",
            )
    name = overrides.get("net.name")
    if isinstance(name, str):
        from fullconv.models import NetSpec

        NetSpec(name, 2)


def _is_missing(source: str) -> bool:
    """Whether weights are named by a path at which nothing lies."""
    is_path = source.startswith(("/", "./", "../", "runs/")) or source.endswith(_FILES)
    return is_path and "[" not in source and not Path(source).exists()


def _fetch(config: "Config") -> None:
    """Download with a bar what the training would download without one."""
    from fullconv.checkpoints.initialize import PUBLISHED_BY_TIMM
    from fullconv.checkpoints.pretrained import IMAGENET, imagenet_for

    for source in config.net.sources:
        if source == PUBLISHED_BY_TIMM:  # which timm downloads itself
            continue
        backbone = config.spec(2).backbone
        fetched(Path(imagenet_for(backbone).name if source == IMAGENET else source))
