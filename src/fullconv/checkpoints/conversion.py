"""A foreign file as a checkpoint of this project, and the account of every array."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from fullconv.checkpoints.checkpoint import Checkpoint
from fullconv.checkpoints.checkpoint_file import is_checkpoint_file
from fullconv.checkpoints.foreign.foreign_arrays import Shape
from fullconv.checkpoints.foreign.recognize_net import lineages, read_foreign
from fullconv.checkpoints.foreign.transplant import Transplant, transplant
from fullconv.classes import VOC, ClassSet, numbered_names
from fullconv.errors import UserError
from fullconv.models import FCN
from fullconv.models.analysis.cost import meta_net
from fullconv.models.backbones.definition import Padding

ZERO = "starts at zero"


@dataclass(frozen=True)
class Row:
    """One array of the account: ours, theirs or both, and what became of it."""

    ours: str
    theirs: str
    shape: Shape
    note: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Conversion:
    """A foreign net as a checkpoint. ``title`` says which net was recognised.

    ``loaded`` and ``missing`` have together every array of the net, ``not_needed`` the foreign
    arrays without a place in it. A classifier has no scores yet: it is there to train from.
    ``warning`` says what the file cannot tell and only the user knows; empty where all is clear.
    """

    checkpoint: Checkpoint
    title: str
    is_classifier: bool
    loaded: list[Row] = field(default_factory=list)
    missing: list[Row] = field(default_factory=list)
    not_needed: list[Row] = field(default_factory=list)
    warning: str = ""

    def __repr__(self) -> str:
        counts = f"{len(self.loaded)} loaded, {len(self.missing)} missing"
        return f"Conversion({self.title}, {counts}, {len(self.not_needed)} not needed)"


def convert(
    source: str | Path,
    net: str | None = None,
    padding: Padding | None = None,
    classes: ClassSet | None = None,
    output: str | None = None,
) -> Conversion:
    """Read the foreign file ``source`` and make its net this project's.

    ``net``, ``padding`` and ``output`` as in `transplant`. ``classes`` are those of the scores;
    else the names of the data set that the net is known to have learnt, else 'class 0' and so on.
    Raises UserError for a file that is damaged or holds no known net.
    """
    path = Path(source)
    if is_checkpoint_file(path):
        raise UserError(
            f"{path}: is a checkpoint of fullconv already; use it as it is", "FC-WEIGHTS-021"
        )
    file = read_foreign(path)
    count = len(classes) if classes else None
    transplanted = transplant(file, lineages(), net, padding, count, output)
    names = _classes(path, transplanted, classes)
    origin: dict[str, str | bool] = {
        "source": path.name,
        "format": file.format,
        "lineage": transplanted.title,
        "sha256": _sha256(path),
    }
    if transplanted.is_classifier:
        origin["classifier"] = True
    built = _net(transplanted)
    conversion = Conversion(
        Checkpoint(built, names, transplanted.preprocessing, origin),
        transplanted.title,
        transplanted.is_classifier,
        warning=transplanted.warning or ("" if net else _warning(file.format, transplanted)),
    )
    for name, tensor in built.state_dict().items():
        theirs = transplanted.used.get(name, "")
        row = Row(name, theirs, tuple(tensor.shape), "" if theirs else ZERO)
        (conversion.loaded if theirs else conversion.missing).append(row)
    for theirs, why in transplanted.not_needed.items():
        array = file.arrays.get(theirs)
        conversion.not_needed.append(Row("", theirs, () if array is None else array.shape, why))
    return conversion


def _net(transplanted: Transplant) -> FCN:
    """The net with the tensors themselves, not copies; missing scores and counters are zero."""
    net = meta_net(transplanted.spec)
    scores = tuple(f"{name}." for name in net.score_modules())
    missing = {name: t for name, t in net.state_dict().items() if name not in transplanted.tensors}
    not_given = [name for name, t in missing.items() if t.ndim and not name.startswith(scores)]
    if not_given:
        raise UserError(f"{transplanted.title}: gives no {not_given[0]}", "FC-WEIGHTS-010")
    zeros: dict[str, Tensor] = {n: torch.zeros(t.shape, dtype=t.dtype) for n, t in missing.items()}
    net.load_state_dict({**transplanted.tensors, **zeros}, assign=True)
    return net.eval()


def _classes(path: Path, transplanted: Transplant, chosen: ClassSet | None) -> ClassSet:
    count = transplanted.spec.classes
    if chosen is not None and len(chosen) != count:
        raise UserError(
            f"{path}: scores {count} classes, the class file names {len(chosen)}; leave it out, or "
            "name as many",
            "FC-WEIGHTS-011",
        )
    if chosen is not None or transplanted.classes is not None:
        return chosen or transplanted.classes or VOC
    if transplanted.is_classifier:
        return VOC  # 21, until a training puts its own in their place
    ignore = 255 if count <= 255 else 65535
    if transplanted.outputs:
        return ClassSet.joint({o: _numbered(n, ignore) for o, n in transplanted.outputs.items()})
    return _numbered(count, ignore)


def _numbered(count: int, ignore: int) -> ClassSet:
    return ClassSet(numbered_names(count), ignore=ignore)


def _warning(form: str, transplanted: Transplant) -> str:
    """Outside Caffe the constants of the at-once net stand in code, not in the file."""
    if (
        form == "Caffe"
        or transplanted.is_classifier
        or not transplanted.spec.name.startswith("fcn8s-vgg16")
    ):
        return ""
    return (
        "FCN8s and FCN8sAtOnce have the same arrays here; if the net was trained at once, convert "
        "it with --net fcn8s-atonce-vgg16, or its scores are wrong"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
