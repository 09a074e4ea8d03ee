"""An engine that has loaded a net proves itself on the picture that its file has the classes of.

So a broken runtime, a wrong kernel on some processor or a half-copied file is one warning at the
first prediction, and not a bad map that nobody can explain.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

from fullconv.checkpoints.golden import Agreement, Array, Golden, picture
from fullconv.inference.class_map import Classes, Decision, classes_of


class DisagreementWarning(UserWarning):
    """An engine computes something else than the net did when it was saved: one line."""


@dataclass(frozen=True, eq=False)
class GoldenCheck:
    """What is to be proved, once: that an engine computes what ``golden`` says.

    ``kinds`` are the inputs that the net sees, ``decision`` how classes follow from its logits;
    ``exact`` says whether it computes in fp32 throughout, ``name`` what it is, for the warning.
    """

    golden: Golden
    kinds: tuple[str, ...]
    decision: Decision
    exact: bool
    name: str

    def __call__(
        self, scores: Callable[[Array], Array] | None, class_map: Callable[[Array], Classes]
    ) -> Agreement:
        """Run the engine on the picture; DisagreementWarning where it does not agree.

        By ``scores`` (K, H, W), or, None where it has none, by its ``class_map`` alone.
        """
        image = picture(self.kinds, self.golden.size)
        logits = scores(image) if scores else None
        classes = class_map(image) if logits is None else classes_of(logits, self.decision)
        agreement = self.golden.compare(classes, logits)
        if not self.golden.holds(agreement, self.exact):
            warnings.warn(self.line(agreement), DisagreementWarning, stacklevel=2)
        return agreement

    def line(self, agreement: Agreement) -> str:
        """The warning."""
        logits = ""
        if not isnan(agreement.difference):
            difference, largest = agreement.difference, agreement.largest
            logits = f", logits differ by up to {difference:.3g} of {largest:.3g}"
        return (
            f"{self.name} does not compute what the net did when it was saved: on its test picture "
            f"{1 - agreement.same:.1%} of the pixels get another class{logits}; copy the file "
            "again, update the runtime, or use another engine or device"
        )
