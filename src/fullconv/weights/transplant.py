"""From a foreign file to a net of this project: which net it is, and every array accounted for."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.nets import BACKBONES, NetSpec, Preprocessing
from fullconv.nets.backbone import Padding
from fullconv.nets.spec import coarsest_net
from fullconv.weights.foreign import ForeignFile, Lineage, Turn
from fullconv.weights.leftover import reason, scales_of
from fullconv.weights.recognise import recognised, shapes_of
from fullconv.weights.trained_on import TrainedOn, known_data


@dataclass(frozen=True, eq=False)
class Transplant:
    """A foreign net in this project's terms.

    ``tensors`` by our names; ``used`` gives for each the foreign name; ``not_needed`` the foreign
    arrays without a place here, and why. ``is_classifier``: it has no score layers, so they start
    at zero. ``classes`` are those that it was trained on, where they are known.
    """

    title: str
    spec: NetSpec
    preprocessing: Preprocessing
    tensors: dict[str, Tensor]
    used: dict[str, str] = field(default_factory=dict)
    not_needed: dict[str, str] = field(default_factory=dict)
    is_classifier: bool = False
    classes: ClassSet | None = None


def transplant(
    file: ForeignFile,
    lineages: Iterable[Lineage],
    name: str | None = None,
    padding: Padding | None = None,
    classes: int | None = None,
    output: str | None = None,
) -> Transplant:
    """Recognise the net in ``file`` and take its arrays over.

    ``name`` (as `fcn8s-vgg16`) asks for a net; else it is the one whose scores the file has, and
    for a classifier the 32s net. ``padding`` defaults to the one that the weights were trained
    with: the lineage's for an FCN, `same` for a classifier. ``classes`` counts a classifier's
    scores to come (21 where not given). ``output`` chooses one of several outputs. Raises UserError
    when no known net's arrays are all there with the right shapes; it names the nearest and what
    is missing.
    """
    lineage, width = recognised(file, lineages, NetSpec(name, 2).backbone if name else None)
    ending = _ending(file, lineage, output)
    strides = _strides(file, lineage, ending)
    spec = NetSpec(
        name or _name(file, lineage, strides),
        _count(file, lineage, strides) if strides else classes or 21,
        padding=padding or file.padding or (lineage.padding if strides else "same"),
        width=width,
    )
    if BACKBONES[spec.backbone].stretches and not spec.stretches:
        raise UserError(f"{file.path}: {lineage.title} was trained with padding 'same'; use that")
    _check_scales(file, spec, strides)
    known = known_data(spec.classes, output or "", file.trained_on) if strides else None
    taken = {s: n for s, n in strides.items() if s in spec.strides}
    return _taken(file, lineage, spec, taken, known)


def _strides(file: ForeignFile, lineage: Lineage, ending: str) -> dict[int, str]:
    """The score layers that are in the file, by stride."""
    found = {}
    for stride, names in lineage.scores.items():
        for name in names:
            if lineage.array(name + ending, "weight") in file.arrays:
                found.setdefault(stride, name + ending)
    return found


def _ending(file: ForeignFile, lineage: Lineage, output: str | None) -> str:
    """What the names of the chosen output's score layers end in: nothing for a net with one."""
    there = {name: end for name, end in lineage.outputs.items() if _strides(file, lineage, end)}
    if output is None and not there:
        return ""
    if output in there:
        return there[output]
    if not there:
        raise UserError(f"{file.path}: has one output, so there is no {output!r} to choose")
    choices = " or ".join(there)
    raise UserError(
        f"{file.path}: has several outputs, of which a net here has one; choose it: fullconv "
        f"convert {file.path} OUT --output {choices}"
    )


def _name(file: ForeignFile, lineage: Lineage, strides: dict[int, str]) -> str:
    if not strides:
        return coarsest_net(lineage.backbone)
    finest = min(strides)
    says_so = file.at_once and finest == 8 and len(strides) > 1
    at_once = "-atonce" if says_so or scales_of(file) else ""
    return f"fcn{finest}s{at_once}-{lineage.backbone}"


def _count(file: ForeignFile, lineage: Lineage, strides: dict[int, str]) -> int:
    """Classes, from the length of the coarsest score's bias."""
    bias = lineage.array(strides[max(strides)], "bias")
    if bias not in file.arrays:
        raise UserError(f"{file.path}: {bias} is missing; the file is not whole")
    return int(file.arrays[bias].size)


def _check_scales(file: ForeignFile, spec: NetSpec, strides: Iterable[int]) -> None:
    """UserError where the file's skips are scaled in another way than the net's.

    Only Caffe's files say it; other formats have the constants in their code.
    """
    there = scales_of(file)
    if not there and file.format != "Caffe":
        return
    for stride in set(strides) & set(spec.strides):
        scale, here = there.get(stride, 1.0), spec.scales[stride]
        if not np.allclose(scale, here, rtol=1e-3):
            raise UserError(
                f"{file.path}: its skip of stride {stride} is scaled by {scale:g}, that of "
                f"{spec.name} by {here:g}; leave --net out, or name the net that it is"
            )


def _taken(
    file: ForeignFile,
    lineage: Lineage,
    spec: NetSpec,
    strides: dict[int, str],
    known: TrainedOn | None,
) -> Transplant:
    sources = {f"backbone.{ours}": (o.name, o.turn) for ours, o in lineage.origins.items()}
    for stride, layer in strides.items():
        for kind in ("weight", "bias"):
            sources[f"score.{stride}.{kind}"] = (lineage.array(layer, kind), lineage.turn)
    shapes = shapes_of(spec)
    preprocessing = file.preprocessing or lineage.preprocessing
    if known and file.format == "Caffe":
        preprocessing = known.preprocessing
    result = Transplant(
        lineage.title + (f", trained on {known.title}" if known else ""),
        spec,
        preprocessing,
        {},
        is_classifier=not strides,
        classes=known.classes if known else None,
    )
    for ours, (theirs, turn) in sources.items():
        result.tensors[ours] = _turned(file, theirs, turn, shapes[ours])
        result.used[ours] = theirs
    for ours, theirs in _counters(file, result.used).items():
        result.tensors[ours] = torch.tensor(float(file.arrays[theirs])).long()
        result.used[ours] = theirs
    used = set(result.used.values())
    result.not_needed.update(file.left_out)
    for theirs in file.arrays:
        if theirs not in used:
            result.not_needed[theirs] = reason(file.arrays[theirs], theirs, lineage, spec)
    return result


def _counters(file: ForeignFile, used: dict[str, str]) -> dict[str, str]:
    """The counters of batch norms, ours and theirs; files of before 2018 have none."""
    variance, counter = "running_var", "num_batches_tracked"
    pairs = {
        ours.replace(variance, counter): theirs.replace(variance, counter)
        for ours, theirs in used.items()
        if ours.endswith(variance)
    }
    return {ours: theirs for ours, theirs in pairs.items() if theirs in file.arrays}


def _turned(file: ForeignFile, theirs: str, turn: Turn, shape: tuple[int, ...]) -> Tensor:
    if theirs not in file.arrays:
        raise UserError(f"{file.path}: {theirs} is missing; the file is not whole")
    try:
        tensor = torch.from_numpy(np.ascontiguousarray(turn(file.arrays[theirs], shape)))
    except ValueError as fault:
        raise UserError(f"{file.path}: {theirs} is {fault}") from None
    if not torch.isfinite(tensor).all():
        raise UserError(
            f"{file.path}: {theirs} holds nan or infinity: its training diverged, or the file is "
            "damaged"
        )
    return tensor
