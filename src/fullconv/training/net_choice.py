"""Which net is trained: what its weights bring along, and what cannot be meant, said early."""

import json
import math
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from fullconv.errors import UserError
from fullconv.models import NetSpec
from fullconv.models.analysis.cost import meta_net
from fullconv.models.analysis.shape_inference import ShapeInference
from fullconv.models.backbones.definition import Definition
from fullconv.models.registry import definition_named
from fullconv.training.config.config import Config
from fullconv.training.config.sections_and_defaults import Net
from fullconv.training.optimizer import freeze, hold_frozen

TAKEN = {"name": "net.name", "width": "net.width", "padding": "net.padding"}
"""The keys of a net that a run to start from decides, and the options that override them."""


def with_net_of_weights(
    config: Config, named: Set[str], say: Callable[[str], object] = lambda _: None
) -> Config:
    """The config with net, width and padding of the run in ``net.weights``, and a line about it.

    Not those that the user has ``named`` by their keys, and not where stages choose the heads.
    Raises UserError where weights are not there, and where what was named conflicts with them: no
    data has been read by then.
    """
    specs = {source: _spec_of(source) for source in config.net.sources}
    if not specs or None in specs.values():
        return config
    first, *others = [spec for spec in specs.values() if spec is not None]
    keys = {} if config.stages or "net" in named else TAKEN
    alike = [key for key in keys if all(other[key] == first[key] for other in others)]
    values = {key: first[key] for key in alike if TAKEN[key] not in named}
    net = Net.model_validate(config.net.model_dump() | values)
    for source, spec in specs.items():
        _check_fits(source, spec or {}, net)
    if net != config.net:
        say(f"net: {net.name}, width {net.width:g}, padding {net.padding}, as {min(specs)} has it")
    return config.model_copy(update={"net": net})


def _spec_of(source: str) -> dict[str, Any] | None:
    """The net of a run folder or checkpoint of this project; None for other weights.

    Raises UserError for a path that is not there.
    """
    path = Path(source)
    if is_path(source) and not path.exists():
        raise UserError(f"{source}: no such weights; name a run folder or a file", "FC-FILE-003")
    file = path / "model.safetensors" if path.is_dir() else path
    try:
        with safe_open(file, "numpy") as content:
            spec = json.loads((content.metadata() or {})["fullconv"])["net"]
        return {key: spec[key] for key in TAKEN}
    except (OSError, KeyError, TypeError, ValueError, RecursionError, SafetensorError):
        return None  # which reading the weights will say more about


def is_path(source: str) -> bool:
    """Whether weights are named by a path, not by a name."""
    return "/" in source or "\\" in source or source.endswith((".safetensors", ".pth", ".pt"))


def _check_fits(source: str, spec: dict[str, Any], net: Net) -> None:
    """UserError unless a backbone of ``spec`` can start the ``net``."""
    own, other = NetSpec(net.name, 2), NetSpec(str(spec["name"]), 2)
    if own.backbone != other.backbone and not _begin_alike(own.backbone, other.backbone):
        raise UserError(
            f"net.name: {net.name} has the backbone {own.backbone}, {source} has "
            f"{other.backbone}; leave out --net to train {other.name}, or name other weights",
            "FC-CONFIG-005",
        )
    if not math.isclose(net.width, spec["width"]):
        raise UserError(
            f"net.width: is {net.width:g}, {source} has {spec['width']:g}; leave net.width out, or "
            "name other weights",
            "FC-CONFIG-005",
        )


def _begin_alike(one: str, other: str) -> bool:
    pair: tuple[Definition, Definition] = definition_named(one), definition_named(other)
    return pair[0].begins_as(pair[1]) or pair[1].begins_as(pair[0])


def check_checkpointing(config: Config) -> None:
    """UserError where more segments are to be checkpointed than the backbone has."""
    asked = config.compute.activation_checkpointing
    if not asked:
        return
    backbone = meta_net(config.spec(2)).backbone
    first = next(iter(backbone.children())) if not hasattr(backbone, "segments") else backbone
    most = len(first.segments)  # pyright: ignore[reportArgumentType]
    if asked > most:
        raise UserError(
            f"compute.activation_checkpointing: is {asked}, {config.net.name} has {most} segments",
            "FC-CONFIG-006",
        )


def check_batch_norm(config: Config, spec: NetSpec, size: tuple[int, int]) -> None:
    """UserError where a batch norm would have to take the mean of a single value.

    That is one photo at a time, so small that a map of the net is one pixel: of ``size`` (H, W), or
    half of it where a run begins at half size.
    """
    if config.schedule.batch_size > 1 or min(size) > 128:
        return
    net = meta_net(spec).train()
    if config.net.freeze_backbone:
        freeze(net)
    hold_frozen(net, config.net.freeze_batch_norm is True)
    halves = (1, 2) if config.schedule.half_size else (1,)
    for part in halves:
        height, width = (-(-side // part) for side in size)
        try:
            with ShapeInference():
                net(torch.empty(1, spec.in_channels, height, width, device="meta"))
        except ValueError as error:
            raise batch_norm_error(height, width) from error


def batch_norm_error(height: int, width: int) -> UserError:
    """The error for photos of that size, whose batch norms have a single value to go by."""
    return UserError(
        f"schedule.batch_size: is 1, and at {height}x{width} a map of the net is one pixel, of "
        "which batch norm cannot take a mean: give schedule.batch_size=2 or more, a larger "
        "augment.crop, or net.freeze_batch_norm=true with pretrained weights",
        "FC-CONFIG-007",
    )
