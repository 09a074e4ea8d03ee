"""From a foreign file to a net of this project: which net it is, and every array accounted for."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fullconv.checkpoints.foreign.caffe_names import TrainedOn, known_data
from fullconv.checkpoints.foreign.foreign_arrays import ForeignFile, Lineage, Shape, Turn
from fullconv.checkpoints.foreign.recognize_net import recognized_net, shapes_of
from fullconv.checkpoints.foreign.skipped_arrays import reason, scales_of
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.modalities import kinds_of
from fullconv.models import NetSpec, Preprocessing
from fullconv.models.backbones.definition import Padding
from fullconv.models.registry import coarsest_net, definition_named


@dataclass(frozen=True, eq=False, repr=False)
class Transplant:
    """A foreign net in this project's terms.

    ``tensors`` by our names; ``used`` gives for each the foreign name; ``not_needed`` the foreign
    arrays without a place here, and why. ``is_classifier``: it has no score layers, so they start
    at zero. ``classes`` are those that it was trained on, where they are known; ``outputs`` the
    number of classes of each of several outputs. ``warning`` is what the file cannot tell and a
    user must know.
    """

    title: str
    spec: NetSpec
    preprocessing: Preprocessing
    tensors: dict[str, Tensor]
    used: dict[str, str] = field(default_factory=dict)
    not_needed: dict[str, str] = field(default_factory=dict)
    is_classifier: bool = False
    classes: ClassSet | None = None
    outputs: dict[str, int] = field(default_factory=dict)
    warning: str = ""

    def __repr__(self) -> str:
        return f"Transplant({self.title}, {self.spec.name}, {len(self.tensors)} arrays)"


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
    scores to come (21 where not given). ``output`` chooses one of several outputs; else all are
    taken. Raises UserError when no known net's arrays are all there with the right shapes; it names
    the nearest and what is missing.
    """
    lineage, width = recognized_net(file, lineages, NetSpec(name, 2).backbone if name else None)
    chosen = _outputs(file, lineage, output)
    strides = _strides(file, lineage, *chosen.values())
    counts = {o: _count(file, lineage, strides, e) for o, e in chosen.items()} if strides else {}
    spec = NetSpec(
        name or _name(file, lineage, strides),
        sum(counts.values()) if strides else classes or 21,
        padding=padding or file.padding or (lineage.padding if strides else "same"),
        streams=lineage.channels,
        width=width,
    )
    if spec.is_pyramid:
        raise UserError(
            f"{file.path}: has no pyramid, which {spec.name} fuses features in: leave out --net, "
            f"and train it from what comes out ('fullconv train DATA --net {spec.name} --weights')",
            "FC-WEIGHTS-011",
        )
    _check_deconvolutions(file, lineage, spec)
    if definition_named(spec.backbone).resizes_scores and not spec.resizes_scores:
        raise UserError(
            f"{file.path}: {lineage.title} was trained with padding 'same'; use that",
            "FC-WEIGHTS-011",
        )
    _check_scales(file, spec, strides)
    scored = {s: n for s, n in strides.items() if s in spec.strides}
    result = _transplanted(file, lineage, spec, scored, chosen, _known(file, lineage, counts))
    result.outputs.update(counts if list(chosen) != [""] else {})
    return result


def _strides(file: ForeignFile, lineage: Lineage, *endings: str) -> dict[int, str]:
    """The score layers that are in the file, by stride; without the ending of an output."""
    strides = {}
    for stride, names in lineage.scores.items():
        for name in names:
            wanted = _scores(lineage, name, endings)
            if all(lineage.array(layer, "weight") in file.arrays for layer in wanted):
                strides.setdefault(stride, name)
    return strides


def _scores(lineage: Lineage, name: str, endings: Iterable[str]) -> list[str]:
    """The layers that score one stride: for each output one for each stream."""
    return [name + ending + stream for ending in endings for stream in lineage.streams]


