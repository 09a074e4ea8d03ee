"""The candidates of a comparison: untrained nets by name, and the nets of runs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fullconv.checkpoints import load
from fullconv.checkpoints.checkpoint import FILE
from fullconv.errors import UserError
from fullconv.models import NetSpec
from fullconv.models.backbones.definition import Padding


@dataclass(frozen=True)
class Candidate:
    """A net under the name it has in the table; ``run`` holds its weights, None if untrained."""

    name: str
    spec: NetSpec
    run: Path | None = None


def find_candidates(
    nets: Sequence[str],
    runs: Sequence[Path],
    classes: int = 21,
    padding: Padding = "same",
    width: float = 1.0,
    channels: int = 3,
) -> list[Candidate]:
    """The untrained ``nets``, then the nets of ``runs`` (folders or checkpoints), each once.

    ``classes``, ``padding``, ``width`` and ``channels`` are of ``nets``; a run has its own. A run
    is called as its folder, with the folder above where two would be called alike. Raises UserError
    for an unknown net, a run that cannot be read, and when there is nothing to compare.
    """
    if not nets and not runs:
        raise UserError(
            "nothing to compare: name nets with --nets, trained ones with --runs, as in: "
            "fullconv compare --nets fcn32s-vgg16,fcn8s-resnet18",
            "FC-REPORT-005",
        )
    if padding == "none":
        raise UserError(
            "padding 'none' loses the border of the photo: use 'same' or 'paper'", "FC-REPORT-005"
        )
    named = dict.fromkeys(nets)
    once = {os.path.abspath(run): run for run in runs}
    candidates = [
        Candidate(net, NetSpec(net, classes, (channels,), padding, width)) for net in named
    ]
    for name, run in zip(_run_names(list(once), set(named)), once.values(), strict=True):
        candidates.append(Candidate(name, load(run).net.spec, run))
    return candidates


def _run_names(paths: Sequence[str], taken: set[str]) -> list[str]:
    """As few of the last parts of each path as tell all apart."""
    folders = [_folder(Path(path)) for path in paths]
    for parts in range(1, max((len(f.parts) for f in folders), default=0) + 1):
        names = ["/".join(folder.parts[-parts:]) for folder in folders]
        if len(set(names)) == len(names) and not taken & set(names):
            return names
    return [str(path) for path in paths]  # a run folder, and a checkpoint of its name beside it


def _folder(run: Path) -> Path:
    """The name of a run in the tables: its folder, or the checkpoint's own name."""
    if run.name == FILE:
        return run.parent
    return run.with_suffix("") if run.suffix == Path(FILE).suffix else run
