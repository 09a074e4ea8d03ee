"""The scores of a prediction, which a net computes when they are first asked for."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError

Logits = npt.NDArray[np.float32]


class LazyScores:
    """Called, gives the scores, float32 (K, H, W): ``known``, else computed once.

    A copy computes them as this one does. A pickle has no net with it: in another process there are
    the scores that were known, or UserError says how to send them along.
    """

    def __init__(self, compute: Callable[[], Logits] | None, known: Logits | None = None) -> None:
        self._compute, self._known = compute, known

    def __call__(self) -> Logits:
        if self._known is None:
            if self._compute is None:
                raise UserError(
                    "the scores of this prediction were not computed before it was pickled, and "
                    "the net is not here: predict with scores=True, or ask for them before",
                    "FC-PREDICT-021",
                )
            self._known = self._compute()
        return self._known

    def of(self, channels: slice) -> "LazyScores":
        """The scores of some of the classes, which are computed with those of all."""
        if self._known is None:
            return LazyScores(lambda: self()[channels])
        return LazyScores(None, self._known[channels])

    def __copy__(self) -> "LazyScores":
        return LazyScores(self._compute, self._known)

    def __deepcopy__(self, memo: dict[int, Any]) -> "LazyScores":
        return LazyScores(self._compute, deepcopy(self._known, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return LazyScores, (None, self._known)


def lazy(compute: Callable[[], Logits]) -> LazyScores:
    """``compute`` as `LazyScores`, unless it is one."""
    return compute if isinstance(compute, LazyScores) else LazyScores(compute)
