"""The thresholds of a binary or multi-label net chosen by a split, and written into its file."""

from dataclasses import dataclass
from pathlib import Path

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.checkpoints.checkpoint import find
from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.inference.engines.registry import is_exported
from fullconv.metrics import MultilabelScores, class_metrics


@dataclass(frozen=True)
class Tuned:
    """The new ``thresholds``, the mean IU that they give, and the ``file`` that has them."""

    thresholds: tuple[float, ...]
    mean_iu: float
    file: Path


def check_tunable(run: str | Path, classes: ClassSet) -> None:
    """UserError unless the thresholds of ``run`` can be chosen and written."""
    if not classes.is_overlapping:
        raise UserError(
            f"{run}: gives each pixel the class of the highest probability, without a threshold: "
            "leave --tune-thresholds out",
            "FC-PREDICT-019",
        )
    if is_exported(Path(run)) or find(run).suffix != ".safetensors":
        raise UserError(
            f"{run}: thresholds are chosen for a run: name its folder, and export it again then",
            "FC-PREDICT-019",
        )


def tune_thresholds(run: str | Path, scores: MultilabelScores) -> Tuned:
    """Write the threshold of the highest F1 of each class of ``scores`` into the run's checkpoint.

    The highest F1 is at the highest IU. A class that is nowhere keeps its own. Raises UserError
    where the scores have no probabilities, and as `check_tunable`.
    """
    file, checkpoint = find(run), load(run)
    check_tunable(run, checkpoint.classes)
    if scores.curves is None:
        raise UserError(f"{run}: these scores have no probabilities", "FC-PREDICT-016")
    thresholds = scores.curves.best_thresholds(scores.thresholds)
    classes = checkpoint.classes.overlapping(thresholds)
    parts = checkpoint.net, classes, checkpoint.preprocessing, checkpoint.origin
    save(file, Checkpoint(*parts))
    iu = scores.curves.iu_at(thresholds)
    return Tuned(thresholds, float(class_metrics.mean(iu)), file)
