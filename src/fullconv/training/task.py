"""The loss for the task of the data, and a line that says what is trained."""

from collections.abc import Set

from fullconv.classes import ClassSet
from fullconv.errors import UserError
from fullconv.training.config.config import Config
from fullconv.training.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    FromPython,
    Jaccard,
    SigmoidDice,
    SigmoidJaccard,
    SigmoidTerm,
    Term,
)

BY_SIGMOID: dict[type[Term], type[Term]] = {
    CrossEntropy: BinaryCrossEntropy,
    Jaccard: SigmoidJaccard,
    Dice: SigmoidDice,
}
"""The losses for overlapping classes, by the loss of exclusive classes that each replaces."""


def with_task(config: Config, classes: ClassSet, named: Set[str]) -> tuple[Config, str]:
    """The config for the task of the data's ``classes``, and a line about it; '' for semantic.

    Of overlapping classes the losses of the recipe are replaced by those for them, unless the user
    has ``named`` any. Raises UserError for a loss that does not suit the task.
    """
    if not classes.is_overlapping:
        _check_semantic(config)
        return config, ""
    terms = config.loss
    if not any(key.startswith("loss") or key == "config" for key in named):
        terms = tuple(_by_sigmoid(term) for term in terms)
    for term in terms:
        if not isinstance(term, SigmoidTerm | FromPython):
            raise _refused(term, classes)
    task = config.task.model_copy(update={"kind": classes.task})
    config = config.model_copy(update={"loss": terms, "task": task})
    return config, _line(config, classes)


def _by_sigmoid(term: Term) -> Term:
    replaced = BY_SIGMOID.get(type(term))
    return term if replaced is None else replaced(weight=term.weight)  # pyright: ignore


def _line(config: Config, classes: ClassSet) -> str:
    thresholds = sorted(set(classes.thresholds))
    loss = " + ".join(term.kind for term in config.loss)
    which = (
        f"{classes.names[0]} against the rest"
        if len(classes) == 1
        else f"{len(classes)} classes that may overlap"
    )
    return (
        f"{classes.task}: {which}, by a sigmoid each, threshold "
        f"{', '.join(f'{value:g}' for value in thresholds)}, loss {loss}"
    )


def _refused(term: Term, classes: ClassSet) -> UserError:
    instead = BY_SIGMOID.get(type(term), BinaryCrossEntropy).model_fields["kind"].default
    return UserError(
        f"loss.{term.kind}: needs one class per pixel, and the classes of the task "
        f"{classes.task} may overlap: use {instead}, or leave the loss out",
        "FC-CONFIG-016",
    )


def _check_semantic(config: Config) -> None:
    """UserError for a loss of overlapping classes where they exclude each other."""
    instead = {new: old for old, new in BY_SIGMOID.items()}
    for term in config.loss:
        if isinstance(term, SigmoidTerm):
            kind = instead[type(term)].model_fields["kind"].default
            raise UserError(
                f"loss.{term.kind}: is for classes that may overlap, and the masks have one class "
                f"a pixel: use {kind}, or train with --task multilabel",
                "FC-CONFIG-016",
            )