def _outputs(file: ForeignFile, lineage: Lineage, output: str | None) -> dict[str, str]:
    """The outputs to take and the ending of their score layers; one without a name for one."""
    there = {name: end for name, end in lineage.outputs.items() if _strides(file, lineage, end)}
    if output is None:
        return there or {"": ""}
    if output in there:
        return {output: there[output]}
    if not there:
        raise UserError(
            f"{file.path}: has one output, so there is no {output!r} to choose", "FC-WEIGHTS-011"
        )
    raise UserError(
        f"{file.path}: has no output {output!r}; it has {' and '.join(there)}", "FC-WEIGHTS-011"
    )


def _known(file: ForeignFile, lineage: Lineage, counts: dict[str, int]) -> TrainedOn | None:
    """The data set that the net was trained on; of several outputs their data sets as one."""
    kinds = kinds_of(lineage.inputs)
    datasets = {o: known_data(n, o, file.trained_on, kinds) for o, n in counts.items()}
    parts = {output: known for output, known in datasets.items() if known}
    if len(parts) < len(datasets) or not parts:
        return None
    first = next(iter(parts.values()))
    if list(parts) == [""]:
        return first
    classes = ClassSet.joint({output: known.classes for output, known in parts.items()})
    return TrainedOn(" and ".join(k.title for k in parts.values()), classes, first.preprocessing)


def _name(file: ForeignFile, lineage: Lineage, strides: dict[int, str]) -> str:
    if not strides:
        return coarsest_net(lineage.backbone)
    finest = min(strides)
    says_so = file.at_once and finest == 8 and len(strides) > 1
    if lineage.deconvolutions:
        return f"fcn{finest}s-deconv-{lineage.backbone}"
    at_once = "-atonce" if says_so or scales_of(file) else ""
    return f"fcn{finest}s{at_once}-{lineage.backbone}"


def _count(file: ForeignFile, lineage: Lineage, strides: dict[int, str], ending: str) -> int:
    """Classes of an output, from the length of the coarsest score's bias."""
    bias = lineage.array(strides[max(strides)] + ending + lineage.streams[0], "bias")
    if bias not in file.arrays:
        raise UserError(f"{file.path}: {bias} is missing; the file is not whole", "FC-WEIGHTS-005")
    return int(file.arrays[bias].size)


def _check_scales(file: ForeignFile, spec: NetSpec, strides: Iterable[int]) -> None:
    """UserError where the file's skips are scaled in another way than the net's.

    Only Caffe's files say it; other formats have the constants in their code.
    """
    scales = scales_of(file)
    if not scales and file.format != "Caffe":
        return
    for stride in set(strides) & set(spec.strides):
        scale, net_scale = scales.get(stride, 1.0), spec.scales[stride]
        if not np.allclose(scale, net_scale, rtol=1e-3):
            raise UserError(
                f"{file.path}: its skip of stride {stride} is scaled by {scale:g}, that of "
                f"{spec.name} by {net_scale:g}; leave --net out, or name the net that it is",
                "FC-WEIGHTS-011",
            )


def _check_deconvolutions(file: ForeignFile, lineage: Lineage, spec: NetSpec) -> None:
    """UserError where kernels that mix the classes are in the file or the net, not in both."""
    if spec.is_deconv and not lineage.deconvolutions:
        raise UserError(
            f"{file.path}: has no deconvolutions that mix the classes, as {spec.name} needs; leave "
            "--net out",
            "FC-WEIGHTS-011",
        )
    if lineage.deconvolutions and not spec.is_deconv:
        raise UserError(
            f"{file.path}: its deconvolutions mix the classes, so its scores alone are not those "
            f"of {spec.name}; leave --net out, or train from it ('fullconv train DATA --net "
            f"{spec.name} --weights')",
            "FC-WEIGHTS-011",
        )


