"""A split scored by the workers of a cluster: the counts of its parts, added up."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fullconv.cluster.connection import ClusterOptions
from fullconv.cluster.workers import Reply, replies
from fullconv.data import Source
from fullconv.data.splits.subset import Subset
from fullconv.evaluation import MultilabelTally, Progress, Tally, join_tallies, tally_of
from fullconv.inference.engines.registry import Say
from fullconv.inference.predictor import Predictor
from fullconv.inference.storage.predictor_options import PredictorOptions
from fullconv.metrics import Scores

MOST_PARTS = 256


@dataclass(frozen=True)
class ScorePart:
    """A worker's part: the counts of every N-th photo of ``source``."""

    source: Source
    boundary: float | None

    def __call__(self, predictor: Predictor, item: dict[str, Any]) -> Iterator[Reply]:
        """The counts, and how many photos they are of."""
        indices = range(item["first"], len(self.source), item["step"])
        part = Subset(self.source, self.source.split, tuple(indices))
        tally = tally_of(predictor.engine, part, boundary=self.boundary)
        yield {"number": item["first"], "photos": len(indices), "counts": _packed(tally)}


def evaluate_on_cluster(
    cluster: ClusterOptions,
    options: PredictorOptions,
    source: Source,
    say: Say,
    progress: Progress | None = None,
    boundary: float | None = None,
) -> Scores:
    """As `fullconv.evaluate`, by the workers of a cluster; the same scores to the last digit.

    They are given ``source``, whose files must have the same paths on each machine. Raises
    UserError as `fullconv.evaluate` does.
    """
    parts = min(len(source), MOST_PARTS)
    items = [{"first": first, "step": parts} for first in range(parts)]
    tallies: dict[int, Tally | MultilabelTally] = {}
    done = 0
    for reply in replies(cluster, options, ScorePart(source, boundary), items, say):
        kind = MultilabelTally if source.classes.is_overlapping else Tally
        tally = kind(source.classes, boundary)
        tallies[reply["number"]] = _unpacked(reply["counts"], tally)
        done += reply["photos"]
        if progress:
            progress(done, len(source))
    return join_tallies([tallies[number] for number in range(parts)]).scores()


def _packed(tally: Tally | MultilabelTally) -> bytes:
    """The counts as arrays of numpy's own format."""
    file = io.BytesIO()
    arrays: dict[str, Any] = {
        "total": tally.total,
        "names": np.array(tally.names),
        "counts": np.stack(tally.counts),
    }
    if tally.outlines:
        arrays["outlines"] = np.stack(tally.outlines)
    if isinstance(tally, MultilabelTally) and tally.histogram is not None:
        arrays["histogram"] = tally.histogram.counts
    np.savez(file, **arrays)
    return file.getvalue()


def _unpacked(content: bytes, tally: Tally | MultilabelTally) -> Tally | MultilabelTally:
    """``tally``, which is empty, with those counts."""
    arrays = np.load(io.BytesIO(content), allow_pickle=False)
    tally.total = arrays["total"]
    tally.names = [str(name) for name in arrays["names"]]
    tally.counts = list(arrays["counts"])
    tally.outlines = list(arrays["outlines"]) if "outlines" in arrays else []
    if isinstance(tally, MultilabelTally):
        if "histogram" in arrays and tally.histogram is not None:
            tally.histogram.counts = arrays["histogram"]
        else:
            tally.histogram = None
    return tally
