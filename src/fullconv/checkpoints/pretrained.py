"""Which pretrained weights a net starts from: those of its backbone, from wherever they are."""

from importlib.util import find_spec

from fullconv.checkpoints.hub import fetch_from_hub, hub_file, is_hub_name, pinned
from fullconv.checkpoints.installed import InstalledFile
from fullconv.checkpoints.registry import Published, fetch, file_here, provenance, published
from fullconv.download.request import Progress
from fullconv.errors import UserError
from fullconv.models import BACKBONES, NetSpec
from fullconv.models.backbones.definition import PREFIX

AUTO, NONE, IMAGENET = "auto", "none", "imagenet"
"""The words that stand for weights: those on this machine, none at all, those of ImageNet."""

Wanted = str | tuple[str, ...]
"""A word, a name or a path; several are for the streams of a net, one each."""

LEARNT = ("imagenet", "edges")
"""The tasks that weights to start from were trained for, the better start first."""

READERS = {"caffe": "google.protobuf", "keras": "h5py"}
"""The module that reading a format needs (extra `convert`)."""


def known_for(backbone: str) -> list[Published]:
    """Weights that a training of ``backbone`` can start from, the best first.

    Those trained further for something else come last, behind them in format those that a bare
    installation reads.
    """
    fit = [
        weights
        for weights in published().values()
        if weights.classes in LEARNT and backbone in (weights.net, *weights.fits)
    ]
    return sorted(
        fit, key=lambda weights: (LEARNT.index(weights.classes), weights.format in READERS)
    )


def here_for(backbone: str) -> Published | None:
    """The best weights for ``backbone`` that are on this machine and can be read; None without.

    A package comes before the cache.
    """
    there = [
        weights for weights in known_for(backbone) if file_here(weights) and _is_readable(weights)
    ]
    return min(there, key=_preference, default=None)


def imagenet_for(backbone: str) -> Published:
    """The weights that `imagenet` means for ``backbone``: on this machine, or to be downloaded.

    Raises UserError naming the backbones that have some where none are known.
    """
    known = known_for(backbone)
    if not known:
        raise UserError(
            f"no pretrained weights are known for the backbone {backbone}; there are some for "
            f"{', '.join(backbones())}: choose a net with one of these (--net), or name a file",
            "FC-WEIGHTS-022",
        )
    return here_for(backbone) or known[0]


def backbones() -> list[str]:
    """The backbones that have known weights to start from."""
    known = [weights for weights in published().values() if weights.classes in LEARNT]
    names = dict.fromkeys(name for weights in known for name in (weights.net, *weights.fits))
    return [name for name in names if name in BACKBONES]


def resolve_weights(
    wanted: Wanted, spec: NetSpec, progress: Progress | None = None
) -> tuple[Wanted, str]:
    """``wanted`` without the words `auto` and `imagenet`, and a line that says what was chosen.

    A name of the Hub gets the commit that it means today.

    `imagenet` becomes the name of the weights, which are downloaded where they are not here;
    `auto` the name of those that are here, else `none`, and never downloads. The line is empty
    where nothing was to choose. Raises UserError where `imagenet` cannot be had.
    """
    if wanted == AUTO:
        return _automatic(spec)
    names = (wanted,) if isinstance(wanted, str) else wanted
    chosen = [_settled(name, spec, progress) for name in names]
    lines = "; ".join(dict.fromkeys(line for _, line in chosen if line))
    return (chosen[0][0] if isinstance(wanted, str) else tuple(n for n, _ in chosen)), lines


def _settled(name: str, spec: NetSpec, progress: Progress | None) -> tuple[str, str]:
    if is_hub_name(name):
        exact = pinned(name, fetch_from_hub(name))
        page = hub_file(exact).address
        return exact, f"{exact} from {page}, licence: as that page states"
    if name != IMAGENET:
        return name, ""
    chosen = imagenet_for(spec.backbone)
    fetch(chosen.name, progress=progress)
    return chosen.name, line_about(chosen)


def line_about(weights: Published) -> str:
    """Name, where from, and licence, in one line."""
    cached = "" if isinstance(weights.file, InstalledFile) else f" (cached as {file_here(weights)})"
    note = f"; note: {weights.note}" if weights.note else ""
    where = f"{provenance(weights)}{cached}"
    return f"{weights.name} from {where}, licence: {weights.file.licence}{note}"


def _automatic(spec: NetSpec) -> tuple[str, str]:
    backbone, known = spec.backbone, known_for(spec.backbone)
    chosen = here_for(backbone)
    if chosen and spec.width == 1:
        return chosen.name, f"{line_about(chosen)}; without them: --scratch (net.weights=none)"
    if chosen:
        return NONE, f"{chosen.name} fits width 1 only, not {spec.width:g}; not used"
    if backbone.startswith(PREFIX):
        return NONE, "none; to start from those that timm downloads: --weights timm"
    if not known and backbone.startswith("efficientnet_lite"):
        return NONE, f"none come by pip for {backbone}; to download: --weights timm:tf_{backbone}"
    if not known:
        return NONE, f"none are known for {backbone}; fullconv weights lists what there is"
    if spec.width != 1:
        return NONE, f"those known for {backbone} fit width 1 only, not {spec.width:g}"
    best = known[0]
    how = f"{best.file.install}, then " if isinstance(best.file, InstalledFile) else ""
    return NONE, (
        f"none for {backbone} are on this machine; to start from {best.name}: {how}"
        f"--weights imagenet"
    )


def _preference(weights: Published) -> tuple[int, bool]:
    return LEARNT.index(weights.classes), not isinstance(weights.file, InstalledFile)


def _is_readable(weights: Published) -> bool:
    """Whether what the format needs is installed."""
    try:
        return weights.format not in READERS or find_spec(READERS[weights.format]) is not None
    except ImportError:  # the package before the dot is not there
        return False
