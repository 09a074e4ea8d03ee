"""The start of a training: which layers take which weights, and which begin fresh and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.nets import FCN, Preprocessing
from fullconv.weights.open import open_weights


@dataclass(frozen=True)
class StartReport:
    """What became of every array: loaded, fresh with the reason, or not needed with the reason.

    ``preprocessing`` is what the loaded weights expect of a photo.
    """

    source: str
    loaded: list[str] = field(default_factory=list)
    fresh: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None

    def lines(self) -> list[str]:
        """A short account for the screen: counts, and every layer that did not simply load."""
        found = [f"{len(self.loaded)} arrays loaded from {self.source}"]
        found += [f"fresh: {name} ({why})" for name, why in self.fresh.items()]
        found += [f"unused: {name} ({why})" for name, why in self.unused.items()]
        return found


def start_from(net: FCN, path: str | Path, classes: ClassSet | None = None) -> StartReport:
    """Load into ``net`` what fits from ``path``: a checkpoint, a run folder, or a foreign file.

    Score layers load only where the classes are the same ones (``classes``: the new net's); else
    they stay at zero, as they do after a classifier. The score of a skip that the source does not
    have stays at zero, so a net with a new skip begins exactly where the source ended. Raises
    UserError when no array of the backbone loads, or the source is another backbone.
    """
    found = open_weights(path)
    source = found.checkpoint
    if source.net.spec.backbone != net.spec.backbone:
        raise UserError(
            f"{path}: holds a {source.net.spec.backbone}, the net is a {net.spec.backbone}; "
            "start from a checkpoint of the same backbone"
        )
    why = ""
    if found.is_classifier:
        why = "the source is a classifier"
    elif classes is not None and classes.names != source.classes.names:
        why = _other_classes(source.classes, classes)
    there = source.net.state_dict()
    tensors = {name: tensor for name, tensor in there.items() if name not in found.missing}
    report = fill(net, tensors, str(path), why)
    report.unused.update(found.not_needed)
    return replace(report, preprocessing=source.preprocessing)


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
    # Kernels, for the counters of batch norms are of one shape in every net.
    if not any(name.startswith("backbone.") and wanted[name].ndim > 1 for name in report.loaded):
        first = next(iter(report.fresh.items()))
        raise UserError(
            f"{source}: nothing of the backbone could be loaded (first: {first[0]}, {first[1]}); "
            "check that net, width and input channels are the source's"
        )
    return report


def _start_of(name: str) -> str:
    if name.startswith("score."):
        return "starts at zero"
    return "starts bilinear" if name.startswith("upscore.") else "starts at random"


def _other_classes(old: ClassSet, new: ClassSet) -> str:
    if len(old) != len(new):
        return f"{len(old)} classes there, {len(new)} here"
    return "the classes have other names"
