"""The counts of the parts of a split, put together, are those of the whole split."""

import numpy as np
import pytest
import torch

from fullconv.data import open_source
from fullconv.data.splits.overlapping import TaskChoice, for_task
from fullconv.data.splits.subset import Subset
from fullconv.evaluation import join_tallies, tally_of
from fullconv.inference.engines.torch_engine import TorchEngine
from fullconv.models import TORCH
from fullconv.report import BestAndWorst
from small_runs import small_net

KINDS = {
    "semantic": TaskChoice(),
    "binary": TaskChoice("binary", ("disc",)),
    "multilabel": TaskChoice("multilabel", ("disc", "ring")),
}


def scored(engine, source):
    extremes = BestAndWorst(source.classes)
    return tally_of(engine, source, on_photo=extremes.add), extremes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("processes", [2, 3, 9])  # of 7 photos: two processes have none
def test_parts_give_the_scores_of_the_whole(kind, processes):
    source = for_task(open_source("shapes:40x56:n=7", "val"), KINDS[kind])
    net = small_net(len(source.classes))
    engine = TorchEngine((net, TORCH), torch.device("cpu"), "fp32", source.classes)
    whole, expected = scored(engine, source)
    parts = [
        scored(engine, Subset(source, "val", tuple(range(rank, len(source), processes))))
        for rank in range(processes)
    ]
    scores, wanted = join_tallies([tally for tally, _ in parts]).scores(), whole.scores()
    assert scores.mean_iu == wanted.mean_iu
    assert np.array_equal(scores.confusion, wanted.confusion)
    assert scores.photos is not None
    assert wanted.photos is not None
    assert scores.photos.names == wanted.photos.names == tuple(source.names)
    assert np.array_equal(scores.photos.counts, wanted.photos.counts)
    if kind != "semantic":
        assert np.array_equal(scores.average_precision, wanted.average_precision)
    first, *others = [extremes for _, extremes in parts]
    first.join(others)
    for name in ("best", "worst", "typical"):
        assert [p.name for p in getattr(first, name)] == [p.name for p in getattr(expected, name)]
