"""The start of a training: which layers take which weights, and which begin fresh and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullconv.checkpoints.hub import hub_file, is_hub_name
from fullconv.checkpoints.open_weights import Weights, found_under, open_weights
from fullconv.checkpoints.registry import provenance
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.models import FCN, Preprocessing
from fullconv.models.backbones.third_party import TimmDefinition
from fullconv.models.registry import definition_named

MANY = 6  # arrays; the scores of three strides are as many

PUBLISHED_BY_TIMM = "timm"
"""The name of the weights that timm has for its nets, which it downloads itself."""


@dataclass(frozen=True)
class StartReport:
    """The account of every array: loaded, fresh with the reason, or not needed with the reason.

    ``warnings`` are what a source cannot tell; ``adapted`` says which of the loaded ones were made
    to fit, and how. ``preprocessing`` is what the loaded weights expect of a photo, ``others`` what
    those of further streams expect of theirs. ``origins`` say of each source what it is, where it
    comes from and under which licence, as far as that is known (`origin_of`).
    """

    source: str
    loaded: list[str] = field(default_factory=list)
    fresh: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    others: tuple[Preprocessing, ...] = ()
    origins: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """A short account for the screen: counts, and every layer that did not simply load.

        Where many arrays of one part share a reason, as those of a new pyramid do, it is said once.
        """
        lines = [f"{len(self.loaded)} arrays loaded from {self.source}"]
        lines += [f"adapted: {name} ({how})" for name, how in self.adapted.items()]
        lines += [f"fresh: {name} ({why})" for name, why in _in_parts(self.fresh)]
        lines += [f"unused: {name} ({why})" for name, why in _in_parts(self.unused)]
        lines += [f"note: {warning}" for warning in self.warnings]
        return lines


def _in_parts(arrays: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names with reasons; over ``MANY`` of one part (what stands before the first dot) as one."""
    parts: dict[tuple[str, str], list[str]] = {}
    for name, why in arrays.items():
        parts.setdefault((name.partition(".")[0], why), []).append(name)
    lines = []
    for (part, why), names in parts.items():
        many = len(names) > MANY
        lines += [(f"{part}, {len(names)} arrays", why)] if many else [(n, why) for n in names]
    return lines


def start_from(
    net: FCN, sources: str | Path | Sequence[str | Path], classes: ClassSet | None = None
) -> StartReport:
    """Load into ``net`` what fits from ``sources``: checkpoints, run folders, or foreign files.

    One source, or one for each stream of the net; every stream takes the one source where the
    source itself has one stream. ``timm`` are the weights that timm has for its nets. A first
    convolution with more input channels than the source's takes for the new ones the mean of the
    filters there (reference: nyud-fcn32s-color-d).

    Score layers load only where the classes are the same ones (``classes``: the new net's); else
    they stay at zero, as they do after a classifier, and between a pyramid and added scores. The
    score of a skip that the source does not have stays at zero, so a net with a new skip begins
    exactly where the source ended. Where each of several streams has scores of its own, the sum is
    their mean (nyud-fcn32s-color-hha). A backbone that begins as the source's, or with which the
    source's begins, takes what both have: VGG16 from its convolutions alone, and they from VGG16.
    Raises UserError when no array of the backbone loads, or the source is another backbone.
    """
    paths = [sources] if isinstance(sources, str | Path) else list(sources)
    if PUBLISHED_BY_TIMM in paths:
        return _from_timm(net, paths)
    streams = len(net.spec.streams)
    if len(paths) not in (1, streams):
        raise UserError(
            f"{len(paths)} weights for {streams} streams: give one, or one for each",
            "FC-WEIGHTS-018",
        )
    opened = [_opened(net, path) for path in paths]
    first = opened[0]
    if len(first.checkpoint.net.spec.streams) == streams and len(paths) == 1:
        tensors, why = _tensors(first), _new_scores(net, first, classes)
    else:
        tensors, why = _streams_side_by_side(net, paths, opened, classes)
    tensors, adapted = _adapted(net, tensors)
    report = fill(net, tensors, " and ".join(map(str, paths)), why)
    report.adapted.update(adapted)
    for weights in opened:
        report.unused.update(weights.not_needed)
        report.warnings.extend([weights.warning] if weights.warning else [])
    others = [weights.checkpoint.preprocessing for weights in opened]
    origins = [origin_of(path, weights) for path, weights in zip(paths, opened, strict=True)]
    return replace(report, preprocessing=others[0], others=tuple(others[1:]), origins=origins)


