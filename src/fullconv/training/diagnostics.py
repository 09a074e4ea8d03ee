"""Warnings in words while a net trains: what a collapsed or mistaken training looks like."""

from collections.abc import Sequence
from itertools import accumulate
from math import log

from fullconv.metrics import Scores


class Watch:
    """Says each thing once. ``said`` is kept in the run's state: a resume repeats nothing.

    ``classes`` holds the number of classes of each output.
    """

    def __init__(self, classes: Sequence[int], said: list[str], fine_tuned: bool) -> None:
        ends = list(accumulate(classes))
        self.outputs = [slice(end - n, end) for n, end in zip(classes, ends, strict=True)]
        self.chance = sum(log(count) for count in classes)
        self.said = said
        self.fine_tuned = fine_tuned

    def loss(self, step: int, per_pixel: float) -> str | None:
        """Given the mean loss per pixel of the last interval."""
        if step >= 200 and self.chance and abs(per_pixel - self.chance) < 0.02 * self.chance:
            return self._once(
                "chance",
                f"the loss per pixel stays at ln(classes) = {self.chance:.3f}: the net learns "
                "nothing; raise the rate, or look whether photos and masks belong together "
                "(fullconv check)",
            )
        return None

    def scores(self, step: int, scores: Scores, start: float | None) -> str | None:
        """Given a validation's scores and the mean IU before the first step."""
        for part in self.outputs:
            predicted, true = scores.confusion.sum(0)[part], scores.pixels[part]
            if (predicted > 0).sum() == 1 and (true > 0).sum() > 1:
                name = scores.names[part][int(predicted.argmax())]
                return self._once(
                    "one class",
                    f"every pixel is predicted as {name!r}: early on that passes; if it stays, "
                    "lower the rate, or weigh the classes (loss.cross_entropy.class_weights)",
                )
        if self.fine_tuned and start is not None and scores.mean_iu < 0.7 * start:
            return self._once(
                "fell",
                f"mean IU fell from {start:.3f} at the start to {scores.mean_iu:.3f}: the rate is "
                "too high for fine-tuning, or the preprocessing is not the weights'",
            )
        return None

    def _once(self, kind: str, message: str) -> str | None:
        if kind in self.said:
            return None
        self.said.append(kind)
        return message