def _transplanted(
    file: ForeignFile,
    lineage: Lineage,
    spec: NetSpec,
    strides: dict[int, str],
    outputs: dict[str, str],
    known: TrainedOn | None,
) -> Transplant:
    """All arrays of ``file`` in their places in the net, and the reasons for those without one."""
    preprocessing = file.preprocessing or lineage.preprocessing.of_inputs(kinds_of(lineage.inputs))
    if known and file.format == "Caffe":
        preprocessing = known.preprocessing
    result = Transplant(
        lineage.title + (f", trained on {known.title}" if known else ""),
        spec,
        preprocessing,
        {},
        is_classifier=not strides,
        classes=known.classes if known else None,
        warning=lineage.warning,
    )
    shapes = shapes_of(spec)
    _add_backbone(result, file, lineage, shapes)
    used = _add_scores(result, file, lineage, strides, outputs.values(), shapes)
    _add_deconvolutions(result, file, lineage, shapes)
    for ours, theirs in _counters(file, result.used).items():
        result.tensors[ours] = torch.tensor(float(file.arrays[theirs])).long()
        result.used[ours] = theirs
    used.update(result.used.values())
    result.not_needed.update(file.left_out)
    for theirs in file.arrays:
        if theirs not in used:
            result.not_needed[theirs] = reason(file.arrays[theirs], theirs, lineage, spec)
    return result


def _add_backbone(
    result: Transplant, file: ForeignFile, lineage: Lineage, shapes: Mapping[str, Shape]
) -> None:
    for name, origin in lineage.origins.items():
        ours = f"backbone.{name}"
        result.tensors[ours] = _turned(file, origin.name, origin.turn, shapes[ours])
        result.used[ours] = origin.name


def _add_scores(
    result: Transplant,
    file: ForeignFile,
    lineage: Lineage,
    strides: Mapping[int, str],
    endings: Collection[str],
    shapes: Mapping[str, Shape],
) -> set[str]:
    """Add the score layers; the foreign arrays that they are made of."""
    used = set()
    for stride, name in strides.items():
        for kind in ("weight", "bias"):
            ours = f"score.{stride}.{kind}"
            result.tensors[ours] = _score(file, lineage, name, kind, endings, shapes[ours])
            theirs = [lineage.array(layer, kind) for layer in _scores(lineage, name, endings)]
            result.used[ours] = ", ".join(theirs)
            used.update(theirs)
    return used


def _add_deconvolutions(
    result: Transplant, file: ForeignFile, lineage: Lineage, shapes: Mapping[str, Shape]
) -> None:
    for stride, layer in lineage.deconvolutions.items():
        for kind in ("weight", "bias"):
            ours, theirs = f"upscore.{stride}.{kind}", lineage.array(layer, kind)
            result.tensors[ours] = _turned(file, theirs, lineage.turn, shapes[ours])
            result.used[ours] = theirs


def _score(
    file: ForeignFile,
    lineage: Lineage,
    name: str,
    kind: str,
    endings: Iterable[str],
    shape: tuple[int, ...],
) -> Tensor:
    """A score layer: outputs behind one another, each the mean over the streams.

    One layer on the maps of all streams computes the sum of a layer on each (`nets.Streams`).
    """
    count, rows = len(lineage.streams), []
    for ending in endings:
        layers = [lineage.array(layer, kind) for layer in _scores(lineage, name, [ending])]
        classes = file.arrays[lineage.array(name + ending + lineage.streams[0], "bias")].size
        shape_of_part = (classes, *_share(shape, count))
        parts = [_turned(file, layer, lineage.turn, shape_of_part) for layer in layers]
        joined = torch.cat(parts, 1) if kind == "weight" else torch.stack(parts).sum(0)
        rows.append(joined / count if count > 1 else joined)
    return torch.cat(rows)


def _share(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """All but the classes of a score's shape, of one of ``count`` streams."""
    return (shape[1] // count, *shape[2:]) if len(shape) > 1 else ()


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
        raise UserError(
            f"{file.path}: {theirs} is missing; the file is not whole", "FC-WEIGHTS-005"
        )
    try:
        tensor = torch.from_numpy(np.ascontiguousarray(turn(file.arrays[theirs], shape)))
    except ValueError as error:
        raise UserError(f"{file.path}: {theirs} is {error}", "FC-WEIGHTS-005") from None
    if not torch.isfinite(tensor).all():
        raise UserError(
            f"{file.path}: {theirs} holds nan or infinity: its training diverged, or the file is "
            "damaged",
            "FC-WEIGHTS-012",
        )
    return tensor