def _streams_side_by_side(
    net: FCN, paths: Sequence[str | Path], opened: list[Weights], classes: ClassSet | None
) -> tuple[dict[str, Tensor], str]:
    """The arrays for a net of several streams, from weights of one stream each.

    And why its score layers start at zero; '' where they load.
    """
    streams = len(net.spec.streams)
    for path, weights in zip(paths, opened, strict=True):
        count = len(weights.checkpoint.net.spec.streams)
        if count > 1:
            raise UserError(
                f"{path}: has {count} streams itself; name weights of one stream for "
                f"each of the {streams}",
                "FC-WEIGHTS-018",
            )
    repeated = opened * (streams // len(opened))
    tensors = _side_by_side([_tensors(weights) for weights in repeated])
    why = next((why for weights in repeated if (why := _new_scores(net, weights, classes))), "")
    if net.spec.is_pyramid:  # channels of features, other than those of scores, have no meaning
        why = why or "the features of several streams are fused anew"
    return tensors, why


def origin_of(source: str | Path, weights: Weights) -> dict[str, Any]:
    """The record of the weights that a training started from, as plain JSON types.

    ``name``; of published ones ``from`` and ``licence``, on the Hub ``from``, the page that states
    it; of a foreign file its net and sha256; of a training the ``weights`` that it had started from
    itself.
    """
    origin, published = weights.checkpoint.origin, found_under(source)
    if is_hub_name(source):
        file = hub_file(source)
        return {"name": str(source), "from": file.address, **_kept(origin)}
    if published is None:
        return {"name": Path(source).name, **_kept(origin)}
    record = {"from": provenance(published), "licence": published.file.licence}
    return {"name": published.name, **record, **_kept(origin)}


def _kept(origin: Mapping[str, Any]) -> dict[str, Any]:
    return {key: origin[key] for key in ("lineage", "sha256", "weights") if origin.get(key)}


def _from_timm(net: FCN, paths: Sequence[str | Path]) -> StartReport:
    """timm's own weights for its backbones; the scores start at zero."""
    spec = net.spec
    if not isinstance(spec.definition, TimmDefinition):
        raise UserError(
            f"weights 'timm' are for nets of timm, {spec.name} is none: name others",
            "FC-WEIGHTS-018",
        )
    if len(paths) > 1:
        raise UserError("weights 'timm' are for all streams: name them alone", "FC-WEIGHTS-018")
    states = [spec.definition.published(channels, spec.tapped) for channels in spec.streams]
    several = len(states) > 1
    tensors = {
        f"backbone.{number}.net.{name}" if several else f"backbone.net.{name}": tensor
        for number, state in enumerate(states)
        for name, tensor in state.items()
    }
    report = fill(net, tensors, f"timm ({spec.backbone})", "the source is a classifier")
    return replace(report, preprocessing=spec.definition.preprocessing)


def _opened(net: FCN, path: str | Path) -> Weights:
    weights = open_weights(path)
    backbone = weights.checkpoint.net.spec.backbone
    if backbone != net.spec.backbone and not _is_part(backbone, net.spec.backbone):
        raise UserError(
            f"{path}: holds a {backbone}, the net is a {net.spec.backbone}; "
            "start from a checkpoint of the same backbone",
            "FC-WEIGHTS-017",
        )
    return weights


def _is_part(one: str, other: str) -> bool:
    """Whether one of two backbones begins as the other."""
    pair = definition_named(one), definition_named(other)
    return pair[0].begins_as(pair[1]) or pair[1].begins_as(pair[0])


def _new_scores(net: FCN, weights: Weights, classes: ClassSet | None) -> str:
    """Why the score layers of a source are not taken; empty where they are."""
    there = weights.checkpoint.classes
    if weights.is_classifier:
        return "the source is a classifier"
    if (backbone := weights.checkpoint.net.spec.backbone) != net.spec.backbone:
        return f"{backbone} there, {net.spec.backbone} here"
    fused_there = weights.checkpoint.net.spec.is_pyramid
    if fused_there != net.spec.is_pyramid:  # what they score may have the same shape all the same
        pair = ("scores are added", "features fused")
        return f"{pair[fused_there]} there, {pair[not fused_there]} here"
    mixed_there = weights.checkpoint.net.spec.is_deconv
    if mixed_there != net.spec.is_deconv:
        there_or_not = ("here, not there", "there, not here")
        return f"upsampling mixes the classes {there_or_not[mixed_there]}"
    if classes is not None and classes.names != there.names:
        return _other_classes(there, classes)
    if classes is not None and classes.is_overlapping != there.is_overlapping:
        return f"the task is {there.task} there, {classes.task} here"
    return ""


def _tensors(weights: Weights) -> dict[str, Tensor]:
    there = weights.checkpoint.net.state_dict()
    return {name: tensor for name, tensor in there.items() if name not in weights.missing}


def _side_by_side(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The arrays of one net for each stream as those of one net: its score is the mean of theirs.

    A score layer on maps that lie behind one another has their weights behind one another too. A
    pyramid is left out.
    """
    tensors: dict[str, Tensor] = {}
    for name in parts[0]:
        if name.startswith("backbone."):
            for number, part in enumerate(parts):
                tensors[name.replace("backbone.", f"backbone.{number}.", 1)] = part[name]
        elif name.startswith("pyramid.") or not _is_in_all(parts, name):
            continue
        elif name.startswith("score.") and name.endswith("weight"):
            tensors[name] = torch.cat([part[name] for part in parts], 1) / len(parts)
        else:
            tensors[name] = torch.stack([part[name] for part in parts]).mean(0)
    return tensors


def _is_in_all(parts: Sequence[Mapping[str, Tensor]], name: str) -> bool:
    return all(name in part and part[name].shape == parts[0][name].shape for part in parts)


def _adapted(net: FCN, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """With first convolutions of as many input channels as the net's, and what was done to which.

    Channels behind the colours begin with the mean of the colours' filters; so do all where there
    is no room for colours.
    """
    result, done = dict(tensors), {}
    for name, wanted in net.state_dict().items():
        there, channels = tensors.get(name), wanted.shape[1] if wanted.ndim == 4 else 0
        if there is None or there.ndim != 4 or there.shape[1] != 3 or channels == 3:
            continue
        if wanted[:, 0].shape != there[:, 0].shape:
            continue
        reused = there if channels > 3 else there[:, :0]
        more = channels - reused.shape[1]
        mean = there.mean(1, keepdim=True).expand(-1, more, -1, -1)
        result[name] = torch.cat([reused, mean], 1)
        done[name] = f"{more} input channels begin with the mean of the filters of 3"
    return result, done


def fill(net: FCN, tensors: Mapping[str, Tensor], source: str, new_scores: str = "") -> StartReport:
    """Load ``tensors`` by name and shape; ``new_scores`` says why score layers start fresh."""
    report = StartReport(source)
    wanted = net.state_dict()
    heads = tuple(f"{name}." for name in (*net.score_modules(), "upscore"))
    for name, tensor in wanted.items():
        is_head = name.startswith(heads)
        if new_scores and is_head:
            report.fresh[name] = f"{_start_of(name)}: {new_scores}"
        elif name not in tensors:
            report.fresh[name] = f"{_start_of(name)}: not in the source"
        elif tensors[name].shape != tensor.shape:
            shapes = f"{tuple(tensors[name].shape)} there, {tuple(tensor.shape)} here"
            report.fresh[name] = f"{_start_of(name)}: {shapes}"
        else:
            with torch.no_grad():
                tensor.copy_(tensors[name])
            report.loaded.append(name)
    for name in sorted(tensors.keys() - wanted.keys()):
        report.unused[name] = "this net has no such layer"
    for stream in _streams(net):
        # Kernels, for the counters of batch norms are of one shape in every net.
        if not any(name.startswith(stream) and wanted[name].ndim > 1 for name in report.loaded):
            first, why = next((n, w) for n, w in report.fresh.items() if n.startswith(stream))
            raise UserError(
                f"{source}: nothing of the backbone could be loaded (first: {first}, {why}); "
                "check that net, width and input channels are the source's",
                "FC-WEIGHTS-017",
            )
    return report


def _streams(net: FCN) -> list[str]:
    """The prefix of the names of each stream's arrays."""
    count = len(net.spec.streams)
    return [f"backbone.{i}." for i in range(count)] if count > 1 else ["backbone."]


def _start_of(name: str) -> str:
    if name.startswith("score.") or (name.startswith("upscore.") and name.endswith("bias")):
        return "starts at zero"
    is_kernel = name.startswith(("upscore.", "pyramid.up."))
    return "starts bilinear" if is_kernel else "starts at random"


def _other_classes(old: ClassSet, new: ClassSet) -> str:
    if len(old) != len(new):
        return f"{len(old)} classes there, {len(new)} here"
    return "the classes have other names"
