"""Warnings in words while a net trains: what a collapsed or mistaken training looks like."""

from collections.abc import Sequence
from itertools import accumulate
from math import log

from fullconv.metrics import MultilabelScores, Scores

WEIGHTS = "loss.cross_entropy.class_weights"
NAMED = 8  # classes in a warning


class Diagnostics:
    """Gives each warning once: the kinds in ``warned`` are not repeated, nor by a resumed run.

    ``classes`` has the number of classes of each output.
    """

    def __init__(self, classes: Sequence[int], warned: list[str], fine_tuned: bool) -> None:
        ends = list(accumulate(classes))
        self.outputs = [slice(end - n, end) for n, end in zip(classes, ends, strict=True)]
        self.chance = sum(log(count) for count in classes)
        self.warned = warned
        self.fine_tuned = fine_tuned

    def loss(self, step: int, per_pixel: float) -> str | None:
        """A warning about the mean loss per pixel since the last row; None without one."""
        if step >= 200 and self.chance and abs(per_pixel - self.chance) < 0.02 * self.chance:
            return self._once(
                "chance",
                f"the loss per pixel stays at ln(classes) = {self.chance:.3f}: the net learns "
                "nothing; raise the learning rate, or see whether photos and masks belong together "
                "(fullconv check)",
            )
        return None

    def scores(self, step: int, steps: int, scores: Scores, start: float | None) -> list[str]:
        """Warnings about a validation's scores at ``step`` of ``steps``; ``start`` is the mean IU
        before training.
        """
        warnings = [self._one_class(scores), self._never_predicted(step, steps, scores)]
        if self.fine_tuned and start is not None and scores.mean_iu < 0.7 * start:
            warnings.append(
                self._once(
                    "fell",
                    f"mean IU fell from {start:.3f} at the start to {scores.mean_iu:.3f}: the "
                    "learning rate is too high for fine-tuning, or the preprocessing is not the "
                    "weights'",
                )
            )
        return [warning for warning in warnings if warning]

    def _one_class(self, scores: Scores) -> str | None:
        if isinstance(scores, MultilabelScores):
            return None
        for part in self.outputs:
            predicted, true = scores.confusion.sum(0)[part], scores.pixels[part]
            if (predicted > 0).sum() == 1 and (true > 0).sum() > 1:
                name = scores.names[part][int(predicted.argmax())]
                return self._once(
                    "one class",
                    f"every pixel is predicted as {name!r}: early on that passes; if it stays, "
                    "lower the learning rate, or weigh the classes "
                    "(loss.cross_entropy.class_weights)",
                )
        return None

    def _never_predicted(self, step: int, steps: int, scores: Scores) -> str | None:
        """The classes that no pixel is predicted as, once a tenth of the run is done."""
        if 10 * step < steps:
            return None
        predicted = scores.counts[2]
        pairs = zip(scores.names, predicted, scores.pixels, strict=True)
        missing = [name for name, count, pixels in pairs if pixels and not count]
        if not missing:
            return None
        names = ", ".join(missing[:NAMED])
        is_overlapping = isinstance(scores, MultilabelScores)
        weights = "loss.binary_cross_entropy.pos_weight" if is_overlapping else WEIGHTS
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        return self._once(
            "never predicted",
            f"at step {step} of {steps} no pixel is predicted as {names}{more}: rare classes "
            f"come late; if it stays, weigh the classes ({weights}), or show "
            "them more often (augment.rare_crops)",
        )

    def _once(self, kind: str, message: str) -> str | None:
        if kind in self.warned:
            return None
        self.warned.append(kind)
        return message
